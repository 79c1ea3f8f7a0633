//! What is known of a source's tests so far, and where it is written down: the subunit stream, the summary, the dispatcher's
//! reports, the job's ending. Results are taken in the plan's order; a running test's output goes into the stream as it comes.

use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use preflight_core::{Ending, Finding, FirstError, Outcome, TestResult, TestStatus};
use preflight_dep8::outcome::{self, Trouble};
use preflight_report::subunit::{Attachment, RouteCode, StreamWriter, TestId, WriteError};
use preflight_report::summary;

use super::test_files::TestFiles;
use crate::executor::{JobContext, StepFailure};
use crate::services::JobReport;

/// The subunit stream of one attempt; several tests write to it at once.
pub(super) struct Stream(Mutex<Inner>);

struct Inner {
    writer: StreamWriter<File>,
    error: Option<WriteError>,
}

impl Stream {
    /// Begins the stream of this attempt. That of an earlier one is replaced by another file, so that whoever reads along
    /// can tell them apart.
    pub(super) fn open(context: &JobContext, route: RouteCode) -> Result<Self, StepFailure> {
        let cannot = |error: std::io::Error| StepFailure::Testbed(format!("the results cannot be written: {error}"));
        let path = context.order.folder.result_stream(context.order.job);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(error)),
            _ => {}
        }
        let file = File::create_new(&path).map_err(cannot)?;
        Ok(Self(Mutex::new(Inner {
            writer: StreamWriter::new(file, route),
            error: None,
        })))
    }

    /// Writes. The first error is kept for [`Stream::check`].
    pub(super) fn write(&self, write: impl FnOnce(&mut StreamWriter<File>, Timestamp) -> Result<(), WriteError>) {
        let mut inner = self.lock();
        if let Err(error) = write(&mut inner.writer, Timestamp::now()) {
            inner.error.get_or_insert(error);
        }
    }

    /// Whether all was written.
    pub(super) fn check(&self) -> Result<(), StepFailure> {
        match self.lock().error.take() {
            Some(error) => Err(StepFailure::Testbed(error.to_string())),
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The results so far, in the plan's order.
pub(super) struct Record<'a> {
    context: &'a JobContext,
    stream: &'a Stream,
    files: &'a TestFiles,
    source: &'a str,
    results: Vec<outcome::TestResult>,
    first_error: Option<FirstError>,
}

impl<'a> Record<'a> {
    pub(super) fn new(context: &'a JobContext, stream: &'a Stream, files: &'a TestFiles, source: &'a str) -> Self {
        Self {
            context,
            stream,
            files,
            source,
            results: Vec::new(),
            first_error: None,
        }
    }

    /// A test's result, and what was found while it was prepared and run; its output begins at this line of the job's log.
    pub(super) fn result(
        &mut self,
        result: outcome::TestResult,
        log_line: Option<u64>,
        findings: Vec<Finding>,
    ) -> Result<(), StepFailure> {
        let id = TestId::new(self.source, &result.name);
        // What happened before it ran is not the test's doing.
        for finding in findings.iter().filter(|finding| finding.test.is_some()) {
            let text = format!("{}\n", finding.description());
            self.stream
                .write(|stream, at| stream.attach(&id, Attachment::Findings, text.as_bytes(), at));
        }
        self.context.report_findings(findings);
        self.stream.write(|stream, at| stream.result(&id, &result, at));
        self.files.summary(&summary::of_result(self.source, &result))?;
        self.context.report(JobReport::Test(TestResult {
            source: self.source.to_owned(),
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
        self.results.push(result);
        Ok(())
    }

    /// What was found in a test that comes to no result.
    pub(super) fn unfinished(&self, findings: Vec<Finding>) {
        self.context.report_findings(findings);
    }

    /// The line that says what went wrong, unless an earlier one is known.
    pub(super) fn first_error(&mut self, error: Option<FirstError>) {
        self.first_error = self.first_error.take().or(error);
    }

    pub(super) fn ending(self, trouble: Option<&Trouble>) -> Ending {
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
