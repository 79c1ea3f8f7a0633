//! What testbeds try to reach, and are refused: found though all passed, told of each test by itself, and bounded.

use preflight_protocol::job::JobKind;
use preflight_protocol::result::{Finding, FindingKind, Outcome, TestStatus};
use preflight_protocol::ticket::Ticket;

use crate::client::job;
use crate::guest::{Play, Scene};
use crate::lab::{Lab, Scenario};
use crate::source::Source;
use crate::stage::Stage;

fn lab(control: &'static str, script: impl Fn(&Scene) -> Play + Send + Sync + 'static) -> Lab {
    Lab::new(Scenario {
        sources: vec![Source::new("hello").with_tests(control)],
        ..Scenario::scripted(script)
    })
}

/// Whose doing, what name was looked up or what was fetched, how often.
fn found(findings: &[Finding]) -> Vec<(Option<&str>, &str, u64)> {
    findings
        .iter()
        .map(|finding| (finding.test.as_deref(), what(finding), finding.count))
        .collect()
}

fn what(finding: &Finding) -> &str {
    match &finding.kind {
        FindingKind::Network { name, .. } => name.as_deref().unwrap_or_default(),
        FindingKind::Fetch { url, .. } => url,
        FindingKind::Unlisted => "unlisted",
        FindingKind::Log { message, .. } => message,
    }
}

/// What testbeds did; what logs say is another matter.
fn attempts(ticket: &Ticket) -> Vec<Finding> {
    let findings = ticket.findings.iter();
    findings
        .filter(|finding| finding.severity().is_none())
        .cloned()
        .collect()
}

/// The line of its job's log that a finding leads to.
fn line(lab: &Lab, ticket: &Ticket, finding: &Finding) -> String {
    let mut jobs = ticket.jobs.iter();
    let log = jobs.find(|job| job.id == finding.job).unwrap().log.clone().unwrap();
    let number = usize::try_from(finding.log_line.unwrap()).unwrap();
    lab.log(ticket, &log.0).lines().nth(number - 1).unwrap().to_owned()
}

#[tokio::test]
async fn what_passes_is_found_out_all_the_same() {
    let lab = lab("Tests: one two three\n", |scene| match &scene.stage {
        Stage::Build => Play::Trying("pypi.example", Box::new(Play::Usual)),
        Stage::Clean => Play::Tries("metrics.example", "", 0),
        Stage::Test(test) if test == "one" => Play::Tries("www.example", "no network, no matter\n", 0),
        Stage::Test(test) if test == "three" => Play::Tries("www.example", "cannot connect\n", 1),
        _ => Play::Usual,
    });
    let ticket = lab.check().await;
    let statuses: Vec<TestStatus> = ticket.tests.iter().map(|test| test.status).collect();
    assert_eq!(statuses, [TestStatus::Pass, TestStatus::Pass, TestStatus::Fail]);
    assert_eq!(
        found(&attempts(&ticket)),
        [
            (None, "pypi.example", 1),
            (None, "metrics.example", 1),
            (Some("one"), "www.example", 1),
            (Some("three"), "www.example", 1)
        ]
    );
    for finding in &attempts(&ticket) {
        assert!(!finding.declared);
        assert_eq!(line(&lab, &ticket, finding), format!("preflight: {}", finding.text));
    }
    let jobs: Vec<_> = attempts(&ticket).iter().map(|finding| finding.job).collect();
    let kinds = [JobKind::Build, JobKind::Image, JobKind::Test, JobKind::Test];
    assert_eq!(jobs, kinds.map(|kind| job(&ticket, kind).id));

    // The stream has it with each test; other programs read it in preflight-report's tests.
    let id = preflight_core::TicketId(ticket.summary.id.0);
    let test = preflight_core::JobId(job(&ticket, JobKind::Test).id.0);
    let stream = std::fs::read(lab.tickets().ticket(id).result_stream(test)).unwrap();
    let stream = String::from_utf8_lossy(&stream);
    assert_eq!(stream.matches("asking for www.example").count(), 2);
    assert!(!stream.contains("pypi.example"));
}

#[tokio::test]
async fn a_fetch_that_a_sealed_testbed_may_not_make_is_found() {
    let url = "http://mirror.example/debian/pool/main/e/ed/ed_1.19-1_amd64.deb";
    let lab = Lab::new(Scenario::scripted(move |scene| match scene.stage {
        Stage::Build => Play::Fetches(url),
        _ => Play::Usual,
    }));
    let ticket = lab.check().await;
    assert_eq!(ticket.summary.outcome, Some(Outcome::BadPackage));
    assert_eq!(found(&attempts(&ticket)), [(None, url, 1)]);
    let finding = &attempts(&ticket)[0];
    assert!(finding.text.contains("sealed"), "{finding:#?}");
    assert_eq!(line(&lab, &ticket, finding), format!("preflight: {}", finding.text));
}

#[tokio::test]
async fn a_test_may_fetch_nothing_that_its_dependencies_have_not() {
    let url = "http://mirror.example/debian/pool/main/e/ed/ed_1.19-1_amd64.deb";
    let lab = lab("Tests: one\n", move |scene| match &scene.stage {
        Stage::Test(_) => Play::Fetches(url),
        _ => Play::Usual,
    });
    let ticket = lab.check().await;
    assert_eq!(ticket.tests[0].status, TestStatus::Fail);
    assert_eq!(found(&attempts(&ticket)), [(Some("one"), url, 1)]);
    assert!(ticket.findings[0].text.contains("sealed"), "{:#?}", ticket.findings);
}

#[tokio::test]
async fn a_test_without_a_result_has_findings() {
    let url = "http://elsewhere.example/x.deb";
    let lab = lab("Tests: one two\n", move |scene| match &scene.stage {
        Stage::Satisfy => Play::Fetches(url),
        _ => Play::Usual,
    });
    let ticket = lab.check().await;
    assert_eq!(ticket.tests, []);
    // It happened before the test began.
    assert_eq!(found(&attempts(&ticket))[0], (None, url, 1));
    let finding = &attempts(&ticket)[0];
    assert_eq!(line(&lab, &ticket, finding), format!("preflight: {}", finding.text));
}
