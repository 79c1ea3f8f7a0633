//! What scripted jobs report.

use std::time::Duration;

use preflight_core as core;
use preflight_core::Ending;
use preflightd::services::JobReport;
use preflightd::testing::Step;

pub(crate) fn test(source: &str, name: &str, status: core::TestStatus) -> Step {
    Step::Report(JobReport::Test(core::TestResult {
        source: source.into(),
        name: name.into(),
        status,
        reason: (status != core::TestStatus::Pass).then(|| "non-zero exit status 1".into()),
        duration: Duration::from_millis(1200),
        log_line: Some(2),
    }))
}

pub(crate) fn artifact(name: &str) -> Step {
    Step::Report(JobReport::Artifact(core::Artifact {
        name: name.into(),
        sha256: core::Sha256([0xab; 32]),
        size: 7,
        path: format!("/artifacts/{name}").into(),
    }))
}

pub(crate) fn failing(outcome: core::Outcome, log: &str, text: &str) -> Step {
    let log = core::LogName(log.into());
    Step::Report(JobReport::Finished(Ending {
        first_error: Some(core::FirstError {
            log,
            line: 2,
            text: text.into(),
        }),
        ..Ending::new(outcome, Some("it fails".into()))
    }))
}
