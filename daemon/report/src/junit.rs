//! Results as JUnit XML, in the dialect that Jenkins reads: a suite a source, a case a test. A superficial pass and a flaky
//! test's failure, for which JUnit has no word, are a success and a skip.

use std::io;

use preflight_dep8::outcome::TestStatus;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::run::{SourceRun, TestRun, tail};

/// Of each output of a test, so many bytes from its end: readers hold the whole report in memory.
const SHOWN: u64 = 1 << 20;

/// What cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum JunitError {
    /// A recorded file cannot be read.
    #[error("cannot read what a test has left: {0}")]
    Io(#[from] io::Error),
    /// The XML cannot be written.
    #[error("cannot write JUnit: {0}")]
    Xml(#[from] quick_junit::SerializeError),
}

/// The report.
///
/// # Errors
/// See [`JunitError`].
pub fn report(runs: &[SourceRun]) -> Result<String, JunitError> {
    let mut report = Report::new("preflight");
    for run in runs {
        report.add_test_suite(suite(run)?);
    }
    report.time = Some(runs.iter().map(|run| run.duration).sum());
    Ok(without_extension(report.to_string()?, report.skipped))
}

/// quick-junit counts skipped tests of all suites, too, an attribute that the format does not have there.
fn without_extension(xml: String, skipped: usize) -> String {
    xml.replacen(&format!(" skipped=\"{skipped}\""), "", 1)
}

fn suite(run: &SourceRun) -> io::Result<TestSuite> {
    let mut suite = TestSuite::new(run.source.as_str());
    for (name, value) in [
        ("version", run.version.as_str()),
        ("suite", run.suite.as_str()),
        ("architecture", run.architecture.as_str()),
        ("exit code", &run.exit_code.to_string()),
    ] {
        suite.add_property(Property::new(name, value));
    }
    suite.extra.insert(
        "timestamp".into(),
        run.began.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into(),
    );
    suite.set_time(run.duration);
    for test in &run.tests {
        suite.add_test_case(case(run, test)?);
    }
    if let Some(trouble) = &run.trouble {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(trouble.as_str()).set_type("testbed");
        let mut case = TestCase::new("testbed", status);
        case.set_classname(run.source.as_str());
        suite.add_test_case(case);
    }
    Ok(suite)
}

fn case(run: &SourceRun, test: &TestRun) -> io::Result<TestCase> {
    let why = test.reason.as_deref().unwrap_or_default();
    let mut status = match test.status {
        TestStatus::Pass | TestStatus::PassSuperficial => TestCaseStatus::success(),
        TestStatus::Fail if why == "badpkg" => TestCaseStatus::non_success(NonSuccessKind::Error),
        TestStatus::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        TestStatus::Flaky | TestStatus::Skip => TestCaseStatus::skipped(),
    };
    if !matches!(status, TestCaseStatus::Success { .. }) {
        let flaky = if test.status == TestStatus::Flaky {
            "flaky: "
        } else {
            ""
        };
        status.set_message(format!("{flaky}{why}")).set_type(test.status.word());
        if let Some(detail) = &test.detail {
            status.set_description(detail.as_str());
        }
    }
    let mut case = TestCase::new(test.name.as_str(), status);
    case.set_classname(run.source.as_str()).set_time(test.duration);
    if let Some(path) = &test.stdout {
        case.set_system_out(tail(path, SHOWN)?);
    }
    if let Some(path) = &test.stderr {
        case.set_system_err(tail(path, SHOWN)?);
    }
    Ok(case)
}
