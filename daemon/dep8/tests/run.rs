//! The runner on a local process and on machines that fail.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod local;

use std::{fs, num::NonZeroU32, path::Path, sync::Mutex, time::Duration};

use async_trait::async_trait;
use preflight_dep8::{
    control::TestControl,
    machine::{Exec, ExitStatus, MachineError, OnOutput, Stream, TestMachine, Timeouts},
    outcome::{Reason, TestResult, TestStatus, Trouble},
    plan::{PlannedTest, Setting, plan},
    run::{RunEvent, TestRun},
    source::SourceControl,
    verdict::Rules,
};

const SOURCE: &[u8] = b"Source: s\n\nPackage: s\nArchitecture: all\n";

fn test(control: &str) -> PlannedTest {
    let control = TestControl::parse(control.as_bytes()).unwrap();
    let source = SourceControl::parse(SOURCE).unwrap();
    plan(Some(&control), &source, &Setting::of_a_guest("amd64"))
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
        env: &[
            ("ADT_TEST_TRIGGERS".to_owned(), "a/1 it's/2".to_owned()),
            ("LANGUAGE".to_owned(), "C".to_owned()),
        ],
        rules: Rules::default(),
        timeouts: Timeouts {
            test: test_timeout,
            ..Timeouts::scaled(1.0)
        },
        artifacts: Some(&folder.join("artifacts")),
    };
    let result = local::run_test(machine, &run, &mut |_| {}, &mut |event| match event {
        RunEvent::Info(line) | RunEvent::Report(line) => lines.push(line.to_owned()),
        RunEvent::Output(stream, bytes) => output.push((stream, String::from_utf8_lossy(bytes).into_owned())),
        RunEvent::Began | RunEvent::Ended | RunEvent::StderrAgain(_) => {}
    })
    .await;
    (result, lines, output)
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn environment_artifacts_and_lines() {
    let folder = tempfile::tempdir().unwrap();
    let command = "echo $DEB_BUILD_OPTIONS $LANG; echo made > $AUTOPKGTEST_ARTIFACTS/file; \
        [ $ADTTMP = $AUTOPKGTEST_TMP ]; [ $ADT_ARTIFACTS = $AUTOPKGTEST_ARTIFACTS ]; [ $USER:$HOME = $(getent passwd $(id -u) | cut -d: -f1,6) ]; \
        [ $(stat -c %a $AUTOPKGTEST_ARTIFACTS/ $AUTOPKGTEST_TMP/ | tr '\\n' ,) = 755,755, ]; \
        [ \"$ADT_TEST_TRIGGERS\" = \"a/1 it's/2\" ]; [ \"$LANGUAGE\" = C ]";
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
        lines,
        [
            "gone                 FAIL badpkg",
            "badpkg: debian/tests/gone does not exist"
        ]
    );
}

/// Answers each command from a list: (a word of the command, stdout, stderr, how it ends).
struct Scripted {
    steps: Mutex<Vec<Step>>,
    commands: Mutex<Vec<String>>,
    pulls: Mutex<Vec<String>>,
}

impl Scripted {
    fn new(steps: &[Step]) -> Self {
        Self {
            steps: Mutex::new(steps.to_vec()),
            commands: Mutex::default(),
            pulls: Mutex::default(),
        }
    }
}

#[async_trait]
impl TestMachine for Scripted {
    async fn exec(&self, command: &Exec<'_>, on_output: OnOutput<'_>) -> Result<ExitStatus, MachineError> {
        let words = command.argv.join(" ");
        let (expected, stdout, stderr, end) = self.steps.lock().unwrap().remove(0);
        assert!(words.contains(expected), "{words}");
        self.commands.lock().unwrap().push(format!("{}: {words}", command.user));
        on_output(Stream::Stdout, stdout.as_bytes());
        on_output(Stream::Stderr, stderr.as_bytes());
        end.map(ExitStatus::Code)
            .map_err(|why| MachineError::Lost(why.to_owned()))
    }

    async fn kill_all(&self) -> Result<(), MachineError> {
        Ok(())
    }

    async fn pull_tree(&self, from: &str, _: &Path) -> Result<(), MachineError> {
        self.pulls.lock().unwrap().push(from.to_owned());
        Ok(())
    }
}

type Step = (&'static str, &'static str, &'static str, Result<i32, &'static str>);

async fn scripted(control: &str, steps: &[Step]) -> (Result<TestResult, Trouble>, Vec<String>) {
    let machine = Scripted::new(steps);
    let (result, _, _) = run(&machine, &test(control), Path::new("/nowhere"), LONG).await;
    assert!(machine.steps.lock().unwrap().is_empty(), "steps are left");
    (result, machine.commands.into_inner().unwrap())
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
        let mut steps = vec![("mkdir", "", "", Ok(0)), ("debian/tests/a", "", "", Ok(0))];
        if chown {
            steps.insert(1, ("chown -R 'tester' '/tree'", "", "", Ok(0)));
        }
        let machine = Scripted::new(&steps);
        let (result, _, _) = run_as(&machine, &test, Path::new("/tree"), LONG, Some("tester")).await;
        assert_eq!(result.unwrap().status, TestStatus::Pass);
        let commands = machine.commands.into_inner().unwrap();
        assert_eq!(commands.len(), steps.len());
        let (own, before) = commands.split_last().unwrap();
        assert!(before.iter().all(|command| command.starts_with("root: ")), "{before:?}");
        assert!(own.starts_with(&format!("{user}: bash -c ")), "{own}");
        assert_eq!(own.contains("AUTOPKGTEST_NORMAL_USER='tester'"), told, "{own}");
    }
}

/// A promise of the design: what a test costs its machine beside the test itself.
#[tokio::test]
async fn a_test_on_a_prepared_machine_is_one_command_and_one_copy() {
    let machine = Scripted::new(&[("debian/tests/a", "", "", Ok(0))]);
    let test = test("Tests: a\nRestrictions: allow-stderr, needs-root\n");
    let run = TestRun {
        test: &test,
        tree: "/tree",
        scratch: "/scratch",
        normal_user: Some("tester"),
        parallel: NonZeroU32::MIN,
        env: &[],
        rules: Rules::default(),
        timeouts: Timeouts::scaled(1.0),
        artifacts: Some(Path::new("/nowhere")),
    };
    let result = preflight_dep8::run::run(&machine, &run, &mut |_| {}).await;
    assert_eq!(result.unwrap().status, TestStatus::Pass);
    assert_eq!(machine.commands.lock().unwrap().len(), 1);
    assert_eq!(*machine.pulls.lock().unwrap(), ["/scratch/a-artifacts"]);
}

/// Whatever a script says before the test, the marks around its output stand once, and in order.
#[tokio::test]
async fn the_marks_stand_around_all_output() {
    let ready = "preflight: the test begins\n";
    for (stdout, stderr, code, output, line) in [
        (format!("{ready}hello\n"), "", 0, "hello\n", "PASS"),
        (ready.to_owned(), "", 3, "", "FAIL non-zero exit status 3"),
        (ready.to_owned(), "oh\n", 0, "oh\n", "FAIL stderr: oh"),
        // A profile that ends the script is the test's failure, as with autopkgtest.
        (String::new(), "", 5, "", "FAIL non-zero exit status 5"),
        (
            String::new(),
            "mkdir: no space left\n",
            1,
            "mkdir: no space left\n",
            "FAIL non-zero exit status 1",
        ),
        ("pre".to_owned(), "", 1, "pre", "FAIL non-zero exit status 1"),
    ] {
        let stdout: &'static str = stdout.leak();
        let machine = Scripted::new(&[("mkdir", "", "", Ok(0)), ("debian/tests/a", stdout, stderr, Ok(code))]);
        let (result, lines, seen) = run(&machine, &test("Tests: a\nDepends:\n"), Path::new("/nowhere"), LONG).await;
        assert_eq!(result.unwrap().to_string(), format!("a                    {line}"));
        assert_eq!(
            lines[..2],
            ["test a: [-----------------------", "test a: -----------------------]"]
        );
        let seen: String = seen.into_iter().map(|(_, text)| text).collect();
        assert_eq!(seen, output);
    }
}
