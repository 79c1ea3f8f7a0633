//! Runs one planned test on one machine: dependencies, environment, the test itself with its time-out, the verdict.
//! The source tree is there already; who made it, and what becomes of the machine, is the caller's business.
//! Steps, words and their order are autopkgtest 5.28's.

use std::{
    num::NonZeroU32,
    path::Path,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use crate::{
    install::{self, InstallError},
    log,
    machine::{Exec, ExitStatus, MachineError, Stream, TestMachine, Timeouts},
    outcome::{Reason, TestResult, TestStatus, Trouble},
    plan::{Executes, PlannedTest},
    restriction::Restriction,
    script::{TestScript, quoted},
};

/// So much of a test's stderr is shown again after its result.
const STDERR_SHOWN: usize = 64 * 1024;
/// So much of a line of stderr becomes part of the reason.
const STDERR_LINE: usize = 1000;

/// A test and where it runs.
#[derive(Debug, Clone, Copy)]
pub struct TestRun<'a> {
    /// What to run.
    pub test: &'a PlannedTest,
    /// The source tree in the testbed, absolute; built when the test needs a build.
    pub tree: &'a str,
    /// A directory in the testbed for the test's own files, absolute; made if it is missing.
    pub scratch: &'a str,
    /// The ordinary user in the testbed. Without one every test runs as root.
    pub normal_user: Option<&'a str>,
    /// Told to tests in `DEB_BUILD_OPTIONS`.
    pub parallel: NonZeroU32,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Where on the host the test's artifacts go, if they are wanted.
    pub artifacts: Option<&'a Path>,
}

/// What whoever writes the log or streams results is told meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEvent<'a> {
    /// A line of autopkgtest's own, to be put in [`log::line`]'s form.
    Info(&'a str),
    /// The result's line, as in the summary.
    Report(&'a str),
    /// Output of the installation of dependencies.
    Install(&'a [u8]),
    /// The test begins: its output is all between this and [`RunEvent::Ended`].
    Began,
    /// Output of the test, as it comes.
    Output(Stream, &'a [u8]),
    /// The test has ended.
    Ended,
    /// The test's stderr once more, after the result, for readers of the log.
    StderrAgain(&'a [u8]),
}

/// Runs a test. To cancel, drop the future and stop the machine.
///
/// # Errors
/// [`Trouble::TestbedFailure`] when the machine, or fetching packages, failed: never a test's failure.
pub async fn run_test(
    machine: &dyn TestMachine,
    run: &TestRun<'_>,
    on_event: &mut (dyn FnMut(RunEvent<'_>) + Send),
) -> Result<TestResult, Trouble> {
    let test = run.test;
    on_event(RunEvent::Info(&format!("test {}: preparing testbed", test.name)));
    let result = match prepare(machine, run, on_event).await {
        Ok(()) => {
            let end = execute(machine, run, on_event).await?;
            pull_artifacts(machine, run, &end, on_event).await?;
            on_event(RunEvent::Info(&format!(
                "test {}:  - - - - - - - - - - results - - - - - - - - - -",
                test.name
            )));
            let result = judge(test, &end);
            on_event(RunEvent::Report(&result.to_string()));
            if !end.stderr.head.is_empty() && !test.is(Restriction::AllowStderr) {
                on_event(RunEvent::Info(&format!(
                    "test {}:  - - - - - - - - - - stderr - - - - - - - - - -",
                    test.name
                )));
                on_event(RunEvent::StderrAgain(&end.stderr.head));
            }
            result
        }
        Err(InstallError::Testbed(why)) => return Err(Trouble::TestbedFailure(why)),
        Err(InstallError::BadPackage(why)) => {
            let result = if test.is(Restriction::SkipNotInstallable) && !why.ends_with(DOES_NOT_EXIST) {
                TestResult::skipped(test.name.as_str(), Reason::NotInstallable)
            } else {
                TestResult {
                    status: TestStatus::Fail,
                    detail: Some(why),
                    ..TestResult::skipped(test.name.as_str(), Reason::BadPackage)
                }
            };
            on_event(RunEvent::Report(&result.to_string()));
            if let Some(detail) = &result.detail {
                on_event(RunEvent::Report(&format!("badpkg: {detail}")));
            }
            result
        }
    };
    Ok(result)
}

const DOES_NOT_EXIST: &str = "does not exist";

/// Dependencies, directories, the test's file.
async fn prepare(
    machine: &dyn TestMachine,
    run: &TestRun<'_>,
    on_event: &mut (dyn FnMut(RunEvent<'_>) + Send),
) -> Result<(), InstallError> {
    let mut on_output = |_: Stream, bytes: &[u8]| on_event(RunEvent::Install(bytes));
    let installing = install::dependencies(machine, run.test, &mut on_output);
    match timeout(run.timeouts.install, installing).await {
        Ok(done) => done?,
        Err(_) => {
            let command = format!("apt-get satisfy {}", run.test.dependencies);
            return Err(InstallError::Testbed(format!(
                "timed out on command \"{command}\" (kind: install)"
            )));
        }
    }
    let mut script = format!("mkdir -p -m 1777 -- {}; ", quoted(run.scratch));
    if let (true, Some(user)) = (run.test.is(Restriction::RwBuildTree), run.normal_user) {
        script += &format!("chown -R {} {}; ", quoted(user), quoted(run.tree));
    }
    if let Executes::File(path) = &run.test.executes {
        let path = quoted(&format!("{}/{path}", run.tree));
        script += &format!("[ -e {path} ] || exit 3; chmod +x {path}; ");
    }
    match short(machine, run, &script).await? {
        ExitStatus::Code(0) => Ok(()),
        ExitStatus::Code(3) => match &run.test.executes {
            Executes::File(path) => Err(InstallError::BadPackage(format!("{path} {DOES_NOT_EXIST}"))),
            Executes::Command(_) => Err(InstallError::Testbed("cannot prepare the test".to_owned())),
        },
        other => Err(InstallError::Testbed(format!(
            "\"{script}\" failed with status {}",
            other.shell_code()
        ))),
    }
}

async fn short(machine: &dyn TestMachine, run: &TestRun<'_>, script: &str) -> Result<ExitStatus, MachineError> {
    let command = install::root(vec!["sh".to_owned(), "-ec".to_owned(), script.to_owned()]);
    match timeout(run.timeouts.short, machine.exec(&command, &mut |_, _| {})).await {
        Ok(status) => status,
        Err(_) => Err(MachineError::Lost(format!(
            "timed out on command \"{script}\" (kind: short)"
        ))),
    }
}

/// How a test ended.
struct TestEnd {
    /// `None` when its time was up.
    status: Option<ExitStatus>,
    duration: Duration,
    stderr: Head,
}

/// The beginning of an output.
#[derive(Default)]
struct Head {
    head: Vec<u8>,
}

impl Head {
    fn feed(&mut self, bytes: &[u8]) {
        let room = STDERR_SHOWN.saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The first line, as Python's text files have lines, made harmless.
    fn first_line(&self) -> String {
        let line = self
            .head
            .split(|byte| matches!(byte, b'\n' | b'\r'))
            .next()
            .unwrap_or_default();
        let line = String::from_utf8_lossy(&line[..line.len().min(STDERR_LINE)]);
        log::harmless(&line).trim_end().to_owned()
    }
}

fn artifacts_in_testbed(run: &TestRun<'_>) -> String {
    format!("{}/{}-artifacts", run.scratch, run.test.name)
}

async fn execute(
    machine: &dyn TestMachine,
    run: &TestRun<'_>,
    on_event: &mut (dyn FnMut(RunEvent<'_>) + Send),
) -> Result<TestEnd, Trouble> {
    let test = run.test;
    let as_root = test.is(Restriction::NeedsRoot) || run.normal_user.is_none();
    let script = TestScript {
        executes: &test.executes,
        tree: run.tree,
        artifacts: &artifacts_in_testbed(run),
        tmp: &format!("{}/autopkgtest_tmp", run.scratch),
        parallel: run.parallel.get(),
        as_root,
        normal_user: run.normal_user,
    };
    let command = Exec {
        argv: vec!["bash".to_owned(), "-c".to_owned(), script.text()],
        env: Vec::new(),
        user: run.normal_user.filter(|_| !as_root).unwrap_or("root"),
        cwd: "/",
    };
    if let Executes::Command(command) = &test.executes {
        on_event(RunEvent::Info(&format!(
            "test {}: {}",
            test.name,
            log::harmless(command)
        )));
    }
    on_event(RunEvent::Info(&format!("test {}: [-----------------------", test.name)));
    on_event(RunEvent::Began);
    let mut stderr = Head::default();
    let began = Instant::now();
    let running = timeout(
        run.timeouts.test,
        machine.exec(&command, &mut |stream, bytes| {
            if stream == Stream::Stderr {
                stderr.feed(bytes);
            }
            on_event(RunEvent::Output(stream, bytes));
        }),
    )
    .await;
    let duration = began.elapsed();
    let status = match running {
        Ok(Ok(status)) => Some(status),
        Ok(Err(error)) => {
            on_event(RunEvent::Ended);
            return Err(Trouble::TestbedFailure(error.to_string()));
        }
        Err(_) => None,
    };
    if status.is_none() {
        // A test may have taken the machine with it; that is still the test's failure.
        match timeout(run.timeouts.short, machine.kill_all()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => on_event(RunEvent::Info(&format!("WARNING: killing the test: {error}"))),
            Err(_) => on_event(RunEvent::Info("WARNING: killing the test timed out")),
        }
    }
    on_event(RunEvent::Ended);
    on_event(RunEvent::Info(&format!("test {}: -----------------------]", test.name)));
    Ok(TestEnd {
        status,
        duration,
        stderr,
    })
}

async fn pull_artifacts(
    machine: &dyn TestMachine,
    run: &TestRun<'_>,
    end: &TestEnd,
    on_event: &mut (dyn FnMut(RunEvent<'_>) + Send),
) -> Result<(), Trouble> {
    let Some(to) = run.artifacts else { return Ok(()) };
    let pulled = match timeout(run.timeouts.copy, machine.pull_tree(&artifacts_in_testbed(run), to)).await {
        Ok(pulled) => pulled,
        Err(_) => Err(MachineError::Lost(
            "timed out on copying artifacts (kind: copy)".to_owned(),
        )),
    };
    match pulled {
        Ok(()) => {}
        Err(MachineError::Lost(why)) if end.status.is_some() => return Err(Trouble::TestbedFailure(why)),
        Err(error) => on_event(RunEvent::Info(&format!("WARNING: artifacts are incomplete: {error}"))),
    }
    Ok(())
}

/// The verdict.
fn judge(test: &PlannedTest, end: &TestEnd) -> TestResult {
    let reason = match end.status.map(ExitStatus::shell_code) {
        None => Some(Reason::TimedOut),
        Some(77) if test.is(Restriction::Skippable) => Some(Reason::Skippable),
        Some(0) if !end.stderr.head.is_empty() && !test.is(Restriction::AllowStderr) => {
            Some(Reason::Stderr(end.stderr.first_line()))
        }
        Some(0) => None,
        Some(code) => Some(Reason::ExitStatus(code)),
    };
    let status = match &reason {
        None if test.is(Restriction::Superficial) => TestStatus::PassSuperficial,
        None => TestStatus::Pass,
        Some(Reason::Skippable) => TestStatus::Skip,
        Some(_) if test.is(Restriction::Flaky) => TestStatus::Flaky,
        Some(_) => TestStatus::Fail,
    };
    TestResult {
        name: test.name.as_str().to_owned(),
        status,
        reason,
        duration: end.duration,
        detail: None,
    }
}
