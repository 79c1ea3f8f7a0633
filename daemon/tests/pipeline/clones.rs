//! Testbeds that are clones, and what becomes of jobs where freezing does not work: they take longer, and pass all the same.

use std::collections::BTreeSet;

use preflight_protocol::job::JobKind;
use preflight_protocol::ticket::Ticket;
use preflight_testbed::fake::{Chance, Faults};

use crate::lab::{Lab, Scenario};
use crate::source::Source;
use crate::stage::Stage;

const TESTS: &str = "Tests: one two\nDepends: @, bash\n";

fn lab(hypervisor: Faults) -> Lab {
    Lab::new(Scenario {
        sources: vec![Source::new("hello").with_tests(TESTS)],
        hypervisor,
        ..Scenario::default()
    })
}

fn log(lab: &Lab, ticket: &Ticket, kind: JobKind) -> String {
    let job = ticket.jobs.iter().find(|job| job.kind == kind).unwrap();
    lab.log(ticket, &job.attempts.last().unwrap().log.0)
}

fn exit_code(ticket: &Ticket) -> Option<u8> {
    ticket.summary.exit_code
}

#[tokio::test]
async fn a_second_check_goes_on_from_what_the_first_has_prepared() {
    let lab = lab(Faults::default());
    let first = lab.check().await;
    assert_eq!(exit_code(&first), Some(0));
    assert!(log(&lab, &first, JobKind::Build).contains("freezing a template"));

    // Another daemon, which finds on the disk what the first one left.
    let second = lab.check().await;
    assert_eq!(exit_code(&second), Some(0));
    let build = log(&lab, &second, JobKind::Build);
    assert!(build.contains("goes on from build dependencies of hello"), "{build}");
    assert!(!build.contains("freezing a template"), "{build}");
    let image = log(&lab, &second, JobKind::Image);
    assert!(image.contains("is there already"), "{image}");
}

#[tokio::test]
async fn no_clone_is_made_beside_one_that_is_being_made() {
    let lab = Lab::new(Scenario {
        sources: vec![Source::new("hello").with_tests("Tests: one two three four\nDepends: @\n")],
        hypervisor: Faults::default(),
        pool: 3,
        ..Scenario::default()
    });
    let _daemon = lab.start().await;
    let mut client = lab.client().await;
    let id = client.create(lab.request()).await.id;
    let ticket = client.until_ended(id).await;
    assert_eq!((exit_code(&ticket), ticket.tests.len()), (Some(0), 4));
    let scenes = lab.machines.scenes();
    let worked: BTreeSet<usize> = scenes
        .iter()
        .filter(|scene| scene.stage != Stage::Settle)
        .map(|scene| scene.nth)
        .collect();
    let made: BTreeSet<usize> = scenes.iter().map(|scene| scene.nth).collect();
    let idle = made.difference(&worked).count();
    // What was made for whoever looks at the ticket; nobody has wanted it.
    assert!(idle <= 1, "{idle} of {} machines did nothing", made.len());
}

#[tokio::test]
async fn where_no_clone_answers_every_testbed_boots() {
    let lab = lab(Faults {
        clone_fails: Chance::ALWAYS,
        ..Faults::default()
    });
    let ticket = lab.check().await;
    assert_eq!(exit_code(&ticket), Some(0));
    let build = log(&lab, &ticket, JobKind::Build);
    for method in ["shared memory", "save image"] {
        let wanted = format!("testbeds cannot be frozen by {method} here");
        assert!(build.contains(&wanted), "{build}");
    }
    assert!(build.contains("is up after"), "{build}");
    // Nobody tries again what has failed.
    let test = log(&lab, &ticket, JobKind::Test);
    assert!(!test.contains("freezing a template"), "{test}");
}

#[tokio::test]
async fn where_nothing_can_be_frozen_every_testbed_boots() {
    let lab = lab(Faults {
        freeze_fails: Chance::ALWAYS,
        ..Faults::default()
    });
    let ticket = lab.check().await;
    assert_eq!(exit_code(&ticket), Some(0));
    assert!(log(&lab, &ticket, JobKind::Build).contains("a fault of the fake's"));
}
