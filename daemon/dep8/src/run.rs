//! Runs one planned test on one prepared machine: environment, the test itself with its time-out, artifacts, the verdict.
//! The source tree and the dependencies are there already ([`mod@crate::prepare`]); who made them, and what becomes of the
//! machine, is the caller's business. Words and their order are autopkgtest 5.28's.

use std::{
    num::NonZeroU32,
    path::Path,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use crate::{
    log,
    machine::{Exec, ExitStatus, MachineError, Stream, TestMachine, Timeouts},
    outcome::{Reason, TestResult, TestStatus, Trouble},
    plan::{Executes, PlannedTest},
    preamble::{Preamble, Word},
    prepare::{NotPrepared, short},
    reboot::{self, Places, Reboot},
    restriction::Restriction,
    script::{TestScript, quoted},
    verdict::{Head, Rules, TestEnd, judge},
};

/// A test and where it runs.
#[derive(Debug, Clone, Copy)]
pub struct TestRun<'a> {
    /// What to run.
    pub test: &'a PlannedTest,
    /// The source tree in the testbed, absolute; built when the test needs a build.
    pub tree: &'a str,
    /// The directory in the testbed for the test's own files, absolute; made by the preparation.
    pub scratch: &'a str,
    /// The ordinary user in the testbed. Without one every test runs as root.
    pub normal_user: Option<&'a str>,
    /// Told to tests in `DEB_BUILD_OPTIONS`.
    pub parallel: NonZeroU32,
    /// More variables for the test, set after all others; their names are a shell's.
    pub env: &'a [(String, String)],
    /// How it is judged.
    pub rules: Rules,
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
    /// The test begins: its output is all between this and [`RunEvent::Ended`].
    Began,
    /// Output of the test, as it comes.
    Output(Stream, &'a [u8]),
    /// The test has ended.
    Ended,
    /// The test's stderr once more, after the result, for readers of the log.
    StderrAgain(&'a [u8]),
}

/// Receives what happens.
pub type OnEvent<'a> = &'a mut (dyn FnMut(RunEvent<'_>) + Send);

/// Runs a test. To cancel, drop the future and stop the machine. Costs the machine one command, another where the test may
/// write to the tree, and one copy.
///
/// # Errors
/// [`Trouble::TestbedFailure`] when the machine failed: never a test's failure.
pub async fn run(machine: &dyn TestMachine, run: &TestRun<'_>, on_event: OnEvent<'_>) -> Result<TestResult, Trouble> {
    let test = run.test;
    if let (true, Some(user)) = (test.is(Restriction::RwBuildTree), run.normal_user) {
        let give = format!("chown -R {} {}", quoted(user), quoted(run.tree));
        short(machine, run.timeouts.short, &give)
            .await
            .map_err(Trouble::TestbedFailure)?;
    }
    let Some(end) = execute(machine, run, on_event).await? else {
        let why = match &test.executes {
            Executes::File(path) | Executes::Command(path) => format!("{path} {DOES_NOT_EXIST}"),
        };
        return not_prepared(test, NotPrepared::BadPackage(why), on_event);
    };
    pull_artifacts(machine, run, &end, on_event).await?;
    on_event(RunEvent::Info(&format!(
        "test {}:  - - - - - - - - - - results - - - - - - - - - -",
        test.name
    )));
    let result = judge(test, &end, run.rules);
    on_event(RunEvent::Report(&result.to_string()));
    if !end.stderr.bytes().is_empty() && !test.is(Restriction::AllowStderr) {
        on_event(RunEvent::Info(&format!(
            "test {}:  - - - - - - - - - - stderr - - - - - - - - - -",
            test.name
        )));
        on_event(RunEvent::StderrAgain(end.stderr.bytes()));
    }
    Ok(result)
}

const DOES_NOT_EXIST: &str = "does not exist";

/// The result of a test for which no machine could be prepared.
///
/// # Errors
/// [`Trouble::TestbedFailure`] where that says nothing of the package.
pub fn not_prepared(test: &PlannedTest, why: NotPrepared, on_event: OnEvent<'_>) -> Result<TestResult, Trouble> {
    let why = match why {
        NotPrepared::Testbed(why) => return Err(Trouble::TestbedFailure(why)),
        NotPrepared::Unsupported(why) => {
            let result = TestResult::skipped(test.name.as_str(), Reason::Unsupported(why));
            on_event(RunEvent::Report(&result.to_string()));
            return Ok(result);
        }
        NotPrepared::BadPackage(why) => why,
    };
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
    Ok(result)
}

/// Where in a testbed a test leaves what is worth keeping: `AUTOPKGTEST_ARTIFACTS`.
#[must_use]
pub fn artifacts(scratch: &str, test: &PlannedTest) -> String {
    format!("{scratch}/{}", artifacts_name(test))
}

/// Where in a testbed a test has room for its own files: `AUTOPKGTEST_TMP`.
#[must_use]
pub fn tmp(scratch: &str) -> String {
    format!("{scratch}/{TMP}")
}

const TMP: &str = "autopkgtest_tmp";

fn artifacts_name(test: &PlannedTest) -> String {
    format!("{}-artifacts", test.name)
}

/// A test's output on its way to the log: the script's own first line is no part of it.
struct Output<'a, 'e> {
    test: &'a PlannedTest,
    on_event: &'a mut (dyn FnMut(RunEvent<'_>) + Send + 'e),
    preamble: Preamble,
    began: Option<Instant>,
    is_missing: bool,
    stderr: Head,
}

impl Output<'_, '_> {
    /// Says that the test begins, once.
    fn begin(&mut self) {
        if self.began.is_some() {
            return;
        }
        self.began = Some(Instant::now());
        let name = &self.test.name;
        if let Executes::Command(command) = &self.test.executes {
            (self.on_event)(RunEvent::Info(&format!("test {name}: {}", log::harmless(command))));
        }
        (self.on_event)(RunEvent::Info(&format!("test {name}: [-----------------------")));
        (self.on_event)(RunEvent::Began);
    }

    /// Why the run is over where the machine failed.
    fn broken(&mut self, error: &MachineError) -> Trouble {
        if self.began.is_some() {
            (self.on_event)(RunEvent::Ended);
        }
        Trouble::TestbedFailure(error.to_string())
    }

    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Stdout => {
                let (word, rest) = self.preamble.feed(bytes);
                match word {
                    Some(Word::Missing) => self.is_missing = true,
                    Some(Word::Ready) => self.begin(),
                    None => {}
                }
                self.pass_on(stream, &rest);
            }
            Stream::Stderr => {
                self.stderr.feed(bytes);
                self.pass_on(stream, bytes);
            }
        }
    }

    fn pass_on(&mut self, stream: Stream, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.begin();
            (self.on_event)(RunEvent::Output(stream, bytes));
        }
    }
}

/// What came of a leg: what runs of a test between two boots.
enum Leg {
    /// The script has ended.
    Ended(ExitStatus),
    /// The script has found no test.
    Missing,
    /// Its time was up.
    TimedOut,
}

/// Runs the test's script, and once more after each boot that it asks for; the time that a test has is for all its legs
/// together. None when the script has found no test.
async fn execute(
    machine: &dyn TestMachine,
    run: &TestRun<'_>,
    on_event: OnEvent<'_>,
) -> Result<Option<TestEnd>, Trouble> {
    let mut output = Output {
        test: run.test,
        on_event,
        preamble: Preamble::default(),
        began: None,
        is_missing: false,
        stderr: Head::default(),
    };
    let mut left = run.timeouts.test;
    let mut mark = None;
    let status = loop {
        let began = Instant::now();
        let leg = leg(machine, run, left, mark.as_deref(), &mut output)
            .await
            .map_err(|error| output.broken(&error))?;
        left = left.saturating_sub(began.elapsed());
        match leg {
            Leg::Missing if mark.is_none() => return Ok(None),
            // It has taken itself away.
            Leg::Missing => break Some(ExitStatus::Code(1)),
            Leg::TimedOut => break None,
            Leg::Ended(status) => match after(machine, run, status, left, &mut output).await? {
                Some(told) => mark = Some(told),
                None => break Some(status),
            },
        }
    };
    // A script that never came to the test has failed like a test.
    output.begin();
    let duration = output.began.map(|began| began.elapsed()).unwrap_or_default();
    let Output { on_event, stderr, .. } = output;
    if status.is_none() {
        // A test may have taken the machine with it; that is still the test's failure.
        match timeout(run.timeouts.short, machine.kill_all()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => on_event(RunEvent::Info(&format!("WARNING: killing the test: {error}"))),
            Err(_) => on_event(RunEvent::Info("WARNING: killing the test timed out")),
        }
    }
    on_event(RunEvent::Ended);
    on_event(RunEvent::Info(&format!(
        "test {}: -----------------------]",
        run.test.name
    )));
    Ok(Some(TestEnd {
        status,
        duration,
        stderr,
    }))
}

/// Runs the script once.
async fn leg(
    machine: &dyn TestMachine,
    run: &TestRun<'_>,
    limit: Duration,
    mark: Option<&str>,
    output: &mut Output<'_, '_>,
) -> Result<Leg, MachineError> {
    let test = run.test;
    let as_root = test.is(Restriction::NeedsRoot) || run.normal_user.is_none();
    let process = machine.reboot_places().map(Places::process);
    let is_isolated = test.is(Restriction::IsolationContainer) || test.is(Restriction::IsolationMachine);
    let script = TestScript {
        executes: &test.executes,
        tree: run.tree,
        scratch: run.scratch,
        artifacts: &artifacts_name(test),
        tmp: TMP,
        parallel: run.parallel.get(),
        artifacts_mode: run.rules.dialect.artifacts_mode(is_isolated),
        as_root,
        normal_user: run.normal_user,
        env: run.env,
        process: process.as_deref(),
        reboot_mark: mark.filter(|mark| !mark.is_empty()),
    };
    let command = Exec {
        argv: vec!["bash".to_owned(), "-c".to_owned(), script.text()],
        env: Vec::new(),
        user: run.normal_user.filter(|_| !as_root).unwrap_or("root"),
        cwd: "/",
    };
    output.preamble = Preamble::default();
    output.is_missing = false;
    let running = timeout(
        limit,
        machine.exec(&command, &mut |stream, bytes| output.take(stream, bytes)),
    )
    .await;
    let held = std::mem::take(&mut output.preamble).finish();
    output.pass_on(Stream::Stdout, &held);
    match running {
        Ok(Ok(_)) if output.is_missing => Ok(Leg::Missing),
        Ok(Ok(status)) => Ok(Leg::Ended(status)),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(Leg::TimedOut),
    }
}

/// What a test that has ended wants to be told after another boot, which has happened then; None where it wants none.
async fn after(
    machine: &dyn TestMachine,
    run: &TestRun<'_>,
    status: ExitStatus,
    left: Duration,
    output: &mut Output<'_, '_>,
) -> Result<Option<String>, Trouble> {
    let Some(places) = machine.reboot_places().filter(|_| reboot::may_be_wished(status)) else {
        return Ok(None);
    };
    let asked = reboot::wish(machine, places, run.timeouts.short).await;
    let Some(wish) = asked.map_err(|error| output.broken(&error))? else {
        return Ok(None);
    };
    let shown = log::harmless(&wish.mark);
    let (line, how) = if wish.is_prepared_only {
        let line = format!("test process requested preparation for reboot with marker {shown}");
        (line, Reboot::Awaited(left))
    } else {
        let line = format!("test process requested reboot with marker {shown}");
        (line, Reboot::Asked)
    };
    (output.on_event)(RunEvent::Info(&line));
    reboot::follow(machine, places, run.scratch, &run.timeouts, how)
        .await
        .map_err(|error| output.broken(&error))?;
    Ok(Some(wish.mark))
}

async fn pull_artifacts(
    machine: &dyn TestMachine,
    run: &TestRun<'_>,
    end: &TestEnd,
    on_event: OnEvent<'_>,
) -> Result<(), Trouble> {
    let Some(to) = run.artifacts else { return Ok(()) };
    let pulled = match timeout(
        run.timeouts.copy,
        machine.pull_tree(&artifacts(run.scratch, run.test), to),
    )
    .await
    {
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
