//! Tests that run side by side on clones: what they share, in which order they are told, what a failed health test ends, and
//! a test that is run once more.

use preflight_protocol::job::JobKind;
use preflight_protocol::method::TicketRerun;
use preflight_protocol::result::TestStatus;
use preflight_protocol::ticket::Ticket;
use preflight_testbed::fake::Faults;

use crate::client::{Client, within};
use crate::guest::{Play, Scene};
use crate::lab::{Lab, Scenario};
use crate::source::Source;
use crate::stage::Stage;

/// A lab with room for so many testbeds, in which machines can be frozen or not.
fn lab(
    control: &'static str,
    jobs: u16,
    freezes: bool,
    script: impl Fn(&Scene) -> Play + Send + Sync + 'static,
) -> Lab {
    Lab::new(Scenario {
        sources: vec![Source::new("hello").with_tests(control)],
        jobs,
        hypervisor: Faults {
            never_freezes: !freezes,
            ..Faults::default()
        },
        ..Scenario::scripted(script)
    })
}

fn test(name: &str) -> Stage {
    Stage::Test(name.to_owned())
}

/// Name, status and reason of each result.
fn results(ticket: &Ticket) -> Vec<(&str, TestStatus, &str)> {
    let of = |test| -> (&str, TestStatus, &str) {
        let test: &preflight_protocol::result::TestResult = test;
        (&test.name, test.status, test.reason.as_deref().unwrap_or_default())
    };
    ticket.tests.iter().map(of).collect()
}

/// The log of the ticket's first test job.
fn log(lab: &Lab, ticket: &Ticket) -> String {
    let job = ticket.jobs.iter().find(|job| job.kind == JobKind::Test).unwrap();
    lab.log(ticket, &job.attempts.last().unwrap().log.0)
}

fn count(lab: &Lab, stage: &Stage) -> usize {
    lab.machines
        .scenes()
        .iter()
        .filter(|scene| scene.stage == *stage)
        .count()
}

#[tokio::test]
async fn log_and_results_are_in_the_plans_order_whatever_ends_first() {
    for freezes in [true, false] {
        // `three` begins when one of the others has ended: that is `two`.
        let lab = lab("Tests: one two three\n", 2, freezes, |scene| match &scene.stage {
            Stage::Test(name) if name == "one" => Play::After(test("three"), "one runs\nlate\n", 3),
            _ => Play::Usual,
        });
        let ticket = lab.check().await;
        let passed = |name| (name, TestStatus::Pass, "");
        let failed = ("one", TestStatus::Fail, "non-zero exit status 3");
        assert_eq!(results(&ticket), [failed, passed("two"), passed("three")]);
        let begun: Vec<_> = lab.machines.scenes().into_iter().map(|scene| scene.stage).collect();
        let place = |name| begun.iter().position(|stage| *stage == test(name)).unwrap();
        assert!(place("two") < place("three"), "{begun:?}");

        let log = log(&lab, &ticket);
        let lines: Vec<&str> = log.lines().collect();
        let marks = ["one", "two", "three"].map(|name| {
            let preparing = format!("test {name}: preparing testbed");
            let begins = lines.iter().position(|line| line.ends_with(&preparing)).unwrap();
            let result = format!("{name:<20} ");
            let ends = lines.iter().position(|line| line.starts_with(&result)).unwrap();
            (begins, ends)
        });
        assert!(
            marks.is_sorted() && marks.windows(2).all(|pair| pair[0].1 < pair[1].0),
            "{log}"
        );
        // Each result leads to its output, and the failure to what was said last.
        for result in &ticket.tests {
            let line = usize::try_from(result.log_line.unwrap()).unwrap();
            assert_eq!(lines[line - 1], format!("{} runs", result.name), "{log}");
        }
        let error = crate::client::job(&ticket, JobKind::Test).first_error.clone().unwrap();
        assert_eq!(lines[usize::try_from(error.line).unwrap() - 1], "late", "{log}");
    }
}

#[tokio::test]
async fn what_tests_need_is_prepared_once_for_all_that_need_it() {
    let control = "Tests: one two three\n\nTests: other\nDepends: @, curl\n\nTests: bare\nDepends:\n";
    for jobs in [1, 4] {
        let lab = lab(control, jobs, true, |_| Play::Usual);
        let ticket = lab.check().await;
        crate::passing::assert_passed(&ticket);
        assert_eq!(ticket.tests.len(), 5);
        assert_eq!(count(&lab, &Stage::Satisfy), 2);
        assert_eq!(count(&lab, &Stage::UnpackTree), 3);
    }
}

#[tokio::test]
async fn dependencies_that_cannot_be_had_are_asked_for_once_and_told_of_each_test() {
    let lab = lab(
        "Tests: one two\n\nTests: bare\nDepends:\n",
        2,
        true,
        |scene| match scene.stage {
            Stage::Satisfy => Play::Says("E: Unable to correct problems\n", 100),
            _ => Play::Usual,
        },
    );
    let ticket = lab.check().await;
    let bad = |name| (name, TestStatus::Fail, "badpkg");
    assert_eq!(
        results(&ticket),
        [bad("one"), bad("two"), ("bare", TestStatus::Pass, "")]
    );
    assert_eq!(ticket.summary.exit_code, Some(12));
    assert_eq!(count(&lab, &Stage::Satisfy), 1);
    crate::failing::assert_first_error(&lab, &ticket, JobKind::Test, "E: Unable to correct problems");
}

const HEALTH: &str = "Tests: slow\n\nTests: health\nRestrictions: superficial\n\nTests: later\n";

#[tokio::test]
async fn a_failed_health_test_ends_the_others() {
    let lab = lab(HEALTH, 2, true, |scene| match &scene.stage {
        Stage::Test(name) if name == "health" => Play::After(test("slow"), "not even this\n", 1),
        Stage::Test(name) if name == "slow" => Play::Hangs("it would take hours\n"),
        _ => Play::Usual,
    });
    let ticket = lab.check().await;
    let skipped = |name| (name, TestStatus::Skip, "health test health failed");
    let failed = ("health", TestStatus::Fail, "non-zero exit status 1");
    assert_eq!(results(&ticket), [skipped("slow"), failed, skipped("later")]);
    assert_eq!(ticket.summary.exit_code, Some(6));
    assert_eq!(count(&lab, &test("later")), 0);
    let log = log(&lab, &ticket);
    let mut told = log.lines().skip_while(|line| *line != "it would take hours").skip(1);
    assert!(
        told.next().unwrap().ends_with("test slow: -----------------------]"),
        "{log}"
    );
    assert_eq!(
        told.next(),
        Some("slow                 SKIP health test health failed"),
        "{log}"
    );
    crate::failing::assert_first_error(&lab, &ticket, JobKind::Test, "not even this");
}

#[tokio::test]
async fn health_tests_run_first_and_need_not_end_the_others() {
    let lab = lab(HEALTH, 1, true, |scene| match &scene.stage {
        Stage::Test(name) if name == "health" => Play::Says("not even this\n", 1),
        _ => Play::Usual,
    });
    let ticket = lab.check_with(|request| request.keep_going = true).await;
    let passed = |name| (name, TestStatus::Pass, "");
    let failed = ("health", TestStatus::Fail, "non-zero exit status 1");
    assert_eq!(results(&ticket), [passed("slow"), failed, passed("later")]);
    let mut begun = lab.machines.scenes().into_iter().map(|scene| scene.stage);
    assert_eq!(
        begun.find(|stage| matches!(stage, Stage::Test(_))),
        Some(test("health"))
    );
}

/// Runs a test once more, to the end of its job.
async fn rerun(client: &mut Client, request: TicketRerun) -> Ticket {
    let job = within(client.connection.request(&request)).await.unwrap().job;
    let has_ended = |ticket: &Ticket| {
        let attempts = ticket
            .jobs
            .iter()
            .filter(|other| other.id == job)
            .flat_map(|job| &job.attempts);
        attempts.last().is_some_and(|attempt| attempt.finished_at.is_some())
    };
    client.until(request.ticket, has_ended).await
}

#[tokio::test]
async fn a_rerun_starts_where_the_preparation_ended_with_what_was_edited() {
    let lab = lab("Tests: one two\n", 1, true, |_| Play::Usual);
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let id = client.create(lab.request()).await.id;
    let ticket = client.until_ended(id).await;
    crate::passing::assert_passed(&ticket);
    let before = lab.machines.scenes().len();
    let kept = lab
        .tickets()
        .ticket(preflight_core::TicketId(id.0))
        .root()
        .join("tests/hello/two/artifacts/kept");
    assert!(kept.is_file());

    let edited = lab.desk().join("edited/debian/tests/two");
    std::fs::create_dir_all(edited.parent().unwrap()).unwrap();
    std::fs::write(&edited, "what was edited\n").unwrap();
    let request = TicketRerun {
        ticket: id,
        test: "two".to_owned(),
        with: Some(edited),
    };
    let ticket = rerun(&mut client, request).await;
    let job = ticket.jobs.last().unwrap();
    let result = ticket.tests.iter().find(|test| test.dirty).unwrap();
    assert_eq!((result.name.as_str(), result.status), ("two", TestStatus::Pass));
    let log = lab.log(&ticket, &job.attempts[0].log.0);
    assert!(log.contains("two runs\nwhat was edited\n"), "{log}");
    // Nothing is done but to start a clone and to run the test.
    let stages: Vec<_> = lab.machines.scenes()[before..]
        .iter()
        .map(|scene| scene.stage.clone())
        .collect();
    assert_eq!(stages, [test("two")]);
    // What the ticket's own run has left stays.
    assert!(kept.is_file());
    lab.assert_nothing_is_left().await;
    drop(daemon);
}
