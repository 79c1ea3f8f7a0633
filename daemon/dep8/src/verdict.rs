//! What a test's end means: exit status, time and standard error against its restrictions, as autopkgtest judges them.
//! Runs nothing.

use std::time::Duration;

use crate::{
    log,
    machine::ExitStatus,
    outcome::{Reason, TestResult, TestStatus},
    plan::PlannedTest,
    restriction::Restriction,
};

/// So much of a test's stderr is shown again after its result.
const STDERR_SHOWN: usize = 64 * 1024;
/// So much of a line of stderr becomes part of the reason.
const STDERR_LINE: usize = 1000;

/// How a test ended.
pub(crate) struct TestEnd {
    /// `None` when its time was up.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) duration: Duration,
    pub(crate) stderr: Head,
}

/// The beginning of an output.
#[derive(Default)]
pub(crate) struct Head(Vec<u8>);

impl Head {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let room = STDERR_SHOWN.saturating_sub(self.0.len());
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first line, as Python's text files have lines, made harmless.
    fn first_line(&self) -> String {
        let line = self
            .0
            .split(|byte| matches!(byte, b'\n' | b'\r'))
            .next()
            .unwrap_or_default();
        let line = String::from_utf8_lossy(&line[..line.len().min(STDERR_LINE)]);
        log::harmless(&line).trim_end().to_owned()
    }
}

/// The verdict.
pub(crate) fn judge(test: &PlannedTest, end: &TestEnd) -> TestResult {
    let reason = match end.status.map(ExitStatus::shell_code) {
        None => Some(Reason::TimedOut),
        Some(77) if test.is(Restriction::Skippable) => Some(Reason::Skippable),
        Some(0) if !end.stderr.0.is_empty() && !test.is(Restriction::AllowStderr) => {
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
