//! Runs a source's dep8 tests on the ticket's image, side by side, each in a testbed that nothing else has touched. Results
//! and log come out in the plan's order, whatever ends first. What a test means is the dep8 room's matter, how its result is
//! written down the report room's.

use std::sync::OnceLock;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use preflight_core::{Ending, Finding};
use preflight_dep8::log;
use preflight_dep8::outcome::{Reason, TestResult, Trouble};
use preflight_dep8::plan::{Plan, PlannedTest};
use preflight_dep8::prepare::{NotPrepared, prepare_key};
use preflight_dep8::restriction::Restriction;
use preflight_report::subunit::{RouteCode, TestId};
use preflight_report::summary;
use tokio::sync::mpsc;

use super::results::Part;
use super::test_files::TestFiles;
use super::test_log::{Section, error_in_log, line_in_log};
use super::test_order::{GroupIndex, Order, TestIndex};
use super::test_plan;
use super::test_record::{Record, Stream};
use super::test_run::{self, Ended, Grounds, Health, Stop};
use super::{bare, baseline, build, tree};
use crate::executor::{FindingBook, JobContext, JobLog, StepFailure, repository};
use crate::services::{JobReport, Wider};

/// Runs what the job is to run: the tests of its source, one of them once more, or one without the ticket's packages.
pub(crate) async fn run(context: &JobContext) -> Result<Ending, StepFailure> {
    match bare::is_baseline(context) {
        true => baseline::run(context).await,
        false => run_tests(context).await,
    }
}

pub(super) async fn run_tests(context: &JobContext) -> Result<Ending, StepFailure> {
    let ticket = &context.order.ticket;
    let image = bare::image_of_tests(context)?;
    let source = context.subticket()?.source.clone();
    if context.order.rerun.is_none() {
        context.lock_head(&image, Some(&build::source_package(&context.staged()?)?))?;
    }
    if bare::is_bare(context) {
        tree::ensure(context).await?;
    } else {
        build::publish_given(context, &repository(&context.order.folder))?;
    }
    let route = RouteCode::new(ticket.id.0, ticket.series.as_str(), image.architecture());
    let stream = Stream::open(context, route)?;
    let files = TestFiles::begin(context, &image)?;
    let mut record = Record::new(context, &stream, &files, &source);
    let health = Health::default();
    let grounds = Grounds {
        image: &image,
        source: &source,
        stream: &stream,
        files: &files,
        health: &health,
    };

    let done = match test_plan::make(context, image.architecture())? {
        Ok(plan) => carry_out(context, &grounds, &plan, &mut record).await,
        Err(why) => Err(Stop::Trouble(Trouble::ErroneousPackage(why), None)),
    };
    let trouble = match done {
        Ok(()) => None,
        Err(Stop::Trouble(trouble, first_error)) => {
            record.first_error(first_error);
            Some(trouble)
        }
        Err(Stop::Step(failure)) => {
            let is_package = matches!(failure, StepFailure::Package { .. });
            let ending = failure.ending();
            let why = ending.reason.clone().unwrap_or_default();
            stream.write(|stream, at| stream.testbed_broken(&why, at));
            stream.check()?;
            let trouble = match is_package {
                true => Trouble::ErroneousPackage(why),
                false => Trouble::TestbedFailure(why),
            };
            files.summary(&summary::of_trouble(&source, &trouble))?;
            files.end(ending.exit_code)?;
            return Ok(ending);
        }
    };
    if let Some(trouble) = &trouble {
        let line = context.log.say(&trouble.to_string());
        record.first_error(Some(context.first_error(line, log::harmless(&trouble.to_string()))));
        if let Trouble::TestbedFailure(why) | Trouble::Unexpected(why) = trouble {
            stream.write(|stream, at| stream.testbed_broken(why, at));
        }
        files.summary(&summary::of_trouble(&source, trouble))?;
    }
    stream.check()?;
    let ending = record.ending(trouble.as_ref());
    files.end(ending.exit_code)?;
    Ok(ending)
}

async fn carry_out(
    context: &JobContext,
    grounds: &Grounds<'_>,
    plan: &Plan,
    record: &mut Record<'_>,
) -> Result<(), Stop> {
    if let Some(note) = &plan.note {
        context.log.say(&format!("preflight: {note}"));
        context.report(JobReport::Warning(note.clone()));
    }
    for result in plan.skips() {
        context.log.say(&result.to_string());
        record.result(result.clone(), None, vec![])?;
    }
    let tests: Vec<&PlannedTest> = plan.runs().collect();
    for test in &tests {
        let id = TestId::new(grounds.source, test.name.as_str());
        grounds.stream.write(|stream, at| stream.exists(&id, at));
    }
    let mut book = Book::new(context, grounds.health, &tests);
    let stopped = match run_all(grounds, &mut book, record).await {
        Ok(()) => return Ok(()),
        Err(stopped) => stopped,
    };
    // What is known of the others is told all the same.
    let place = book.write_down_rest(record, stopped.by)?;
    Err(match (stopped.stop, place) {
        (Stop::Trouble(trouble, first_error), Some(place)) => {
            Stop::Trouble(trouble, first_error.map(|error| error_in_log(place, error)))
        }
        (Stop::Step(StepFailure::Package { reason, first_error }), Some(place)) => Stop::Step(StepFailure::Package {
            reason,
            first_error: first_error.map(|error| error_in_log(place, error)),
        }),
        (stop, _) => stop,
    })
}

/// Why no more tests run, and in whose section of the log that is told.
struct Stopped {
    by: Option<TestIndex>,
    stop: Stop,
}

impl From<StepFailure> for Stopped {
    fn from(failure: StepFailure) -> Self {
        Self {
            by: None,
            stop: failure.into(),
        }
    }
}

/// Waits for room that was asked for.
async fn granted(widening: &mut Option<BoxFuture<'_, Wider>>) -> Wider {
    match widening {
        Some(widening) => widening.await,
        None => std::future::pending().await,
    }
}

/// Takes note that what a group of tests needs is there, or why it cannot be.
fn note((group, why): (GroupIndex, Option<NotPrepared>), order: &mut Order, impossible: &[OnceLock<NotPrepared>]) {
    if let Some(why) = why {
        impossible[group].get_or_init(|| why);
    }
    order.prepared(group);
}

/// Runs all tests, as many at once as there is room for, and writes them down in their order.
async fn run_all(grounds: &Grounds<'_>, book: &mut Book<'_>, record: &mut Record<'_>) -> Result<(), Stopped> {
    let (context, tests) = (book.context, book.tests);
    let keys = tests
        .iter()
        .map(|test| (prepare_key(test), test.is(Restriction::Superficial)));
    let mut order = Order::new(keys);
    // Each is filled at most once; what runs borrows from those that are filled.
    let impossible: Vec<OnceLock<NotPrepared>> = std::iter::repeat_with(OnceLock::new).take(order.groups()).collect();
    let contexts: Vec<OnceLock<JobContext>> = std::iter::repeat_with(OnceLock::new).take(tests.len()).collect();
    let (tell, mut told) = mpsc::unbounded_channel();
    let room = &context.order.room;
    // The first testbed is covered by the job's turn.
    let mut beside: Vec<Wider> = Vec::new();
    let mut widening: Option<BoxFuture<'_, Wider>> = None;
    let mut running: FuturesUnordered<BoxFuture<'_, (TestIndex, Result<Ended, Stop>)>> = FuturesUnordered::new();
    loop {
        if grounds.health.failed().is_some() {
            for other in order.abandon() {
                book.end(other, Ended::pointless());
            }
        }
        while let Some(test) = order.next() {
            if running.len() > beside.len() {
                match room.try_widen() {
                    Some(wider) => beside.push(wider),
                    None => break,
                }
            }
            order.begin(test);
            let log = book.begin(test)?;
            let own = contexts[test].get_or_init(|| context.with_log(log).expecting(order.waiting_with(test)));
            book.listen(test, own);
            let (tell, group) = (tell.clone(), order.group_of(test));
            let known = impossible[group].get();
            running.push(Box::pin(async move {
                let on_prepared = |impossible| drop(tell.send((group, impossible)));
                let ended = test_run::run(own, grounds, tests[test], known, on_prepared).await;
                (test, ended)
            }));
        }
        beside.truncate(running.len().saturating_sub(1));
        // Kept from one round to the next: who asks anew stands last again.
        widening = order
            .next()
            .map(|_| widening.take().unwrap_or_else(|| Box::pin(room.widen())));
        let is_all_copied = book.write_down(record)?;
        if book.is_complete() {
            return Ok(());
        }
        tokio::select! {
            Some(word) = told.recv() => note(word, &mut order, &impossible),
            Some((test, outcome)) = running.next() => {
                let ended = outcome.map_err(|stop| Stopped { by: Some(test), stop })?;
                // What it has told comes before its end.
                while let Ok(word) = told.try_recv() {
                    note(word, &mut order, &impossible);
                }
                order.ended(test);
                book.end(test, ended);
            }
            wider = granted(&mut widening) => {
                widening = None;
                beside.push(wider);
            }
            () = book.grown(), if is_all_copied => {}
            () = std::future::ready(()), if !is_all_copied => {}
        }
    }
}

/// What the tests have written and come to, until it is their turn to be written down.
struct Book<'a> {
    context: &'a JobContext,
    tests: &'a [&'a PlannedTest],
    sections: Vec<Option<Section>>,
    /// What is found in each; its lines are counted from the beginning of the test's section.
    findings: Vec<FindingBook>,
    ended: Vec<Option<Ended>>,
    running: Vec<TestIndex>,
    /// The first test that is not written down yet.
    turn: TestIndex,
    health: &'a Health,
}

impl<'a> Book<'a> {
    fn new(context: &'a JobContext, health: &'a Health, tests: &'a [&'a PlannedTest]) -> Self {
        Self {
            context,
            tests,
            sections: tests.iter().map(|_| None).collect(),
            findings: tests.iter().map(|_| FindingBook::default()).collect(),
            ended: tests.iter().map(|_| None).collect(),
            running: Vec::new(),
            turn: 0,
            health,
        }
    }

    /// A test begins: answers its log.
    fn begin(&mut self, test: TestIndex) -> Result<JobLog, StepFailure> {
        let section = Section::open(self.context.order.folder.root()).map_err(|error| unwritable(&error))?;
        self.running.push(test);
        self.tell_phase();
        Ok(self.sections[test].insert(section).log().clone())
    }

    /// What is found in a test's own attempt is its own.
    fn listen(&mut self, test: TestIndex, own: &JobContext) {
        self.findings[test] = own.findings().clone();
    }

    /// A test has ended.
    fn end(&mut self, test: TestIndex, ended: Ended) {
        self.running.retain(|running| *running != test);
        self.ended[test] = Some(ended);
        self.tell_phase();
    }

    fn is_complete(&self) -> bool {
        self.turn == self.tests.len()
    }

    /// Waits until the test whose turn it is has written more.
    async fn grown(&mut self) {
        match self.sections.get_mut(self.turn) {
            Some(Some(section)) => section.grown().await,
            _ => std::future::pending().await,
        }
    }

    /// Writes down what can be: all of the tests that have ended, up to the first that has not, and what that one has
    /// written so far. Answers whether that was all for now: it stops after a good piece, so that others have their turn.
    fn write_down(&mut self, record: &mut Record<'_>) -> Result<bool, StepFailure> {
        while !self.is_complete() {
            let turn = self.turn;
            if let Some(section) = &mut self.sections[turn]
                && !section.copy(&self.context.log).map_err(|error| unwritable(&error))?
            {
                return Ok(false);
            }
            let Some(ended) = self.ended[turn].take() else {
                return Ok(true);
            };
            self.close(turn, ended, record)?;
            self.turn += 1;
        }
        Ok(true)
    }

    /// Writes down what there is of all tests, and answers where the section of one of them begins.
    fn write_down_rest(
        &mut self,
        record: &mut Record<'_>,
        wanted: Option<TestIndex>,
    ) -> Result<Option<Part>, StepFailure> {
        let mut place = None;
        for test in self.turn..self.tests.len() {
            if let Some(section) = &mut self.sections[test] {
                while !section.copy(&self.context.log).map_err(|error| unwritable(&error))? {}
                if wanted == Some(test) {
                    place = section.place();
                }
            }
            match self.ended[test].take() {
                Some(ended) => self.close(test, ended, record)?,
                None => {
                    let place = self.sections[test].as_ref().and_then(Section::place);
                    record.unfinished(self.findings_in_log(test, place));
                }
            }
        }
        Ok(place)
    }

    /// Writes down the result of a test whose section is in the job's log.
    fn close(&mut self, test: TestIndex, ended: Ended, record: &mut Record<'_>) -> Result<(), StepFailure> {
        let section = self.sections[test].take();
        if let Some(error) = section.as_ref().and_then(|section| section.log().failure()) {
            return Err(unwritable(&error));
        }
        let result = match ended.result {
            Some(result) => result,
            None => {
                let reason = Reason::HealthTest(self.health.failed().unwrap_or_default().to_owned());
                let result = TestResult::skipped(self.tests[test].name.as_str(), reason);
                self.context.log.say(&result.to_string());
                result
            }
        };
        let place = section.and_then(|section| section.place());
        record.first_error(
            ended
                .first_error
                .zip(place)
                .map(|(error, place)| error_in_log(place, error)),
        );
        let line = ended.output.zip(place).map(|(line, place)| line_in_log(place, line));
        record.result(result, line, self.findings_in_log(test, place))
    }

    /// What was found in a test, by lines of the job's log.
    fn findings_in_log(&self, test: TestIndex, place: Option<Part>) -> Vec<Finding> {
        let mut findings = self.findings[test].take();
        for finding in &mut findings {
            finding.log_line = finding
                .log_line
                .zip(place)
                .map(|(line, place)| line_in_log(place, line));
        }
        findings
    }

    /// Says what is going on.
    fn tell_phase(&self) {
        let count = self.tests.len();
        let done = self.ended.iter().filter(|ended| ended.is_some()).count() + self.turn;
        let names: Vec<&str> = self
            .running
            .iter()
            .map(|test| self.tests[*test].name.as_str())
            .collect();
        let phase = match names.as_slice() {
            [] => "preparing tests".to_owned(),
            [one] => format!("test {one} ({done} of {count} done)"),
            [one, others @ ..] => format!("test {one} and {} more ({done} of {count} done)", others.len()),
        };
        #[expect(clippy::cast_precision_loss, reason = "a fraction for a progress bar")]
        let fraction = done as f32 / count.max(1) as f32;
        self.context.phase(&phase, Some(fraction));
    }
}

fn unwritable(error: &std::io::Error) -> StepFailure {
    StepFailure::Testbed(format!("the log cannot be written: {error}"))
}
