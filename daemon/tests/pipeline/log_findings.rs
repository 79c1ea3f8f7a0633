//! What logs say, as findings: the first error first, led to the source's files; of what passes its warnings; of each test its
//! own.

use preflight_protocol::job::JobKind;
use preflight_protocol::result::{Finding, FindingKind, Severity, TestStatus};
use preflight_protocol::ticket::Ticket;

use crate::client::job;
use crate::guest::Play;
use crate::lab::{Lab, Scenario};
use crate::source::Source;
use crate::stage::Stage;

fn said(ticket: &Ticket, kind: JobKind) -> Vec<(Option<&str>, &str, u64)> {
    let id = job(ticket, kind).id;
    let of_job = |finding: &&Finding| finding.job == id && finding.severity().is_some();
    ticket
        .findings
        .iter()
        .filter(of_job)
        .map(|finding| (finding.test.as_deref(), finding.text.as_str(), finding.count))
        .collect()
}

#[tokio::test]
async fn a_failed_build_says_where() {
    let lab = Lab::new(Scenario::scripted(|scene| match scene.stage {
        Stage::Build => Play::Says(
            "make[1]: Entering directory '/build/tree/obj'\n../source:1:1: warning: unused\n../source:1:1: warning: unused\n\
             /build/tree/debian/changelog:7:2: error: expected ';'\nmake: *** [x] Error 1\n",
            2,
        ),
        _ => Play::Usual,
    }));
    let ticket = lab.check().await;
    assert_eq!(
        said(&ticket, JobKind::Build),
        [
            (None, "debian/changelog:7:2: error: expected ';'", 1),
            (None, "source:1:1: warning: unused, 2 times", 2)
        ]
    );
    let build = job(&ticket, JobKind::Build);
    let first = build.first_error.as_ref().unwrap();
    let finding = &ticket.findings[0];
    assert_eq!(finding.log_line, Some(first.line));
    let FindingKind::Log {
        tool, place, severity, ..
    } = &finding.kind
    else {
        panic!("{finding:?}")
    };
    assert_eq!((tool.as_str(), *severity), ("gcc", Severity::Error));
    assert!(place.as_ref().unwrap().in_source);
}

#[tokio::test]
async fn each_test_has_its_own_and_what_passes_has_warnings() {
    let lab = Lab::new(Scenario {
        sources: vec![Source::new("hello").with_tests("Tests: one two\n")],
        ..Scenario::scripted(|scene| match &scene.stage {
            Stage::Test(test) if test == "one" => Play::Says("a.c:1:1: error: no matter\n", 0),
            Stage::Test(test) if test == "two" => Play::Says(
                "Traceback (most recent call last):\n  File \"t.py\", line 3, in f\nValueError: no\n",
                1,
            ),
            _ => Play::Usual,
        })
    });
    let ticket = lab.check().await;
    let statuses: Vec<TestStatus> = ticket.tests.iter().map(|test| test.status).collect();
    assert_eq!(statuses, [TestStatus::Pass, TestStatus::Fail]);
    assert_eq!(
        said(&ticket, JobKind::Test),
        [
            (Some("two"), "error: ValueError: no", 1),
            (Some("one"), "a.c:1:1: warning: no matter", 1)
        ]
    );
    assert_eq!(said(&ticket, JobKind::Build), []);
}
