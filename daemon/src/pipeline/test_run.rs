//! One dep8 test in a testbed that starts where its preparation ended, and what becomes of the testbed. What a test means is
//! the dep8 room's matter.

use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Zoned;
use preflight_core::FirstError;
use preflight_dep8::log;
use preflight_dep8::machine::{Stream as Output, Timeouts};
use preflight_dep8::outcome::{Reason, TestResult, TestStatus, Trouble};
use preflight_dep8::plan::PlannedTest;
use preflight_dep8::prepare::NotPrepared;
use preflight_dep8::restriction::Restriction;
use preflight_dep8::run::{self, RunEvent, TestRun};
use preflight_report::findings;
use preflight_report::subunit::{Attachment, TestId};
use preflight_store::LogStream;
use tokio_util::sync::CancellationToken;

use super::test_files::TestFiles;
use super::test_layer::{self, SCRATCH, Start};
use super::test_machine::TestbedMachine;
use super::test_plan;
use super::test_record::Stream;
use super::{results, test_rules, tree};
use crate::executor::{BootImage, JobContext, Scene, StepFailure, Subject, Testbed};

/// What all tests of a job have in common.
#[derive(Clone, Copy)]
pub(super) struct Grounds<'a> {
    pub(super) image: &'a BootImage,
    pub(super) source: &'a str,
    pub(super) stream: &'a Stream,
    pub(super) files: &'a TestFiles,
    pub(super) health: &'a Health,
}

/// Whether the source is well enough for its tests to say anything.
#[derive(Default)]
pub(super) struct Health {
    failed: OnceLock<String>,
    given_up: CancellationToken,
}

impl Health {
    /// The health test that has failed first.
    pub(super) fn failed(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// Takes note of a test's result. A health test that has failed ends all others at once, unless the owner wants all.
    fn note(&self, context: &JobContext, test: &PlannedTest, result: &TestResult) {
        let is_health = test.is(Restriction::Superficial) && !context.order.ticket.options.keep_going;
        if is_health && result.status == TestStatus::Fail {
            self.failed.get_or_init(|| test.name.to_string());
            self.given_up.cancel();
        }
    }
}

/// What came of a test. Lines are counted from the beginning of the test's section of the log.
pub(super) struct Ended {
    /// None when it was ended as pointless.
    pub(super) result: Option<TestResult>,
    /// Where its output begins.
    pub(super) output: Option<u64>,
    /// The line that says why it failed.
    pub(super) first_error: Option<FirstError>,
}

impl Ended {
    /// Of a test that was not let run to its end.
    pub(super) fn pointless() -> Self {
        Self {
            result: None,
            output: None,
            first_error: None,
        }
    }
}

/// Why the job ends with this test.
pub(super) enum Stop {
    /// In autopkgtest's words, with the line of the section that says why where one does.
    Trouble(Trouble, Option<FirstError>),
    /// In our own.
    Step(StepFailure),
}

impl From<StepFailure> for Stop {
    fn from(failure: StepFailure) -> Self {
        Self::Step(failure)
    }
}

/// Runs a test. `context` has the test's own section for a log. What the test needs may be known to be `impossible`;
/// otherwise `on_prepared` is told once it is there, or why it cannot be: others may need the same.
pub(super) async fn run(
    context: &JobContext,
    grounds: &Grounds<'_>,
    test: &PlannedTest,
    impossible: Option<&NotPrepared>,
    on_prepared: impl FnOnce(Option<NotPrepared>),
) -> Result<Ended, Stop> {
    let id = TestId::new(grounds.source, test.name.as_str());
    say(context, &format!("test {}: preparing testbed", test.name));
    let start = match impossible {
        Some(why) => Start::Impossible(why.clone()),
        None => test_layer::start(context, grounds.image, test).await?,
    };
    let mut testbed = match start {
        Start::Ready(testbed) => {
            on_prepared(None);
            testbed
        }
        Start::Impossible(why) => {
            on_prepared(Some(why.clone()));
            let result = run::not_prepared(test, why, &mut |event| tell(context, grounds, &id, event));
            let result = result.map_err(|trouble| Stop::Trouble(trouble, None))?;
            grounds.health.note(context, test, &result);
            let first_error = has_failed(&result).then(|| first_error(context, &result)).flatten();
            return Ok(Ended {
                result: Some(result),
                output: None,
                first_error,
            });
        }
    };
    context.log.say(&format!(
        "preflight: test {} runs on kernel {}",
        test.name,
        testbed.kernel()
    ));
    let has_begun = AtomicBool::new(false);
    let ended = tokio::select! {
        biased;
        () = grounds.health.given_up.cancelled() => {
            if has_begun.load(Ordering::Relaxed) {
                say(context, &format!("test {}: -----------------------]", test.name));
            }
            Ok(Ended::pointless())
        }
        ended = in_testbed(context, grounds, test, &id, &mut testbed, &has_begun) => ended,
    };
    context.lock(&testbed.session);
    match &ended {
        Ok(Ended {
            result: Some(result), ..
        }) if result.status == TestStatus::Fail => {
            grounds.health.note(context, test, result);
            context.keep_failed(*testbed, scene(grounds, test)).await;
        }
        // In the background: the next test need not wait for this one's machine to go.
        _ => testbed.release(context),
    }
    ended
}

/// Where a failed test is looked at.
fn scene(grounds: &Grounds<'_>, test: &PlannedTest) -> Scene {
    let user = match test.is(Restriction::NeedsRoot) {
        true => "root",
        false => grounds.image.user(),
    };
    Scene {
        cwd: Some(tree::TREE.to_owned()),
        user: Some(user.to_owned()),
        env: vec![
            ("AUTOPKGTEST_TMP".to_owned(), run::tmp(SCRATCH)),
            ("AUTOPKGTEST_ARTIFACTS".to_owned(), run::artifacts(SCRATCH, test)),
        ],
    }
}

async fn in_testbed(
    context: &JobContext,
    grounds: &Grounds<'_>,
    test: &PlannedTest,
    id: &TestId,
    testbed: &mut Testbed,
    has_begun: &AtomicBool,
) -> Result<Ended, Stop> {
    let workshop = &context.workshop;
    let user = grounds.image.user();
    if let Some(edited) = test_plan::edited(context) {
        // What else lies there are this rerun's own results.
        let (from, to) = (edited.join("debian"), format!("{}/debian", tree::TREE));
        let push = testbed.guest.push_tree(from, to, Some(user));
        testbed.attend("copying the edited files", push).await?;
    }
    let mut record = grounds.files.begin_test(context, testbed, test).await?;
    let artifacts = record.artifacts();
    let (ticket, limits) = (&context.order.ticket, timeouts(context));
    let limit = test_rules::time_limit(workshop, ticket, grounds.source, test.name.as_str());
    let environment = test_rules::environment(workshop, ticket, grounds.image.architecture())?;
    let test_run = TestRun {
        test,
        tree: tree::TREE,
        scratch: SCRATCH,
        normal_user: Some(user),
        parallel: NonZeroU32::new(u32::from(workshop.settings.cpus)).unwrap_or(NonZeroU32::MIN),
        env: &environment,
        rules: test_rules::rules(workshop, ticket)?,
        timeouts: Timeouts { test: limit, ..limits },
        artifacts: Some(&artifacts),
    };
    // What a test fetches for itself would be in no lock before it has run.
    testbed.session.seal_to(context.fetched());
    testbed.attribute(Subject {
        test: Some(test.name.to_string()),
        declared: test.is(Restriction::NeedsInternet),
    });
    let machine = TestbedMachine::that_reboots(context, testbed);
    let mut output = None;
    let ran = run::run(&machine, &test_run, &mut |event| {
        if matches!(event, RunEvent::Began) {
            has_begun.store(true, Ordering::Relaxed);
            output = Some(context.log.next_line());
        }
        record.take(&event);
        tell(context, grounds, id, event);
    })
    .await;
    let ran = ran.map_err(|trouble| machine.stop(trouble));
    drop(machine);
    testbed.settle().await;
    record.end(context)?;
    let result = ran?;
    let first_error = if has_failed(&result) {
        match testbed.network_attempt(1) {
            Some(attempt) => Some(context.first_error(attempt.line, attempt.text.clone())),
            None => first_error(context, &result),
        }
    } else {
        None
    };
    Ok(Ended {
        result: Some(result),
        output,
        first_error,
    })
}

fn has_failed(result: &TestResult) -> bool {
    matches!(result.status, TestStatus::Fail | TestStatus::Flaky)
}

/// The line of the test's section that says why it failed.
fn first_error(context: &JobContext, result: &TestResult) -> Option<FirstError> {
    let ending = match &result.reason {
        Some(Reason::TimedOut) => findings::Ending::TimedOut,
        Some(Reason::Stderr(line)) => findings::Ending::Stderr(line),
        Some(Reason::BadPackage) => findings::Ending::NotInstalled,
        _ => findings::Ending::Failed,
    };
    results::first_error(context, findings::JobKind::Test, ending, results::WHOLE)
}

/// How long things may take here.
pub(super) fn timeouts(context: &JobContext) -> Timeouts {
    let workshop = &context.workshop;
    Timeouts {
        short: workshop.limit(|limits| limits.short),
        copy: workshop.limit(|limits| limits.copy),
        install: workshop.limit(|limits| limits.install),
        test: workshop.limit(|limits| limits.test),
    }
}

/// Says a line as autopkgtest says it.
pub(super) fn say(context: &JobContext, message: &str) {
    context.log.say(&log::line(Zoned::now().time(), message));
}

fn tell(context: &JobContext, grounds: &Grounds<'_>, id: &TestId, event: RunEvent<'_>) {
    let stream = grounds.stream;
    match event {
        RunEvent::Info(message) => say(context, message),
        RunEvent::Report(line) => {
            context.log.say(line);
        }
        RunEvent::Began => stream.write(|stream, at| stream.in_progress(id, at)),
        RunEvent::Output(Output::Stdout, bytes) => {
            context.log.output(LogStream::Stdout, bytes);
            stream.write(|stream, at| stream.attach(id, Attachment::Stdout, bytes, at));
        }
        RunEvent::Output(Output::Stderr, bytes) => {
            context.log.output(LogStream::Stderr, bytes);
            stream.write(|stream, at| stream.attach(id, Attachment::Stderr, bytes, at));
        }
        RunEvent::Ended => {}
        RunEvent::StderrAgain(bytes) => context.log.output(LogStream::Preflight, bytes),
    }
}
