//! The runner on a local process and on machines that fail.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod local;

use std::{fs, num::NonZeroU32, path::Path, sync::Mutex, time::Duration};

use async_trait::async_trait;
use preflight_dep8::{
    control::TestControl,
    machine::{Exec, ExitStatus, MachineError, OnOutput, Stream, TestMachine, Timeouts},
    outcome::{Reason, TestResult, TestStatus, Trouble},
    plan::{Capabilities, PlannedTest, plan},
    run::{RunEvent, TestRun, run_test},
    source::SourceControl,
};

const SOURCE: &[u8] = b"Source: s\n\nPackage: s\nArchitecture: all\n";

fn test(control: &str) -> PlannedTest {
    let control = TestControl::parse(control.as_bytes()).unwrap();
    let source = SourceControl::parse(SOURCE).unwrap();
    plan(Some(&control), &source, &Capabilities::of_a_guest(), "amd64")
        .unwrap()
        .runs()
        .next()
        .unwrap()
        .clone()
}

/// Result, log lines, and the test's output.
type Ran = (Result<TestResult, Trouble>, Vec<String>, Vec<(Stream, String)>);

async fn run(machine: &dyn TestMachine, test: &PlannedTest, folder: &Path, test_timeout: Duration) -> Ran {
    run_as(machine, test, folder, test_timeout, None).await
}

async fn run_as(
    machine: &dyn TestMachine,
    test: &PlannedTest,
    folder: &Path,
    test_timeout: Duration,
    normal_user: Option<&str>,
) -> Ran {
    let (mut lines, mut output) = (Vec::new(), Vec::new());
    let scratch = folder.join("scratch");
    let run = TestRun {
        test,
        tree: folder.to_str().unwrap(),
        scratch: scratch.to_str().unwrap(),
        normal_user,
        parallel: NonZeroU32::new(3).unwrap(),
        timeouts: Timeouts {
            test: test_timeout,
            ..Timeouts::scaled(1.0)
        },
        artifacts: Some(&folder.join("artifacts")),
    };
    let result = run_test(machine, &run, &mut |event| match event {
        RunEvent::Info(line) | RunEvent::Report(line) => lines.push(line.to_owned()),
        RunEvent::Output(stream, bytes) => output.push((stream, String::from_utf8_lossy(bytes).into_owned())),
        RunEvent::Install(_) | RunEvent::Began | RunEvent::Ended | RunEvent::StderrAgain(_) => {}
    })
    .await;
    (result, lines, output)
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn environment_artifacts_and_lines() {
    let folder = tempfile::tempdir().unwrap();
    let command = "echo $DEB_BUILD_OPTIONS $LANG; echo made > $AUTOPKGTEST_ARTIFACTS/file; \
        [ $ADTTMP = $AUTOPKGTEST_TMP ]; [ $ADT_ARTIFACTS = $AUTOPKGTEST_ARTIFACTS ]; [ -n \"$HOME\" ]; [ $USER = $(id -nu) ]";
    let test = test(&format!("Test-Command: {command}\nDepends:\nFeatures: test-name=env\n"));
    let (result, lines, output) = run(&local::LocalMachine::with_env(&[]), &test, folder.path(), LONG).await;
    assert_eq!(result.unwrap().status, TestStatus::Pass);
    assert_eq!(output, [(Stream::Stdout, "parallel=3 C.UTF-8\n".to_owned())]);
    assert_eq!(
        fs::read_to_string(folder.path().join("artifacts/file")).unwrap(),
        "made\n"
    );
    assert_eq!(
        lines,
        [
            "test env: preparing testbed",
            &format!("test env: {command}"),
            "test env: [-----------------------",
            "test env: -----------------------]",
            "test env:  - - - - - - - - - - results - - - - - - - - - -",
            "env                  PASS",
        ]
    );
}

/// Says something and hangs when the test runs; remembers that it was told to kill.
#[derive(Default)]
struct Hangs(Mutex<Vec<&'static str>>);

#[async_trait]
impl TestMachine for Hangs {
    async fn exec(&self, command: &Exec<'_>, on_output: OnOutput<'_>) -> Result<ExitStatus, MachineError> {
        if command.argv[0] == "bash" {
            on_output(Stream::Stdout, b"waiting\n");
            std::future::pending::<()>().await;
        }
        Ok(ExitStatus::Code(0))
    }

    async fn kill_all(&self) -> Result<(), MachineError> {
        self.0.lock().unwrap().push("kill");
        Err(MachineError::Lost("it took the machine with it".into()))
    }

    async fn pull_tree(&self, _: &str, _: &Path) -> Result<(), MachineError> {
        self.0.lock().unwrap().push("pull");
        Err(MachineError::Lost("no answer".into()))
    }
}

#[tokio::test]
async fn a_test_that_hangs_is_killed_and_its_output_kept() {
    let machine = Hangs::default();
    let test = test("Test-Command: sleep 1000\nDepends:\n");
    let (result, lines, output) = run(&machine, &test, Path::new("/nowhere"), Duration::from_millis(20)).await;
    let result = result.unwrap();
    assert_eq!(
        (result.status, result.reason),
        (TestStatus::Fail, Some(Reason::TimedOut))
    );
    assert_eq!(output, [(Stream::Stdout, "waiting\n".to_owned())]);
    assert_eq!(*machine.0.lock().unwrap(), ["kill", "pull"]);
    assert_eq!(lines.last().unwrap(), "command1             FAIL timed out");
}

#[tokio::test]
async fn a_missing_test_is_a_bad_package() {
    let folder = tempfile::tempdir().unwrap();
    let (result, lines, _) = run(
        &local::LocalMachine::with_env(&[]),
        &test("Tests: gone\nDepends:\nRestrictions: skip-not-installable\n"),
        folder.path(),
        LONG,
    )
    .await;
    let result = result.unwrap();
    assert_eq!(
        (result.status, result.reason),
        (TestStatus::Fail, Some(Reason::BadPackage))
    );
    assert_eq!(
        lines[1..],
        [
            "gone                 FAIL badpkg",
            "badpkg: debian/tests/gone does not exist"
        ]
    );
}

/// Answers each command from a list: (a word of the command, stdout, stderr, how it ends).
struct Scripted(Mutex<Vec<Step>>, Mutex<Vec<String>>);

#[async_trait]
impl TestMachine for Scripted {
    async fn exec(&self, command: &Exec<'_>, on_output: OnOutput<'_>) -> Result<ExitStatus, MachineError> {
        let words = command.argv.join(" ");
        let (expected, stdout, stderr, end) = self.0.lock().unwrap().remove(0);
        assert!(words.contains(expected), "{words}");
        self.1.lock().unwrap().push(format!("{}: {words}", command.user));
        on_output(Stream::Stdout, stdout.as_bytes());
        on_output(Stream::Stderr, stderr.as_bytes());
        end.map(ExitStatus::Code)
            .map_err(|why| MachineError::Lost(why.to_owned()))
    }

    async fn kill_all(&self) -> Result<(), MachineError> {
        Ok(())
    }

    async fn pull_tree(&self, _: &str, _: &Path) -> Result<(), MachineError> {
        Ok(())
    }
}

type Step = (&'static str, &'static str, &'static str, Result<i32, &'static str>);

async fn scripted(control: &str, steps: &[Step]) -> (Result<TestResult, Trouble>, Vec<String>) {
    let machine = Scripted(Mutex::new(steps.to_vec()), Mutex::default());
    let (result, _, _) = run(&machine, &test(control), Path::new("/nowhere"), LONG).await;
    assert!(machine.0.lock().unwrap().is_empty(), "steps are left");
    (result, machine.1.into_inner().unwrap())
}

#[tokio::test]
async fn installing_fails_in_two_ways() {
    let unmet = ("apt-get", "E: Unable to correct problems\n", "", Ok(100));
    let (result, _) = scripted("Tests: a\n", &[unmet]).await;
    let result = result.unwrap();
    assert_eq!(result.to_string(), "a                    FAIL badpkg");
    assert!(
        result
            .detail
            .unwrap()
            .starts_with("Test dependencies are unsatisfiable.")
    );

    let (result, _) = scripted("Tests: a\nRestrictions: skip-not-installable\n", &[unmet]).await;
    assert_eq!(
        result.unwrap().to_string(),
        "a                    SKIP installation fails and skip-not-installable set"
    );

    let (result, _) = scripted("Tests: a\n", &[("apt-get", "", "dlstatus:1:0:x\n", Ok(100))]).await;
    assert_eq!(
        result,
        Err(Trouble::TestbedFailure("apt failed to download packages".into()))
    );
}

#[tokio::test]
async fn a_machine_that_dies_is_no_failure_of_the_test() {
    for steps in [
        &[("apt-get", "", "", Err("the guest is gone"))][..],
        &[
            ("apt-get", "", "", Ok(0)),
            ("dpkg-query", "s\tinstall ok installed\n", "", Ok(0)),
            ("mkdir", "", "", Err("the guest is gone")),
        ],
        &[
            ("apt-get", "", "", Ok(0)),
            ("dpkg-query", "s\tinstall ok installed\n", "", Ok(0)),
            ("mkdir", "", "", Ok(0)),
            ("debian/tests/a", "begun", "", Err("the guest is gone")),
        ],
    ] {
        let (result, _) = scripted("Tests: a\n", steps).await;
        assert_eq!(result, Err(Trouble::TestbedFailure("the guest is gone".into())));
    }
}

#[tokio::test]
async fn the_sources_own_package_is_installed_when_another_provides_it() {
    let (result, commands) = scripted(
        "Tests: a\n",
        &[
            ("apt-get", "", "", Ok(0)),
            ("dpkg-query", "", "dpkg-query: no packages found matching s\n", Ok(1)),
            ("apt-get", "", "", Ok(0)),
            ("mkdir", "", "", Ok(0)),
            ("debian/tests/a", "", "", Ok(0)),
        ],
    )
    .await;
    assert_eq!(result.unwrap().status, TestStatus::Pass);
    assert!(commands[0].contains(" satisfy s "), "{}", commands[0]);
    assert!(commands[2].contains(" install s "), "{}", commands[2]);
}

#[tokio::test]
async fn users_are_as_the_restrictions_say() {
    for (restrictions, user, told, chown) in [
        ("", "tester", false, false),
        ("needs-root", "root", true, false),
        ("rw-build-tree", "tester", false, true),
    ] {
        let test = test(&format!("Tests: a\nDepends:\nRestrictions: {restrictions}\n"));
        let steps = vec![("mkdir", "", "", Ok(0)), ("debian/tests/a", "", "", Ok(0))];
        let machine = Scripted(Mutex::new(steps), Mutex::default());
        let (result, _, _) = run_as(&machine, &test, Path::new("/tree"), LONG, Some("tester")).await;
        assert_eq!(result.unwrap().status, TestStatus::Pass);
        let commands = machine.1.into_inner().unwrap();
        assert!(commands[0].starts_with("root: "), "{}", commands[0]);
        assert_eq!(
            commands[0].contains("chown -R 'tester' '/tree'"),
            chown,
            "{}",
            commands[0]
        );
        assert!(commands[1].starts_with(&format!("{user}: bash -c ")), "{}", commands[1]);
        assert_eq!(
            commands[1].contains("AUTOPKGTEST_NORMAL_USER='tester'"),
            told,
            "{}",
            commands[1]
        );
    }
}
