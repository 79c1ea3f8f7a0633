//! A distribution made with apt-ftparchive: suites with components, sources, and packages for one architecture and for
//! all, as a mirror's folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use preflight_archive::{Archive, Mirror, SigningKey, Snapshot, SnapshotRequest, SuiteSpec};
use preflight_debian::Sha256Digest;

use crate::support::{self, GUEST_URL, TestMirror, run};

/// Adds source and binary package of that name and version to a pool folder that one suite lists.
pub(crate) fn upload(root: &Path, suite: &str, component: &str, name: &str, version: &str) {
    let pool = root.join("pool").join(suite).join(component);
    fs::create_dir_all(&pool).unwrap();
    support::deb(&pool, name, version, &format!("Section: {component}/misc\n"), 2000);
    let tar = format!("{name}_{version}.tar.xz");
    fs::write(pool.join(&tar), format!("no real source of {name} {version}")).unwrap();
    let digest = |tool: &str| {
        let told = run(Command::new(tool).arg(&tar).current_dir(&pool)).stdout;
        String::from_utf8(told).unwrap().split(' ').next().unwrap().to_owned()
    };
    let size = fs::metadata(pool.join(&tar)).unwrap().len();
    let dsc = format!(
        "Format: 3.0 (native)\nSource: {name}\nBinary: {name}\nArchitecture: all\nVersion: {version}\n\
         Maintainer: T <t@example.org>\nChecksums-Sha256:\n {} {size} {tar}\nFiles:\n {} {size} {tar}\n",
        digest("sha256sum"),
        digest("md5sum")
    );
    fs::write(pool.join(format!("{name}_{version}.dsc")), dsc).unwrap();
}

/// (Re)writes the suite's indices and signed release file; what its pool no longer has is listed no more.
pub(crate) fn publish(mirror: &TestMirror, suite: &str, components: &[&str], date: SystemTime) {
    let root = mirror.root();
    let dists = root.join("dists").join(suite);
    let _ = fs::remove_dir_all(&dists);
    for component in components {
        let pool = format!("pool/{suite}/{component}");
        fs::create_dir_all(root.join(&pool)).unwrap();
        for (index, command) in [("binary-amd64/Packages", "packages"), ("source/Sources", "sources")] {
            let text = run(Command::new("apt-ftparchive").args([command, &pool]).current_dir(&root)).stdout;
            let path = dists.join(component).join(index);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            run(Command::new("xz").arg("--keep").arg(&path));
            run(Command::new("gzip").args(["--keep", "--no-name"]).arg(&path));
        }
    }
    let at = jiff::Timestamp::try_from(date)
        .unwrap()
        .strftime("%a, %d %b %Y %H:%M:%S UTC");
    let option = |key: &str, value: &str| format!("APT::FTPArchive::Release::{key}={value}");
    let release = run(Command::new("apt-ftparchive")
        .arg("-o")
        .arg(option("Suite", suite))
        .arg("-o")
        .arg(option("Codename", suite))
        .arg("-o")
        .arg(option("Architectures", "amd64"))
        .arg("-o")
        .arg(option("Components", &components.join(" ")))
        .args(["-o", "APT::FTPArchive::Release::Acquire-By-Hash=yes"])
        .args(["release", "."])
        .current_dir(&dists))
    .stdout;
    let release: String = String::from_utf8(release)
        .unwrap()
        .lines()
        .map(|line| match line.strip_prefix("Date: ") {
            Some(_) => format!("Date: {at}\nAcquire-By-Hash: yes\nNo-Support-for-Architecture-all: Packages\n"),
            None if line.starts_with("Acquire-By-Hash") => String::new(),
            None => format!("{line}\n"),
        })
        .collect();
    for index in files_below(&dists) {
        let by_hash = index.parent().unwrap().join("by-hash/SHA256");
        fs::create_dir_all(&by_hash).unwrap();
        fs::copy(
            &index,
            by_hash.join(Sha256Digest::of_file(&index).unwrap().0.to_string()),
        )
        .unwrap();
    }
    fs::write(dists.join("InRelease"), mirror.key.sign_inline(&release, date).unwrap()).unwrap();
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// A snapshot of those suites of the mirror, with these components each.
pub(crate) fn request(mirror: &TestMirror, suites: &[(&str, &[&str])], at: SystemTime) -> SnapshotRequest {
    let spec = |(suite, components): &(&str, &[&str])| SuiteSpec {
        optional: false,
        mirror: Mirror {
            upstream: Some(mirror.url.clone()),
            ..Mirror::new(GUEST_URL)
        },
        suite: (*suite).to_owned(),
        components: components.iter().map(|component| (*component).to_owned()).collect(),
    };
    SnapshotRequest {
        series: "debian-test".to_owned(),
        architecture: "amd64".to_owned(),
        suites: suites.iter().map(spec).collect(),
        at,
    }
}

/// What [`TestMirror`] has.
pub(crate) const STABLE: &[(&str, &[&str])] = &[("stable", &["main"])];

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A new snapshot of [`STABLE`].
pub(crate) async fn take(mirror: &TestMirror, archive: &Archive, at: SystemTime) -> Snapshot {
    let taken = archive.take_snapshot(request(mirror, STABLE, at), None).await.unwrap();
    assert!(taken.is_new);
    taken.snapshot
}

/// Publishes another package in `stable`, and forgets all indices of before.
pub(crate) fn move_on(root: &Path, key: &SigningKey, package: &str, date: SystemTime) {
    support::deb(&root.join("pool/main/d/demo"), package, "1", "", 10);
    let _ = fs::remove_dir_all(root.join("dists/stable"));
    support::write_suite(root, key, date, None);
}
