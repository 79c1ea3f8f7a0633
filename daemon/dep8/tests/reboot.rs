//! Tests that have their machine start again, on a local process that forgets what a boot forgets.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod local;

use std::{fs, num::NonZeroU32, path::Path, time::Duration};

use preflight_dep8::{
    control::TestControl,
    machine::{Stream, Timeouts},
    outcome::{Reason, TestResult, TestStatus, Trouble},
    plan::{PlannedTest, Setting, plan},
    reboot::Places,
    run::{RunEvent, TestRun},
    source::SourceControl,
    verdict::Rules,
};

const SOURCE: &[u8] = b"Source: s\n\nPackage: s\nArchitecture: all\n";

struct World {
    folder: tempfile::TempDir,
    places: Places,
}

impl World {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let places = Places {
            marks: path("run"),
            commands: path("tmp"),
            alias: None,
            kept: path("kept"),
        };
        for name in ["run", "tmp", "kept", "tree/debian/tests"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let world = Self { folder, places };
        let script = script
            .replace("@reboot", &world.path("tmp/autopkgtest-reboot"))
            .replace("@power", &world.path("kept/power"));
        fs::write(world.path("tree/debian/tests/a"), script).unwrap();
        world
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// What came of the test, the log's lines with its output between them, and its artifacts' names.
    async fn run(&self, limit: Duration) -> (Result<TestResult, Trouble>, Vec<String>) {
        // Not this machine's own profile: it may be killed at any moment.
        let mut machine = local::LocalMachine::with_env(&[("HOME", &self.path("kept"))]);
        machine.places = Some(self.places.clone());
        let (tree, scratch) = (self.path("tree"), self.path("tmp/autopkgtest"));
        let (mut lines, test) = (Vec::new(), test());
        let artifacts = self.path("artifacts");
        let run = TestRun {
            test: &test,
            tree: &tree,
            scratch: &scratch,
            normal_user: None,
            parallel: NonZeroU32::MIN,
            env: &[],
            rules: Rules::default(),
            timeouts: Timeouts {
                test: limit,
                ..Timeouts::scaled(1.0)
            },
            artifacts: Some(Path::new(&artifacts)),
        };
        let result = local::run_test(&machine, &run, &mut |_| {}, &mut |event| match event {
            RunEvent::Info(line) | RunEvent::Report(line) => lines.push(line.to_owned()),
            RunEvent::Output(stream, bytes) => {
                let name = match stream {
                    Stream::Stdout => "out",
                    Stream::Stderr => "err",
                };
                let text = String::from_utf8_lossy(bytes);
                lines.extend(text.lines().map(|line| format!("{name}: {line}")));
            }
            RunEvent::Began => lines.push("began".to_owned()),
            RunEvent::Ended => lines.push("ended".to_owned()),
            RunEvent::StderrAgain(_) => {}
        })
        .await;
        (result, lines)
    }
}

fn test() -> PlannedTest {
    let control = TestControl::parse(b"Tests: a\nDepends:\nRestrictions: needs-root, needs-reboot\n").unwrap();
    let source = SourceControl::parse(SOURCE).unwrap();
    let plan = plan(Some(&control), &source, &Setting::of_a_guest("amd64")).unwrap();
    plan.runs().next().unwrap().clone()
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_test_is_run_again_with_its_mark_and_its_files() {
    let world = World::new(
        r#"#!/bin/sh
set -e
[ "$AUTOPKGTEST_REBOOT_MARK" = "$ADT_REBOOT_MARK" ]
echo "leg <$AUTOPKGTEST_REBOOT_MARK>"
case "$AUTOPKGTEST_REBOOT_MARK" in
    "") echo kept >"$AUTOPKGTEST_TMP/file"; echo made >"$AUTOPKGTEST_ARTIFACTS/one"; (@reboot first); echo not reached ;;
    first) cat "$AUTOPKGTEST_TMP/file"; bash -c 'exec -a "a ) b" @reboot "second mark"' ;;
    "second mark") cat "$AUTOPKGTEST_ARTIFACTS/one" ;;
esac
"#,
    );
    let (result, lines) = world.run(LONG).await;
    assert_eq!(result.unwrap().status, TestStatus::Pass, "{lines:#?}");
    assert_eq!(
        lines,
        [
            "test a: [-----------------------",
            "began",
            "out: leg <>",
            "test process requested reboot with marker first",
            "out: leg <first>",
            "out: kept",
            "test process requested reboot with marker second mark",
            "out: leg <second mark>",
            "out: made",
            "ended",
            "test a: -----------------------]",
            "test a:  - - - - - - - - - - results - - - - - - - - - -",
            "a                    PASS",
        ]
    );
    assert_eq!(fs::read_to_string(world.path("artifacts/one")).unwrap(), "made\n");
    assert_eq!(fs::read_dir(world.path("kept")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_prepared_test_brings_the_machine_down_itself() {
    let world = World::new(
        r#"#!/bin/sh
[ -z "$AUTOPKGTEST_REBOOT_MARK" ] || { cat "$AUTOPKGTEST_TMP/file"; exit 3; }
echo kept >"$AUTOPKGTEST_TMP/file"
@reboot-prepare done
echo lost >"$AUTOPKGTEST_TMP/file"
echo now >@power
"#,
    );
    nix_fifo(&world.path("kept/power"));
    let (result, lines) = world.run(LONG).await;
    assert_eq!(result.unwrap().reason, Some(Reason::ExitStatus(3)), "{lines:#?}");
    let asked = "test process requested preparation for reboot with marker done";
    assert!(lines.iter().any(|line| line == asked), "{lines:#?}");
    // As with autopkgtest, what counts is what was there when the test had prepared it.
    assert!(lines.iter().any(|line| line == "out: kept"), "{lines:#?}");
}

fn nix_fifo(path: &str) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[tokio::test]
async fn who_is_killed_for_another_reason_has_failed() {
    for (script, reason) in [
        ("#!/bin/sh\nkill -KILL $$\n", Reason::ExitStatus(137)),
        ("#!/bin/sh\nexit 137\n", Reason::ExitStatus(137)),
        // Without a mark it says how it is used.
        ("#!/bin/sh\n@reboot 2>/dev/null\n", Reason::ExitStatus(1)),
        (
            "#!/bin/sh\n[ -z $AUTOPKGTEST_REBOOT_MARK ] || exit 5\n@reboot m\n",
            Reason::ExitStatus(5),
        ),
        // A test that has taken itself away.
        ("#!/bin/sh\nrm \"$0\"\n@reboot m\n", Reason::ExitStatus(1)),
    ] {
        let (result, lines) = World::new(script).run(LONG).await;
        assert_eq!(result.unwrap().reason, Some(reason), "{script} {lines:#?}");
    }
}

/// Legs share a test's time: whoever starts the machine again and again comes to an end.
#[tokio::test]
async fn the_time_is_for_all_legs_together() {
    let world = World::new("#!/bin/sh\necho leg\nexec 2>/dev/null\n@reboot again\n");
    let (result, lines) = world.run(Duration::from_secs(1)).await;
    assert_eq!(result.unwrap().reason, Some(Reason::TimedOut), "{lines:#?}");
    let legs = lines.iter().filter(|line| *line == "out: leg").count();
    assert!(legs > 1, "{lines:#?}");
}
