//! Dependencies put to apt itself, in folders of its own: what it can satisfy, what it cannot, and what it cannot fetch.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod local;

use std::{fs, num::NonZeroU32, path::Path, process::Command};

use preflight_dep8::{
    control::TestControl,
    machine::Timeouts,
    outcome::{TestResult, Trouble},
    plan::{Setting, plan},
    run::TestRun,
    source::SourceControl,
    verdict::Rules,
};

const NO_FILE: &str = "Maintainer: A <a@b.example>\nFilename: ./gone.deb\nSize: 100\nDescription: x\n\
    SHA256: 0000000000000000000000000000000000000000000000000000000000000000\n";

/// An apt that knows `here` and `outdated` as installed, and of a repository whose files are gone `fetchable`, `broken` and a
/// newer `outdated`.
fn apt(folder: &Path) -> local::LocalMachine {
    for name in [
        "state/lists/partial",
        "cache/archives/partial",
        "etc/apt.conf.d",
        "etc/preferences.d",
        "repo",
        "log",
    ] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    let packages = format!(
        "Package: fetchable\nVersion: 1\nArchitecture: all\n{NO_FILE}\n\
         Package: outdated\nVersion: 2\nArchitecture: all\n{NO_FILE}\n\
         Package: broken\nVersion: 1\nArchitecture: all\nDepends: never-seen (>= 2)\n{NO_FILE}"
    );
    fs::write(folder.join("repo/Packages"), packages).unwrap();
    let installed = |name: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\
             Maintainer: A <a@b.example>\nDescription: x\n\n"
        )
    };
    fs::write(folder.join("status"), installed("here") + &installed("outdated")).unwrap();
    let shown = folder.display();
    fs::write(
        folder.join("etc/sources.list"),
        format!("deb [trusted=yes] file://{shown}/repo ./\n"),
    )
    .unwrap();
    let config = format!(
        "Dir \"{shown}\";\nDir::State \"{shown}/state\";\nDir::State::status \"{shown}/status\";\nDir::Cache \"{shown}/cache\";\n\
         Dir::Etc \"{shown}/etc\";\nDir::Log \"{shown}/log\";\nDir::Bin::dpkg \"/bin/true\";\nDebug::NoLocking \"true\";\n\
         APT::Sandbox::User \"root\";\n"
    );
    fs::write(folder.join("apt.conf"), config).unwrap();
    let config = folder.join("apt.conf").to_str().unwrap().to_owned();
    let updated = Command::new("apt-get")
        .arg("update")
        .env("APT_CONFIG", &config)
        .output()
        .expect("apt is installed");
    assert!(updated.status.success(), "{}", String::from_utf8_lossy(&updated.stderr));
    local::LocalMachine::with_env(&[("APT_CONFIG", &config)])
}

/// The result of a test with these dependencies, and apt's output.
async fn install(machine: &local::LocalMachine, folder: &Path, depends: &str) -> (Result<TestResult, Trouble>, String) {
    let control = TestControl::parse(format!("Test-Command: true\nDepends: {depends}\n").as_bytes()).unwrap();
    let planned = plan(Some(&control), &SourceControl::default(), &Setting::of_a_guest("amd64")).unwrap();
    let scratch = folder.join("scratch");
    let run = TestRun {
        test: planned.runs().next().unwrap(),
        tree: folder.to_str().unwrap(),
        scratch: scratch.to_str().unwrap(),
        normal_user: None,
        parallel: NonZeroU32::MIN,
        env: &[],
        rules: Rules::default(),
        timeouts: Timeouts::scaled(1.0),
        artifacts: None,
    };
    let mut output = Vec::new();
    let result = local::run_test(machine, &run, &mut |bytes| output.extend_from_slice(bytes), &mut |_| {}).await;
    (result, String::from_utf8(output).unwrap())
}

#[tokio::test]
async fn apt_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let machine = apt(folder.path());
    for depends in [
        "here",
        "here (>= 1), here | no-such",
        "no-such [arm64], here",
        "fetchable | here",
        "outdated",
        "outdated (>= 1)",
    ] {
        let (result, output) = install(&machine, folder.path(), depends).await;
        assert_eq!(
            result.unwrap().to_string(),
            "command1             PASS",
            "{depends}: {output}"
        );
    }
    for depends in ["no-such", "broken", "here (>= 2)", "here, no-such | broken"] {
        let (result, output) = install(&machine, folder.path(), depends).await;
        assert_eq!(
            result.unwrap().to_string(),
            "command1             FAIL badpkg",
            "{depends}: {output}"
        );
        assert!(output.contains("unmet dependencies"), "{output}");
        assert!(!output.contains("dlstatus"), "{output}");
    }
    for depends in ["fetchable", "here, fetchable", "outdated (>= 2)"] {
        let (result, output) = install(&machine, folder.path(), depends).await;
        assert_eq!(
            result,
            Err(Trouble::TestbedFailure("apt failed to download packages".into())),
            "{depends}: {output}"
        );
        assert!(
            output.contains("E: Failed to fetch") && !output.contains("dlstatus"),
            "{output}"
        );
        assert_eq!(output.matches("Building dependency tree").count(), 1, "{output}");
    }
}

#[tokio::test]
async fn what_is_there_is_found_without_the_archives_lists() {
    let folder = tempfile::tempdir().unwrap();
    let machine = apt(folder.path());
    fs::write(folder.path().join("etc/sources.list"), "nothing that apt can read\n").unwrap();
    let (result, output) = install(&machine, folder.path(), "here, outdated | fetchable").await;
    assert_eq!(result.unwrap().to_string(), "command1             PASS", "{output}");
    let (result, output) = install(&machine, folder.path(), "fetchable").await;
    assert_eq!(
        result.unwrap().to_string(),
        "command1             FAIL badpkg",
        "{output}"
    );
}
