//! Pins, by apt's own policy: what `apt-cache policy` says under our preferences is what it says under autopkgtest's.

use std::fs;
use std::path::Path;
use std::process::Command;

use preflight_archive::{PinPriority, PinnedPackage, PocketPins, SuiteLabels, pocket_preferences, ppa_preferences};
use pretty_assertions::assert_eq;

use crate::support::{Apt, run};

/// A suite that lists (package, source, version), without the packages.
fn suite(root: &Path, name: &str, packages: &[(&str, &str, &str)], fields: &str) {
    let binary = root.join("dists").join(name).join("main/binary-amd64");
    fs::create_dir_all(&binary).unwrap();
    let stanza = |(package, source, version): &(&str, &str, &str)| {
        format!(
            "Package: {package}\nSource: {source}\nVersion: {version}\nArchitecture: amd64\nMaintainer: T <t@example.org>\n\
             Filename: pool/{package}_{version}.deb\nSize: 1\nSHA256: {:064}\nDescription: x\n\n",
            1
        )
    };
    fs::write(binary.join("Packages"), packages.iter().map(stanza).collect::<String>()).unwrap();
    let folder = root.join("dists").join(name);
    let release = run(Command::new("apt-ftparchive")
        .args(["release", "."])
        .current_dir(&folder))
    .stdout;
    let text = format!(
        "Suite: {name}\n{fields}Architectures: amd64\nComponents: main\n{}",
        String::from_utf8(release).unwrap()
    );
    fs::write(folder.join("Release"), text).unwrap();
}

struct Policy {
    apt: Apt,
}

impl Policy {
    /// What apt makes of these files in `preferences.d`.
    fn under(&self, preferences: &[&str]) -> String {
        let folder = self.apt.folder.path().join("etc/preferences.d");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (number, text) in preferences.iter().enumerate() {
            fs::write(folder.join(format!("preflight-{number}")), text).unwrap();
        }
        let mut command = Command::new("apt-cache");
        command.args(["policy", "liba", "libb", "other"]).env("LC_ALL", "C");
        command.env("APT_CONFIG", self.apt.folder.path().join("apt.conf"));
        let output = run(&mut command);
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "",
            "apt does not like {preferences:?}"
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn candidates(&self, preferences: &[&str]) -> Vec<String> {
        let text = self.under(preferences);
        let candidates = text.lines().filter_map(|line| line.trim().strip_prefix("Candidate: "));
        candidates.map(str::to_owned).collect()
    }
}

fn labels(suite: &str) -> SuiteLabels {
    SuiteLabels {
        suite: suite.to_owned(),
        codename: "noble".to_owned(),
        ..SuiteLabels::default()
    }
}

fn packages(names: &[&str]) -> Vec<PinnedPackage> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[tokio::test]
async fn apt_weighs_pockets_and_ppas_as_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, ppa) = (folder.path().join("archive"), folder.path().join("ppa"));
    let alpha = |version| {
        [
            ("liba", "alpha", version),
            ("libb", "alpha", version),
            ("other", "other", version),
        ]
    };
    suite(&archive, "noble", &alpha("1.0"), "Codename: noble\n");
    suite(
        &archive,
        "noble-updates",
        &[("other", "other", "1.1")],
        "Codename: noble\n",
    );
    let held_back = "Codename: noble\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n";
    suite(&archive, "noble-proposed", &alpha("2.0"), held_back);
    let odd = "Origin: LP-PPA-test-ppa\nLabel: Tools, for [all]\n";
    suite(
        &ppa,
        "noble",
        &[("liba", "alpha", "0.5"), ("other", "other", "3.0")],
        odd,
    );
    let line = |root: &Path, suites: &[&str]| -> String {
        let line = |suite: &&str| format!("deb [trusted=yes] file:{} {suite} main\n", root.display());
        suites.iter().map(line).collect()
    };

    let without_ppa = line(&archive, &["noble", "noble-updates", "noble-proposed"]);
    let policy = Policy {
        apt: Apt::new(None, &without_ppa),
    };
    policy.apt.succeed(&["update"]).await;
    assert_eq!(policy.candidates(&[]), ["1.0", "1.0", "1.1"]);
    let (release, updates, proposed) = (labels("noble"), [labels("noble-updates")], labels("noble-proposed"));
    let ours = |names: &[PinnedPackage]| {
        let pocket = PocketPins {
            suite: &proposed,
            packages: names,
        };
        pocket_preferences(&release, &updates, &[pocket])
    };
    // What autopkgtest 5.28 writes for --apt-pocket=proposed and --apt-pocket=proposed=src:alpha.
    let baseline = "Package: *\nPin: release a=noble-proposed\nPin-Priority: 500\n";
    let named = "Package:  liba libb \nPin: release a=noble-proposed\nPin-Priority: 995\n\nPackage: *\nPin: release a=noble-updates\nPin-Priority: 990\n";
    let default = "Package: *\nPin: release a=noble\nPin-Priority: 990\n";
    assert_eq!(policy.under(&[&ours(&[])]), policy.under(&[baseline]));
    assert_eq!(policy.candidates(&[&ours(&[])]), ["2.0", "2.0", "2.0"]);
    let of_source = ours(&packages(&["src:alpha"]));
    assert_eq!(policy.under(&[&of_source]), policy.under(&[named, baseline, default]));
    assert_eq!(policy.candidates(&[&of_source]), ["2.0", "2.0", "1.1"]);
    let of_names = ours(&packages(&["liba", "libb"]));
    assert_eq!(policy.under(&[&of_names]), policy.under(&[&of_source]));

    let with_ppa = format!("{without_ppa}{}", line(&ppa, &["noble"]));
    let policy = Policy {
        apt: Apt::new(None, &with_ppa),
    };
    policy.apt.succeed(&["update"]).await;
    let uri = "http://mirror.example/ppa".parse().unwrap();
    let itself = SuiteLabels {
        origin: "LP-PPA-test-ppa".to_owned(),
        label: "Tools, for [all]".to_owned(),
        suite: "noble".to_owned(),
        codename: String::new(),
    };
    let pins = |priority: Option<i16>, names: &[&str]| {
        let priority = priority.map(|number| PinPriority::try_from(number).unwrap());
        ppa_preferences(&uri, &itself, priority, &packages(names))
    };
    assert_eq!(policy.candidates(&[]), ["1.0", "1.0", "3.0"]);
    assert_eq!(policy.candidates(&[&pins(Some(400), &[])]), ["1.0", "1.0", "1.1"]);
    assert_eq!(policy.candidates(&[&pins(Some(700), &[])]), ["0.5", "1.0", "3.0"]);
    assert_eq!(policy.candidates(&[&pins(None, &["liba"])]), ["0.5", "1.0", "3.0"]);
    assert_eq!(
        policy.candidates(&[&pins(Some(-1), &["src:alpha"])]),
        ["0.5", "1.0", "1.1"]
    );
    // A PPA's pins stand before the pockets', whose release shares its suite's name.
    let both = [pins(Some(400), &[]), of_source];
    assert_eq!(policy.candidates(&[&both[0], &both[1]]), ["2.0", "2.0", "1.1"]);
}
