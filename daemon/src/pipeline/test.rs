//! Runs a source's dep8 tests on the ticket's image, each in a testbed that nothing else has touched. What a test means is
//! the dep8 room's matter, how its result is written down the report room's.

use std::fs::File;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, Zoned};
use preflight_core::{Ending, FirstError, Outcome, TestResult, TestStatus};
use preflight_dep8::control::TestControl;
use preflight_dep8::log;
use preflight_dep8::machine::{Stream, Timeouts};
use preflight_dep8::outcome::{self, Reason, Trouble};
use preflight_dep8::plan::{Capabilities, Plan, PlanEntry, PlannedTest, plan};
use preflight_dep8::run::{RunEvent, TestRun, run_test};
use preflight_dep8::source::SourceControl;
use preflight_report::findings;
use preflight_report::subunit::{Attachment, RouteCode, StreamWriter, TestId, WriteError};
use preflight_store::LogStream;

use super::build;
use super::results::{self, Part};
use super::test_machine::TestbedMachine;
use crate::executor::{BootImage, JobContext, StepFailure, Testbed, repository};
use crate::services::JobReport;

/// Where a test's own files are in a testbed.
const SCRATCH: &str = "/tmp/autopkgtest";
const CPUS: NonZeroU32 = NonZeroU32::MIN;

pub(crate) async fn run(context: &JobContext) -> Result<Ending, StepFailure> {
    let (workshop, ticket) = (&context.workshop, &context.order.ticket);
    let image = workshop.ticket_image(ticket)?;
    let source = context.subticket()?.source.clone();
    let route = RouteCode::new(ticket.id.0, ticket.series.as_str(), image.architecture());
    let mut record = Record::open(context, &source, route)?;

    let trouble = match make_plan(&context.staged()?, image.architecture()) {
        Ok(plan) => match carry_out(context, &image, &plan, &mut record).await {
            Ok(()) => None,
            Err(Stop::Trouble(trouble)) => Some(trouble),
            Err(Stop::Step(failure)) => {
                let ending = failure.ending();
                let why = ending.reason.clone().unwrap_or_default();
                record.errors(|stream, at| stream.testbed_broken(&why, at));
                record.check()?;
                return Ok(ending);
            }
        },
        Err(why) => Some(Trouble::ErroneousPackage(why)),
    };
    if let Some(trouble) = &trouble {
        let line = context.log.say(&trouble.to_string());
        record
            .first_error
            .get_or_insert_with(|| context.first_error(line, log::harmless(&trouble.to_string())));
        if let Trouble::TestbedFailure(why) | Trouble::Unexpected(why) = trouble {
            record.errors(|stream, at| stream.testbed_broken(why, at));
        }
    }
    record.check()?;
    Ok(record.ending(trouble.as_ref()))
}

enum Stop {
    Trouble(Trouble),
    Step(StepFailure),
}

impl From<StepFailure> for Stop {
    fn from(failure: StepFailure) -> Self {
        Self::Step(failure)
    }
}

fn make_plan(staged: &Path, architecture: &str) -> Result<Plan, String> {
    let read = |name: &str| match std::fs::read(staged.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{name}: {error}")),
    };
    let control = read(build::CONTROL)?.unwrap_or_default();
    let source = SourceControl::parse(&control).map_err(|error| format!("debian/control: {error}"))?;
    let tests = match read(build::TESTS_CONTROL)? {
        Some(bytes) => Some(TestControl::parse(&bytes).map_err(|error| error.to_string())?),
        None => None,
    };
    plan(tests.as_ref(), &source, &Capabilities::of_a_guest(), architecture).map_err(|error| error.to_string())
}

async fn carry_out(context: &JobContext, image: &BootImage, plan: &Plan, record: &mut Record<'_>) -> Result<(), Stop> {
    if let Some(note) = &plan.note {
        context.log.say(&format!("preflight: {note}"));
        context.report(JobReport::Warning(note.clone()));
    }
    for test in plan.runs() {
        let id = TestId::new(&record.source, test.name.as_str());
        record.errors(|stream, at| stream.exists(&id, at));
    }
    let count = plan.runs().count();
    let mut done = 0_usize;
    for entry in &plan.entries {
        match entry {
            PlanEntry::Skip(result) => {
                context.log.say(&result.to_string());
                record.result(result, None);
            }
            PlanEntry::Run(test) => {
                #[expect(clippy::cast_precision_loss, reason = "a fraction for a progress bar")]
                let fraction = done as f32 / count as f32;
                context.phase(&format!("test {} ({} of {count})", test.name, done + 1), Some(fraction));
                one(context, image, test, record).await?;
                // Each test has a testbed of its own: this one's is of no more use.
                context.clear().await;
                done += 1;
            }
        }
    }
    Ok(())
}

async fn one(context: &JobContext, image: &BootImage, test: &PlannedTest, record: &mut Record<'_>) -> Result<(), Stop> {
    let (workshop, ticket) = (&context.workshop, &context.order.ticket);
    let begin = build::part(context);
    let session = context.session(image, Some(&repository(&context.order.folder)))?;
    let testbed = context.testbed(image, session).await?;
    let staged = context.staged()?;
    let tree = build::place_tree(&testbed, &staged, image.user()).await?;
    if test.needs_build() {
        match built_tree(context, &testbed, &tree, image.user()).await {
            Ok(()) => {}
            Err(StepFailure::Package { reason, first_error }) => {
                if record.first_error.is_none() {
                    record.first_error = first_error;
                }
                return Err(Stop::Trouble(Trouble::ErroneousPackage(format!(
                    "build-needed: {reason}"
                ))));
            }
            Err(testbed) => return Err(testbed.into()),
        }
    }

    let timeouts = Timeouts {
        short: workshop.limit(|limits| limits.short),
        copy: workshop.limit(|limits| limits.copy),
        install: workshop.limit(|limits| limits.install),
        // What the owner says is meant as it is said.
        test: ticket
            .options
            .test_timeout
            .unwrap_or_else(|| workshop.limit(|limits| limits.test)),
    };
    let artifacts = record.folder(test.name.as_str())?;
    let run = TestRun {
        test,
        tree: &tree,
        scratch: SCRATCH,
        normal_user: Some(image.user()),
        parallel: NonZeroU32::new(u32::from(workshop.settings.cpus)).unwrap_or(CPUS),
        timeouts,
        artifacts: Some(&artifacts),
    };
    let machine = TestbedMachine::new(&testbed);
    let id = TestId::new(&record.source, test.name.as_str());
    let mut output = None;
    let result = run_test(&machine, &run, &mut |event| {
        if matches!(event, RunEvent::Began) {
            output = Some(context.log.next_line());
        }
        record.event(context, &id, event);
    })
    .await;
    context.lock(&testbed.session);
    let result = result.map_err(Stop::Trouble)?;
    if matches!(result.status, outcome::TestStatus::Fail | outcome::TestStatus::Flaky) && record.first_error.is_none() {
        record.first_error = why(context, &testbed, &result, begin).await;
    }
    record.result(&result, output);
    Ok(())
}

/// `build-needed`: builds the tree in place, as autopkgtest does.
async fn built_tree(context: &JobContext, testbed: &Testbed, tree: &str, user: &str) -> Result<(), StepFailure> {
    build::install_build_dependencies(context, testbed, tree).await?;
    build::build(context, testbed, tree, user, &["--build=binary"]).await
}

/// The line that says why a test failed.
async fn why(context: &JobContext, testbed: &Testbed, result: &outcome::TestResult, part: Part) -> Option<FirstError> {
    if let Some(attempt) = testbed.network_attempt(part.line).await {
        return Some(context.first_error(attempt.line, attempt.text.clone()));
    }
    let ending = match &result.reason {
        Some(Reason::TimedOut) => findings::Ending::TimedOut,
        Some(Reason::Stderr(line)) => findings::Ending::Stderr(line),
        Some(Reason::BadPackage) => findings::Ending::NotInstalled,
        _ => findings::Ending::Failed,
    };
    results::first_error(context, findings::JobKind::Test, ending, part)
}

/// What is known of the tests so far, and where it is written down.
struct Record<'a> {
    context: &'a JobContext,
    source: String,
    stream: StreamWriter<File>,
    stream_error: Option<WriteError>,
    root: PathBuf,
    results: Vec<outcome::TestResult>,
    first_error: Option<FirstError>,
}

impl<'a> Record<'a> {
    /// Begins the stream of this attempt; that of an earlier one is replaced.
    fn open(context: &'a JobContext, source: &str, route: RouteCode) -> Result<Self, StepFailure> {
        let cannot = |error: std::io::Error| StepFailure::Testbed(format!("the results cannot be written: {error}"));
        let path = context.order.folder.result_stream(context.order.job);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        let file = File::create(&path).map_err(cannot)?;
        Ok(Self {
            context,
            source: source.to_owned(),
            stream: StreamWriter::new(file, route),
            stream_error: None,
            root: context.order.folder.root().join("tests").join(source),
            results: Vec::new(),
            first_error: None,
        })
    }

    /// Where a test's own files are kept; those of an earlier attempt go. Its name was checked by the plan.
    fn folder(&self, test: &str) -> Result<PathBuf, StepFailure> {
        let parent = self.root.join(test);
        let cannot = |error| StepFailure::Testbed(format!("{} cannot be emptied: {error}", parent.display()));
        match std::fs::remove_dir_all(&parent) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(error)),
            _ => {}
        }
        std::fs::create_dir_all(&parent).map_err(cannot)?;
        Ok(parent.join("artifacts"))
    }

    fn errors(&mut self, write: impl FnOnce(&mut StreamWriter<File>, Timestamp) -> Result<(), WriteError>) {
        if let Err(error) = write(&mut self.stream, Timestamp::now()) {
            self.stream_error.get_or_insert(error);
        }
    }

    fn check(&mut self) -> Result<(), StepFailure> {
        match self.stream_error.take() {
            Some(error) => Err(StepFailure::Testbed(error.to_string())),
            None => Ok(()),
        }
    }

    fn event(&mut self, context: &JobContext, id: &TestId, event: RunEvent<'_>) {
        match event {
            RunEvent::Info(message) => {
                context.log.say(&log::line(Zoned::now().time(), message));
            }
            RunEvent::Report(line) => {
                context.log.say(line);
            }
            RunEvent::Install(bytes) => context.log.output(LogStream::Stdout, bytes),
            RunEvent::Began => self.errors(|stream, at| stream.in_progress(id, at)),
            RunEvent::Output(Stream::Stdout, bytes) => {
                context.log.output(LogStream::Stdout, bytes);
                self.errors(|stream, at| stream.attach(id, Attachment::Stdout, bytes, at));
            }
            RunEvent::Output(Stream::Stderr, bytes) => {
                context.log.output(LogStream::Stderr, bytes);
                self.errors(|stream, at| stream.attach(id, Attachment::Stderr, bytes, at));
            }
            RunEvent::Ended => {}
            RunEvent::StderrAgain(bytes) => context.log.output(LogStream::Preflight, bytes),
        }
    }

    fn result(&mut self, result: &outcome::TestResult, log_line: Option<u64>) {
        let id = TestId::new(&self.source, &result.name);
        self.errors(|stream, at| stream.result(&id, result, at));
        self.context.report(JobReport::Test(TestResult {
            source: self.source.clone(),
            name: result.name.clone(),
            status: match result.status {
                outcome::TestStatus::Pass | outcome::TestStatus::PassSuperficial => TestStatus::Pass,
                outcome::TestStatus::Fail => TestStatus::Fail,
                outcome::TestStatus::Flaky => TestStatus::Flaky,
                outcome::TestStatus::Skip => TestStatus::Skip,
            },
            reason: match result.status {
                outcome::TestStatus::PassSuperficial => Some("superficial".to_owned()),
                _ => result.reason.as_ref().map(ToString::to_string),
            },
            duration: result.duration,
            log_line,
        }));
        self.results.push(result.clone());
    }

    fn ending(self, trouble: Option<&Trouble>) -> Ending {
        let exit_code = outcome::exit_code(&self.results, trouble);
        let outcome = exit_code.outcome();
        let failed = |result: &&outcome::TestResult| result.status == outcome::TestStatus::Fail;
        let reason = match (trouble, self.results.iter().find(failed)) {
            (Some(trouble), _) => Some(trouble.to_string()),
            (None, Some(test)) => {
                let reason = test.reason.as_ref().map(ToString::to_string).unwrap_or_default();
                Some(format!("{}: {reason}", test.name))
            }
            (None, None) if outcome == Outcome::NoTests => Some("no test says anything about the package".to_owned()),
            (None, None) => None,
        };
        let first_error = if outcome.is_good() { None } else { self.first_error };
        Ending {
            exit_code,
            first_error,
            ..Ending::new(outcome, reason)
        }
    }
}
