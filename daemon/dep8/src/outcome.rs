//! What came of tests: the result of one, the exit code of a source, the outcome of a ticket. Words and numbers are
//! autopkgtest's (its man page, section EXIT STATUS). Knows neither how tests run nor how results are written down.

use std::{fmt, time::Duration};

pub use preflight_core::ExitCode;

/// The word of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TestStatus {
    /// Passed.
    Pass,
    /// Passed, which says little.
    PassSuperficial,
    /// Failed.
    Fail,
    /// Failed, and was known to do so at times.
    Flaky,
    /// Did not run, or said that it could not.
    Skip,
}

impl TestStatus {
    /// The summary's word; a superficial pass is `PASS`, followed by `(superficial)`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass | Self::PassSuperficial => "PASS",
            Self::Fail => "FAIL",
            Self::Flaky => "FLAKY",
            Self::Skip => "SKIP",
        }
    }
}

/// Why a test failed or was skipped; displayed in autopkgtest's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It exited with this status (128 + number when a signal ended it).
    ExitStatus(i32),
    /// It wrote to stderr without being allowed to; the first line, control characters removed.
    Stderr(String),
    /// It took too long.
    TimedOut,
    /// Its dependencies cannot be installed, or its file is missing.
    BadPackage,
    /// It exited with 77 and is `skippable`.
    Skippable,
    /// It failed, and needs the internet, which nobody promised it.
    NoInternet,
    /// Its dependencies cannot be installed, and it has `skip-not-installable`.
    NotInstallable,
    /// It does not fit the testbed; the words say why.
    Unsupported(String),
    /// The source's health test of this name has failed, which makes any other test pointless.
    HealthTest(String),
    /// The package has no tests that could run.
    NoTests,
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExitStatus(status) => write!(out, "non-zero exit status {status}"),
            Self::Stderr(line) => write!(out, "stderr: {line}"),
            Self::TimedOut => out.write_str("timed out"),
            Self::BadPackage => out.write_str("badpkg"),
            Self::Skippable => out.write_str("exit status 77 and marked as skippable"),
            Self::NoInternet => out.write_str("Failed, but test has needs-internet and that's not guaranteed"),
            Self::NotInstallable => out.write_str("installation fails and skip-not-installable set"),
            Self::Unsupported(why) => out.write_str(why),
            Self::HealthTest(name) => write!(out, "health test {name} failed"),
            Self::NoTests => out.write_str("no tests in this package"),
        }
    }
}

/// The result of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The test's name, or `*` for the whole package. For display: one that was skipped for its name may hold a `/`.
    pub name: String,
    /// How it ended.
    pub status: TestStatus,
    /// Why, unless it passed.
    pub reason: Option<Reason>,
    /// How long the test itself ran, without its dependencies' installation; zero when it did not run.
    pub duration: Duration,
    /// More about a [`Reason::BadPackage`]: what autopkgtest's summary has after `badpkg:`.
    pub detail: Option<String>,
}

impl TestResult {
    /// A test that did not run.
    #[must_use]
    pub fn skipped(name: impl Into<String>, reason: Reason) -> Self {
        Self {
            name: name.into(),
            status: TestStatus::Skip,
            reason: Some(reason),
            duration: Duration::ZERO,
            detail: None,
        }
    }

    /// The line `*  SKIP no tests in this package`.
    #[must_use]
    pub fn no_tests() -> Self {
        Self::skipped("*", Reason::NoTests)
    }
}

/// The result as a line of the summary.
impl fmt::Display for TestResult {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason.as_ref().map(|reason| reason as &dyn fmt::Display);
        write_result(out, &self.name, self.status, reason)
    }
}

/// A line of autopkgtest's summary, without the newline: `%-20s %s`.
///
/// # Errors
/// Those of `out`.
pub fn write_result(
    out: &mut dyn fmt::Write,
    name: &str,
    status: TestStatus,
    reason: Option<&dyn fmt::Display>,
) -> fmt::Result {
    write!(out, "{name:<20} {}", status.word())?;
    match (status, reason) {
        (TestStatus::PassSuperficial, _) => out.write_str(" (superficial)"),
        (_, Some(reason)) => write!(out, " {reason}"),
        (_, None) => Ok(()),
    }
}

/// What ended a source's tests early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Its test control is invalid, or its build failed.
    #[error("erroneous package: {0}")]
    ErroneousPackage(String),
    /// The testbed, not the package, is at fault.
    #[error("testbed failure: {0}")]
    TestbedFailure(String),
    /// Neither, ours included.
    #[error("unexpected error: {0}")]
    Unexpected(String),
}

/// The exit code of one source from its results and what ended its tests early. Those of several sources are combined by
/// [`ExitCode::combine`].
#[must_use]
pub fn exit_code(results: &[TestResult], trouble: Option<&Trouble>) -> ExitCode {
    match trouble {
        Some(Trouble::ErroneousPackage(_)) => return ExitCode::BAD_PACKAGE,
        Some(Trouble::TestbedFailure(_)) => return ExitCode::TESTBED,
        Some(Trouble::Unexpected(_)) => return ExitCode::OTHER,
        None => {}
    }
    let of_result = |result: &TestResult| match (result.status, &result.reason) {
        (TestStatus::Pass | TestStatus::PassSuperficial, _) => ExitCode::PASS,
        (TestStatus::Fail, Some(Reason::BadPackage)) => ExitCode::BAD_PACKAGE,
        (TestStatus::Fail, _) => ExitCode::FAILED,
        (TestStatus::Flaky | TestStatus::Skip, _) => ExitCode::SKIPPED,
    };
    let code = ExitCode::combine(results.iter().map(of_result));
    let any_positive = results.iter().any(|result| result.status == TestStatus::Pass);
    if matches!(code, ExitCode::PASS | ExitCode::SKIPPED) && !any_positive {
        ExitCode::NO_TESTS
    } else {
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(status: TestStatus, reason: Option<Reason>) -> TestResult {
        TestResult {
            status,
            reason,
            ..TestResult::no_tests()
        }
    }

    #[test]
    fn exit_code_of_a_source() {
        use TestStatus::{Fail, Flaky, Pass, PassSuperficial, Skip};
        let bad = || result(Fail, Some(Reason::BadPackage));
        let one = |status| result(status, None);
        for (results, expected) in [
            (vec![], 8),
            (vec![TestResult::no_tests()], 8),
            (vec![one(Pass)], 0),
            (vec![one(PassSuperficial)], 8),
            (vec![one(PassSuperficial), one(Pass)], 0),
            (vec![one(PassSuperficial), one(Skip)], 8),
            (vec![one(Skip)], 8),
            (vec![one(Flaky)], 8),
            (vec![one(Pass), one(Skip)], 2),
            (vec![one(Pass), one(Flaky)], 2),
            (vec![one(Fail)], 4),
            (vec![one(Pass), one(Fail)], 4),
            (vec![one(Fail), one(Skip)], 6),
            (vec![one(Fail), one(PassSuperficial)], 4),
            (vec![bad()], 12),
            (vec![bad(), one(Fail)], 12),
            (vec![bad(), one(Skip)], 14),
            (vec![bad(), one(Pass)], 12),
        ] {
            assert_eq!(exit_code(&results, None).code(), expected, "{results:?}");
        }
        let passed = [one(Pass)];
        for (trouble, expected) in [
            (Trouble::ErroneousPackage("x".into()), 12),
            (Trouble::TestbedFailure("x".into()), 16),
            (Trouble::Unexpected("x".into()), 20),
        ] {
            assert_eq!(exit_code(&passed, Some(&trouble)).code(), expected);
        }
    }

    #[test]
    fn lines_of_the_summary() {
        use TestStatus::{Fail, Flaky, Pass, PassSuperficial, Skip};
        for (status, reason, line) in [
            (Pass, None, "*                    PASS"),
            (PassSuperficial, None, "*                    PASS (superficial)"),
            (
                Fail,
                Some(Reason::ExitStatus(3)),
                "*                    FAIL non-zero exit status 3",
            ),
            (
                Flaky,
                Some(Reason::Stderr("oh".into())),
                "*                    FLAKY stderr: oh",
            ),
            (
                Skip,
                Some(Reason::NoTests),
                "*                    SKIP no tests in this package",
            ),
        ] {
            assert_eq!(result(status, reason).to_string(), line);
        }
    }
}
