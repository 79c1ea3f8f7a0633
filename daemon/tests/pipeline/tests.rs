//! dep8 tests that fail, hang, talk too much or take their machine with them.

use preflight_protocol::job::JobKind;
use preflight_protocol::result::{Outcome, TestStatus};
use preflight_protocol::ticket::{Ticket, WorkflowStep};
use preflight_testbed::EndReason;

use crate::failing::{assert_failed, assert_first_error};
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

/// A lab in which the test of this name does this.
fn lab_with(control: &'static str, name: &'static str, play: Play) -> Lab {
    lab(control, move |scene| match &scene.stage {
        Stage::Test(test) if test == name => play.clone(),
        _ => Play::Usual,
    })
}

fn results(ticket: &Ticket) -> Vec<(&str, TestStatus, &str)> {
    ticket
        .tests
        .iter()
        .map(|test| {
            (
                test.name.as_str(),
                test.status,
                test.reason.as_deref().unwrap_or_default(),
            )
        })
        .collect()
}

#[tokio::test]
async fn the_second_of_three_tests_fails() {
    let output = "checking\nTraceback (most recent call last):\n  File \"t\", line 1\nValueError: no\n";
    let lab = lab_with("Tests: one two three\n", "two", Play::Says(output, 3));
    let ticket = lab.check().await;
    assert_failed(&ticket, JobKind::Test, 4, "two: non-zero exit status 3");
    assert_eq!(
        results(&ticket),
        [
            ("one", TestStatus::Pass, ""),
            ("two", TestStatus::Fail, "non-zero exit status 3"),
            ("three", TestStatus::Pass, "")
        ]
    );
    assert_first_error(&lab, &ticket, JobKind::Test, "ValueError: no");
    // build, image, and a machine a test
    assert_eq!(lab.machines.started(), 5);
    // The result's line is where its output begins.
    let error = crate::client::job(&ticket, JobKind::Test).first_error.clone().unwrap();
    let log = lab.log(&ticket, &error.log.0);
    let begins = usize::try_from(ticket.tests[1].log_line.unwrap()).unwrap();
    assert_eq!(log.lines().nth(begins - 1), Some("checking"));
}

#[tokio::test]
async fn a_word_on_standard_error_is_a_failure_unless_allowed() {
    let control = "Tests: one\n\nTests: two\nRestrictions: allow-stderr\n";
    let lab = lab(control, |scene| match scene.stage {
        Stage::Test(_) => Play::SaysError("warning: it is late\n", 0),
        _ => Play::Usual,
    });
    let ticket = lab.check().await;
    assert_failed(&ticket, JobKind::Test, 4, "one: stderr: warning: it is late");
    assert_eq!(results(&ticket)[1], ("two", TestStatus::Pass, ""));
    assert_first_error(&lab, &ticket, JobKind::Test, "warning: it is late");
}

#[tokio::test]
async fn a_test_that_hangs_is_ended_and_the_next_one_runs() {
    let lab = lab_with(
        "Tests: one two\n",
        "one",
        Play::Hangs("connecting...\nstill connecting\n"),
    );
    let ticket = lab.check_with(|request| request.test_timeout_s = Some(1)).await;
    assert_failed(&ticket, JobKind::Test, 4, "one: timed out");
    assert_eq!(results(&ticket)[1], ("two", TestStatus::Pass, ""));
    assert_first_error(&lab, &ticket, JobKind::Test, "still connecting");
}

#[tokio::test]
async fn a_test_that_asks_the_network_is_told_by_that() {
    let lab = lab_with("Tests: one\n", "one", Play::Tries("www.example", "cannot connect\n", 1));
    let ticket = lab.check().await;
    assert_failed(&ticket, JobKind::Test, 4, "one: non-zero exit status 1");
    assert_first_error(&lab, &ticket, JobKind::Test, "asking for www.example");
}

#[tokio::test]
async fn a_test_that_ends_its_machine_breaks_the_testbed() {
    let lab = lab_with("Tests: one two\n", "one", Play::Dies(EndReason::Shutdown));
    let ticket = lab.check().await;
    assert_failed(&ticket, JobKind::Test, 16, "shut itself down");
    assert_eq!(results(&ticket), []);
}

#[tokio::test]
async fn dependencies_of_a_test_that_cannot_be_had_are_a_bad_package() {
    let lab = lab("Tests: one\n", |scene| match scene.stage {
        Stage::Satisfy => Play::Says("E: Unable to correct problems\n", 100),
        _ => Play::Usual,
    });
    let ticket = lab.check().await;
    assert_eq!(ticket.summary.exit_code, Some(12), "{ticket:#?}");
    assert_eq!(results(&ticket)[0].1, TestStatus::Fail);
    assert_first_error(&lab, &ticket, JobKind::Test, "E: Unable to correct problems");
}

#[tokio::test]
async fn tests_that_say_nothing_of_the_package_are_no_tests() {
    for (control, code, step, outcome) in [
        (
            Some("Tests: one\nRestrictions: superficial\n"),
            8,
            WorkflowStep::Complete,
            Outcome::NoTests,
        ),
        (
            Some("Tests: one\nRestrictions: needs-internet\n"),
            8,
            WorkflowStep::Complete,
            Outcome::NoTests,
        ),
        (
            Some("Tests: one\nRestrictions: needs-internet\n\nTests: two\n"),
            2,
            WorkflowStep::Complete,
            Outcome::Skipped,
        ),
        (None, 8, WorkflowStep::Complete, Outcome::NoTests),
        (
            Some("Tests: one\nTest-Command: two\n"),
            12,
            WorkflowStep::Failed,
            Outcome::BadPackage,
        ),
    ] {
        let lab = Lab::new(Scenario {
            sources: vec![Source {
                tests: control,
                ..Source::new("hello")
            }],
            ..Scenario::default()
        });
        let ticket = lab.check().await;
        let summary = &ticket.summary;
        assert_eq!(
            (summary.exit_code, summary.workflow_step, summary.outcome),
            (Some(code), step, Some(outcome)),
            "{control:?}: {ticket:#?}"
        );
        assert_eq!(summary.reason.is_some(), code == 12, "{:?}", summary.reason);
    }
}

#[tokio::test]
async fn a_test_runs_as_root_only_if_it_asks() {
    let lab = lab("Tests: one\n\nTests: two\nRestrictions: needs-root\n", |_| Play::Usual);
    let ticket = lab.check().await;
    crate::passing::assert_passed(&ticket);
    let scenes = lab.machines.scenes();
    let users: Vec<_> = scenes
        .iter()
        .filter(|scene| matches!(scene.stage, Stage::Test(_)))
        .map(|scene| scene.user.as_deref())
        .collect();
    assert_eq!(users, [Some("preflight"), Some("root")]);
}

#[tokio::test]
async fn a_tree_is_built_where_a_test_needs_it_built_and_no_build_has_left_one() {
    for (code, text) in [(0, ""), (2, "hello.c:1:1: error: only here\n")] {
        let lab = lab("Tests: one\nRestrictions: build-needed\n", move |scene| {
            match scene.stage {
                Stage::Build => Play::Says(text, code),
                _ => Play::Usual,
            }
        });
        let ticket = lab.check_with(|request| request.tests.no_build = true).await;
        if code == 0 {
            crate::passing::assert_passed(&ticket);
        } else {
            assert_failed(
                &ticket,
                JobKind::Test,
                12,
                "build-needed: dpkg-buildpackage: exit status 2",
            );
            assert_first_error(&lab, &ticket, JobKind::Test, "hello.c:1:1: error: only here");
        }
    }
}
