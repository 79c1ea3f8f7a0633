//! The same packages under autopkgtest itself (`-- null`, no machine) and under our plan and runner: summary and exit
//! code must agree. The packages' tests need nothing installed.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod local;

use std::{fs, num::NonZeroU32, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use preflight_dep8::{
    control::TestControl,
    dialect::Dialect,
    machine::Timeouts,
    outcome::{TestResult, Trouble, exit_code},
    plan::{Capabilities, PlanEntry, Setting, plan},
    run::TestRun,
    source::SourceControl,
    verdict::Rules,
};
use pretty_assertions::assert_eq;

struct Package {
    control: &'static str,
    scripts: &'static [(&'static str, &'static str)],
}

const PACKAGES: &[Package] = &[
    Package {
        control: "Tests: good, bad, loud, allowed\nDepends:\n\nTests: quiet-allowed\nDepends:\nRestrictions: allow-stderr\n",
        scripts: &[
            ("good", "#!/bin/sh\necho fine\n"),
            ("bad", "#!/bin/sh\necho no >&2\nexit 3\n"),
            ("loud", "#!/bin/sh\nprintf 'first \\t\\r\\nsecond\\n' >&2\n"),
            (
                "allowed",
                "#!/bin/sh\n[ \"$(pwd)\" = \"$(dirname \"$(dirname \"$(dirname \"$0\")\")\")\" ]\n",
            ),
            ("quiet-allowed", "#!/bin/sh\necho oh >&2\n"),
        ],
    },
    Package {
        control: "Test-Command: echo \"it's $((1 + 1))\"; [ -d \"$AUTOPKGTEST_TMP\" ] && [ -d \"$AUTOPKGTEST_ARTIFACTS\" ]\nDepends:\n\n\
            Test-Command: false; true\nDepends:\nRestrictions: flaky\n\n\
            Test-Command: exit 77\nDepends:\nRestrictions: skippable\n\n\
            Test-Command: exit 77\nDepends:\nFeatures: test-name=not-skippable\n\n\
            Test-Command: kill -TERM $$\nDepends:\n\n\
            Test-Command: [ $(id -u) = 0 ]; ! env | grep -q ^LC_\nDepends:\nRestrictions: needs-root\n\n\
            Test-Command: nonexistent-command-of-ours\nDepends:\nRestrictions: allow-stderr\n",
        scripts: &[],
    },
    Package {
        control: "# a comment\nTests: a, no/slash\nDepends:\nRestrictions: superficial # trailing\n\n\
            Tests: unknown\nDepends:\nRestrictions: made-up\n\nTests: field\nDepends:\nX-Field: 1\n\n\
            Tests: arch\nDepends:\nArchitecture: hurd-any\n\nTests: sid\nDepends:\nRestrictions: needs-reboot\n",
        scripts: &[("a", "#!/bin/sh\n")],
    },
    Package {
        control: "Tests: a\nDepends:\nTests-Directory: t\nRestrictions: superficial\n\nTests: b\nDepends:\nTests-Directory: t\n",
        scripts: &[
            ("../../t/a", "#!/bin/sh\n"),
            (
                "../../t/b",
                "echo no interpreter\n[ \"$LANG\" = C.UTF-8 ]\n[ \"$DEBIAN_FRONTEND\" = noninteractive ]\n[ -z \"$LC_ALL\" ]\n",
            ),
        ],
    },
    Package {
        control: "Tests: a\nDepends:\nRestrictions: no-such\n",
        scripts: &[],
    },
    Package {
        control: "",
        scripts: &[],
    },
    Package {
        control: "Tests: a\nTest-Command: b\n",
        scripts: &[],
    },
    Package {
        control: "Tests: a\nDepends: what is this\n",
        scripts: &[],
    },
    Package {
        control: "Test-Command: sleep 1000 & echo left one behind\nDepends:\n",
        scripts: &[],
    },
    Package {
        control: "Tests: own-session killed twice\nDepends:\n\nTest-Command: exec no-such-program-of-ours\nDepends:\n\n\
            Test-Command: perl -e 'use POSIX; setsid() != -1 or die'; [ -w \"$HOME\" ]; [ \"$USER\" = \"$(id -nu)\" ]\nDepends:\n",
        scripts: &[
            (
                "own-session",
                "#!/usr/bin/perl\nuse POSIX; exit(setsid() == -1 ? 1 : 0);\n",
            ),
            ("killed", "#!/bin/sh\nkill -KILL $$\n"),
            ("twice", "#!/bin/sh\n(sleep 1000 &)\nexit 5\n"),
        ],
    },
];

fn lay_out(package: &Package, folder: &Path) -> String {
    let tree = folder.join("fixture-1");
    let tests = tree.join("debian/tests");
    fs::create_dir_all(&tests).unwrap();
    fs::create_dir_all(tree.join("t")).unwrap();
    fs::write(
        tree.join("debian/control"),
        "Source: fixture\nBuild-Depends: debhelper\n\nPackage: fixture\nArchitecture: all\n",
    )
    .unwrap();
    // Makes it a built tree: of any other, 5.28 reads the control file twice and reports what it skips each time.
    fs::write(tree.join("debian/files"), "").unwrap();
    let changelog =
        "fixture (1) unstable; urgency=low\n\n  * Fixture.\n\n -- A <a@b.example>  Thu, 01 Jan 2026 00:00:00 +0000\n";
    fs::write(tree.join("debian/changelog"), changelog).unwrap();
    if !package.control.is_empty() {
        fs::write(tests.join("control"), package.control).unwrap();
    }
    for (name, text) in package.scripts {
        let path = tests.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    tree.to_str().unwrap().to_owned()
}

/// Summary and exit code of autopkgtest itself.
fn theirs(tree: &str, output: &Path) -> (Vec<String>, u8) {
    let ran = Command::new("autopkgtest")
        .args([
            "--no-built-binaries",
            "--needs-internet=skip",
            "--no-auto-control",
            "-o",
        ])
        .arg(output)
        .arg(tree)
        .args(["--", "null"])
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("autopkgtest is installed (package autopkgtest)");
    let summary = fs::read_to_string(output.join("summary")).unwrap_or_else(|error| {
        panic!(
            "autopkgtest wrote no summary ({error}): {}",
            String::from_utf8_lossy(&ran.stderr)
        )
    });
    (
        // Whom it blames is a path.
        summary
            .lines()
            .filter(|line| !line.starts_with("blame: "))
            .map(str::to_owned)
            .collect(),
        u8::try_from(ran.status.code().unwrap()).unwrap(),
    )
}

/// The autopkgtest that this machine has.
fn installed() -> Dialect {
    let asked = Command::new("dpkg-query")
        .args(["--show", "--showformat=${Version}", "autopkgtest"])
        .output()
        .unwrap();
    String::from_utf8(asked.stdout).unwrap().parse().unwrap()
}

async fn ours(tree: &str, scratch: &Path) -> (Vec<String>, u8) {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let capabilities: Capabilities = ["isolation-machine"]
        .into_iter()
        .chain(root.then_some("root-on-testbed"))
        .collect();
    let architecture = Command::new("dpkg")
        .arg("--print-architecture")
        .output()
        .unwrap()
        .stdout;
    let read = |name: &str| fs::read(Path::new(tree).join(name)).ok();
    let source = SourceControl::parse(&read("debian/control").unwrap()).unwrap();
    let control = read("debian/tests/control")
        .map(|bytes| TestControl::parse(&bytes))
        .transpose();
    let planned = control.and_then(|control| {
        let setting = Setting {
            capabilities,
            architecture: str::from_utf8(&architecture).unwrap().trim().to_owned(),
            dialect: installed(),
        };
        plan(control.as_ref(), &source, &setting)
    });
    let planned = match planned {
        Ok(planned) => planned,
        Err(error) => {
            let trouble = Trouble::ErroneousPackage(error.to_string());
            let lines = vec![format!("badpkg: {error}"), trouble.to_string()];
            return (lines, exit_code(&[], Some(&trouble)).code());
        }
    };
    let mut results: Vec<TestResult> = Vec::new();
    for (position, entry) in planned.entries.iter().enumerate() {
        results.push(match entry {
            PlanEntry::Skip(result) => result.clone(),
            PlanEntry::Run(test) => {
                let scratch = scratch.join(position.to_string());
                let run = TestRun {
                    test,
                    tree,
                    scratch: scratch.to_str().unwrap(),
                    normal_user: None,
                    parallel: NonZeroU32::MIN,
                    env: &[],
                    rules: Rules {
                        dialect: installed(),
                        ..Rules::default()
                    },
                    timeouts: Timeouts {
                        test: Duration::from_secs(60),
                        ..Timeouts::scaled(1.0)
                    },
                    artifacts: None,
                };
                local::run_test(&local::LocalMachine::with_env(&[]), &run, &mut |_| {}, &mut |_| {})
                    .await
                    .unwrap()
            }
        });
    }
    (
        results.iter().map(ToString::to_string).collect(),
        exit_code(&results, None).code(),
    )
}

/// Skips that need root are compared where there is root; the rest is the same for every user.
#[tokio::test]
async fn agrees_with_autopkgtest() {
    let folders: Vec<_> = PACKAGES.iter().map(|_| tempfile::tempdir().unwrap()).collect();
    let threads: Vec<_> = PACKAGES
        .iter()
        .zip(&folders)
        .map(|(package, folder)| {
            let tree = lay_out(package, folder.path());
            let output = folder.path().join("output");
            (tree.clone(), std::thread::spawn(move || theirs(&tree, &output)))
        })
        .collect();
    for (((tree, thread), folder), package) in threads.into_iter().zip(&folders).zip(PACKAGES) {
        let expected = thread.join().unwrap();
        assert_eq!(
            ours(&tree, &folder.path().join("scratch")).await,
            expected,
            "{}",
            package.control
        );
    }
}
