//! Tests that run without the ticket's packages, and what their results mean: baselines, further runs, tickets that build
//! nothing.

use preflight_core::{JobId, TicketId};
use preflight_protocol::ids;
use preflight_protocol::job::{Job, JobKind, Purpose};
use preflight_protocol::method::{TicketBaseline, TicketRerun, TicketVerdicts};
use preflight_protocol::result::{Outcome, TestStatus};
use preflight_protocol::test_options::BaselinePolicy;
use preflight_protocol::ticket::Ticket;
use preflight_protocol::verdict::JudgedTest;
use preflight_testbed::EndReason;

use crate::client::{Client, within};
use crate::guest::{Play, Scene};
use crate::lab::{Lab, Scenario};
use crate::source::Source;
use crate::stage::Stage;

/// A job that runs a test beside the ticket's own, as its testbed is called: the ticket's own test job is the third.
fn job_of(scene: &Scene) -> u64 {
    let (_, rest) = scene.label.split_once(" job ").unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

fn lab(control: &'static str, script: impl Fn(&Scene) -> Play + Send + Sync + 'static) -> Lab {
    Lab::new(Scenario {
        sources: vec![Source::new("hello").with_tests(control)],
        ..Scenario::scripted(script)
    })
}

async fn judged(client: &Client, ticket: &Ticket) -> Vec<JudgedTest> {
    let request = TicketVerdicts {
        ticket: ticket.summary.id,
    };
    within(client.connection.request(&request)).await.unwrap()
}

async fn until_judged(client: &mut Client, id: ids::TicketId) -> Ticket {
    let done = |ticket: &Ticket| ticket.summary.status.is_final() && !ticket.is_being_judged();
    client.until(id, done).await
}

/// The tests of the ticket's own job with their verdicts.
fn verdicts(ticket: &Ticket) -> Vec<(&str, TestStatus, Option<String>)> {
    let own = ticket.own_tests();
    own.map(|test| {
        (
            test.name.as_str(),
            test.status,
            test.verdict.map(|verdict| verdict.to_string()),
        )
    })
    .collect()
}

fn of_purpose(ticket: &Ticket, purpose: Purpose) -> Vec<&Job> {
    let is_it = |job: &&Job| job.rerun.as_ref().is_some_and(|rerun| rerun.purpose == purpose);
    ticket.jobs.iter().filter(is_it).collect()
}

#[tokio::test]
async fn each_result_is_held_against_the_same_test_without_the_change() {
    let lab = lab("Tests: one two three four five\n", |scene| {
        let with_change = job_of(scene) == 3;
        match &scene.stage {
            Stage::Test(test) => match (test.as_str(), with_change) {
                ("one", true) => Play::Says("took 12 s\nexpected 3\n", 1),
                ("one", false) => Play::Says("took 9.5 s\nexpected 4\n", 0),
                ("two", _) => Play::Says("never did\n", 2),
                ("three", true) | ("five", _) => Play::Usual,
                ("three", false) => Play::Says("no\n", 1),
                (_, true) => Play::Says("no\n", 1),
                _ => Play::Usual,
            },
            // The archive has no such package.
            Stage::Satisfy if job_of(scene) == 7 => Play::Says("E: Unable to correct problems\n", 100),
            _ => Play::Usual,
        }
    });
    let _daemon = lab.start().await;
    let mut client = lab.client().await;
    let mut request = lab.request();
    request.tests.baseline = BaselinePolicy::All;
    let id = client.create(request).await.id;
    let ticket = until_judged(&mut client, id).await;
    assert_eq!(
        verdicts(&ticket),
        [
            ("one", TestStatus::Fail, Some("regression".to_owned())),
            ("two", TestStatus::Fail, Some("always failed".to_owned())),
            ("three", TestStatus::Pass, Some("fixed".to_owned())),
            ("four", TestStatus::Fail, Some("new".to_owned())),
            ("five", TestStatus::Pass, None),
        ]
    );
    // The ticket has ended as it would have without that.
    assert_eq!(
        (ticket.summary.exit_code, ticket.summary.outcome),
        (Some(4), Some(Outcome::Fail))
    );
    assert_eq!(of_purpose(&ticket, Purpose::Baseline).len(), 5);
    lab.assert_nothing_is_left().await;

    // What is shown with it: packages, and where the logs part. The same time is not the difference.
    let folder = lab.tickets().ticket(TicketId(id.0));
    let recorded = folder.tests(Some(JobId(4)), "hello").test("one").packages();
    let packages = std::fs::read_to_string(&recorded).unwrap();
    assert!(packages.contains("nano\t7.2-1\n"), "{packages}");
    std::fs::write(&recorded, packages.replace("7.2-1", "6.0-1") + "only-there\t1\n").unwrap();
    let tests = judged(&client, &ticket).await;
    let one = &tests[0];
    let packages: Vec<String> = one.packages.iter().map(ToString::to_string).collect();
    assert_eq!(
        packages,
        [
            "nano 7.2-1, without the change 6.0-1",
            "only-there not there, without the change 1"
        ]
    );
    let divergence = one.divergence.as_ref().unwrap();
    let (with, without) = (divergence.with.as_ref().unwrap(), divergence.without.as_ref().unwrap());
    assert_eq!(
        (with.text.as_str(), without.text.as_str()),
        ("expected 3", "expected 4")
    );
    for line in [with, without] {
        let job = ticket.jobs.iter().find(|job| job.id == line.job).unwrap();
        let log = lab.log(&ticket, &job.log.as_ref().unwrap().0);
        assert_eq!(log.lines().nth(line.line as usize - 1), Some(line.text.as_str()));
    }
    assert!(
        tests[4].divergence.is_none() && tests[4].verdict.is_none(),
        "what is good is not explained"
    );

    // A later ticket takes what is known, with its log, and starts no machine for it.
    let started = lab.machines.started();
    let mut request = lab.request();
    request.tests.baseline = BaselinePolicy::Never;
    let again = client.create(request).await.id;
    let ticket = client.until_ended(again).await;
    assert_eq!(verdicts(&ticket)[0].2, None);
    let own = lab.machines.started();
    let request = TicketBaseline {
        ticket: again,
        tests: vec!["two".to_owned()],
        all: false,
    };
    let jobs = within(client.connection.request(&request)).await.unwrap().jobs;
    assert_eq!(jobs.len(), 1);
    let ticket = until_judged(&mut client, again).await;
    assert!(own > started);
    assert_eq!(lab.machines.started(), own);
    assert_eq!(verdicts(&ticket)[1].2.as_deref(), Some("always failed"));
    let tests = judged(&client, &ticket).await;
    let taken = tests[0].baseline.as_ref().unwrap().taken_from.as_ref().unwrap();
    assert_eq!((taken.ticket, taken.job), (id, ids::JobId(5)));
    let baseline = of_purpose(&ticket, Purpose::Baseline)[0];
    let log = lab.log(&ticket, &baseline.log.as_ref().unwrap().0);
    assert!(log.contains(&format!("ticket {id} has found in job 5")), "{log}");
    let line = ticket
        .tests
        .iter()
        .find(|test| test.job == baseline.id)
        .unwrap()
        .log_line
        .unwrap();
    assert_eq!(log.lines().nth(line as usize - 1), Some("never did"));
    // It is known now, and nothing is run again.
    let jobs = within(client.connection.request(&request)).await.unwrap().jobs;
    assert_eq!(jobs, []);
    lab.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_passes_now_and_then_is_flaky() {
    let lab = lab("Tests: one two\n", |scene| match &scene.stage {
        // Its further runs are jobs 4 to 6; the second of them passes.
        Stage::Test(test) if test == "one" && job_of(scene) != 5 => Play::Says("no\n", 1),
        _ => Play::Usual,
    });
    let _daemon = lab.start().await;
    let mut client = lab.client().await;
    let mut request = lab.request();
    request.tests.rerun_failed = 3;
    let id = client.create(request).await.id;
    let ticket = until_judged(&mut client, id).await;
    assert_eq!(
        verdicts(&ticket),
        [
            (
                "one",
                TestStatus::Fail,
                Some("flaky: 1 of 3 more runs passed".to_owned())
            ),
            ("two", TestStatus::Pass, None)
        ]
    );
    assert_eq!(
        ticket.summary.exit_code,
        Some(4),
        "that it may pass makes no success of it"
    );
    assert_eq!(of_purpose(&ticket, Purpose::Repeat).len(), 3);
    lab.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_baseline_whose_testbed_fails_is_tried_twice_and_accuses_nobody() {
    let lab = lab("Tests: one\n", |scene| match &scene.stage {
        Stage::Test(_) if job_of(scene) == 3 => Play::Says("no\n", 1),
        Stage::Test(_) => Play::Dies(EndReason::Shutdown),
        _ => Play::Usual,
    });
    let _daemon = lab.start().await;
    let mut client = lab.client().await;
    let mut request = lab.request();
    request.tests.baseline = BaselinePolicy::Failed;
    let id = client.create(request).await.id;
    let ticket = until_judged(&mut client, id).await;
    assert_eq!(verdicts(&ticket)[0].2.as_deref(), Some("testbed broken"));
    assert_eq!(of_purpose(&ticket, Purpose::Baseline)[0].attempts.len(), 2);
    let tests = judged(&client, &ticket).await;
    assert_eq!(
        tests[0].baseline.as_ref().unwrap().outcome,
        Some(Outcome::TestbedBroken)
    );
    lab.until_nothing_is_left().await;
}

#[tokio::test]
async fn nothing_is_built_where_the_archives_packages_are_tested() {
    let lab = lab("Tests: one two\n", |scene| match &scene.stage {
        Stage::Build | Stage::BuildDepends => panic!("nothing is to be built"),
        Stage::Test(test) if test == "two" => Play::Says("no\n", 1),
        _ => Play::Usual,
    });
    let _daemon = lab.start().await;
    let mut client = lab.client().await;
    let mut request = lab.request();
    request.tests.no_build = true;
    let id = client.create(request).await.id;
    let ticket = client.until_ended(id).await;
    let kinds: Vec<JobKind> = ticket.jobs.iter().map(|job| job.kind).collect();
    assert_eq!(kinds, [JobKind::Test]);
    assert_eq!((ticket.summary.exit_code, ticket.image.as_ref()), (Some(4), None));
    assert_eq!(verdicts(&ticket)[1].1, TestStatus::Fail);
    // The tree was unpacked in one testbed, and each test had its own.
    assert_eq!(lab.machines.started(), 3);

    let rerun = TicketRerun {
        ticket: id,
        test: "one".to_owned(),
        with: None,
    };
    let rerun = within(client.connection.request(&rerun)).await.unwrap().job;
    let has_passed = |job: &Job| job.id == rerun && job.outcome == Some(Outcome::Pass);
    client.until(id, |ticket| ticket.jobs.iter().any(has_passed)).await;

    let refused = TicketBaseline {
        ticket: id,
        tests: vec![],
        all: true,
    };
    let refused = within(client.connection.request(&refused)).await.unwrap_err();
    assert!(refused.to_string().contains("builds nothing"), "{refused}");
    let mut request = lab.request();
    (request.tests.no_build, request.tests.baseline) = (true, BaselinePolicy::Failed);
    let refused = within(client.connection.request(&request)).await.unwrap_err();
    assert!(refused.to_string().contains("builds nothing"), "{refused}");
    lab.until_nothing_is_left().await;
}
