//! Cancelling at every stage: within 3 s nothing of the attempt is left. And a daemon that is stopped in order.

use std::time::{Duration, Instant};

use preflight_protocol::ids::Attempt;
use preflight_protocol::job::{JobKind, JobState};
use preflight_protocol::result::Outcome;
use preflight_protocol::ticket::{Ticket, TicketStatus, WorkflowStep};
use preflight_testbed::fake::Faults;

use crate::client::{job, within};
use crate::guest::Play;
use crate::lab::{Lab, Scenario};
use crate::stage::Stage;

/// What the issue promises.
const SOON: Duration = Duration::from_secs(3);

fn assert_cancelled(ticket: &Ticket) {
    let summary = &ticket.summary;
    assert_eq!(
        (
            summary.workflow_step,
            summary.status,
            summary.exit_code,
            summary.outcome
        ),
        (
            WorkflowStep::Failed,
            TicketStatus::Cancelled,
            Some(130),
            Some(Outcome::Cancelled)
        ),
        "{ticket:#?}"
    );
    let unfinished = |state| !matches!(state, JobState::Passed | JobState::Cancelled);
    assert!(!ticket.jobs.iter().any(|job| unfinished(job.state)), "{ticket:#?}");
}

fn hanging_at(stage: Stage) -> Scenario {
    Scenario::scripted(move |scene| match scene.stage == stage {
        true => Play::Hangs("it hangs\n"),
        false => Play::Usual,
    })
}

#[tokio::test]
async fn a_ticket_can_be_cancelled_at_every_stage() {
    for (stage, kind) in crate::testbeds::stages() {
        let lab = Lab::new(hanging_at(stage.clone()));
        let daemon = lab.start().await;
        let mut client = lab.client().await;
        let id = client.create(lab.request()).await.id;
        lab.machines.reached(|scene| scene.stage == stage).await;
        let asked = Instant::now();
        client.cancel(id).await;
        let ticket = client.until_ended(id).await;
        assert!(asked.elapsed() < SOON, "{stage:?}: {:?}", asked.elapsed());
        lab.assert_nothing_is_left().await;
        assert_cancelled(&ticket);
        assert_eq!(job(&ticket, kind).state, JobState::Cancelled);
        drop(daemon);
    }
}

#[tokio::test]
async fn a_ticket_can_be_cancelled_while_a_machine_starts() {
    let lab = Lab::new(Scenario {
        hypervisor: Faults {
            start_takes: Duration::from_secs(1000),
            ..Faults::default()
        },
        ..Scenario::default()
    });
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let id = client.create(lab.request()).await.id;
    lab.until("a start has begun", async || lab.machines.starting() > 0)
        .await;
    client.cancel(id).await;
    // A start cannot be called off: the owner is not kept waiting for its end …
    let ticket = lab.pass_until(4, client.until_ended(id)).await;
    assert_cancelled(&ticket);
    assert!(!lab.leftovers().await.is_empty());
    // … and what it has started goes at once.
    lab.pass_until(1000, lab.until_nothing_is_left()).await;
    assert_eq!(lab.machines.started(), 1);
    drop(daemon);
}

#[tokio::test]
async fn a_ticket_can_be_cancelled_while_a_machine_powers_off() {
    let lab = Lab::new(hanging_at(Stage::PowerOff));
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let id = client.create(lab.request()).await.id;
    lab.machines.reached(|scene| scene.stage == Stage::PowerOff).await;
    client.cancel(id).await;
    assert_cancelled(&client.until_ended(id).await);
    lab.assert_nothing_is_left().await;
    drop(daemon);
}

#[tokio::test]
async fn a_machine_that_is_slow_to_go_is_not_forgotten() {
    let lab = Lab::new(Scenario {
        hypervisor: Faults {
            destroy_takes: Duration::from_secs(60),
            ..Faults::default()
        },
        ..hanging_at(Stage::Build)
    });
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let id = client.create(lab.request()).await.id;
    lab.machines.reached(|scene| scene.stage == Stage::Build).await;
    client.cancel(id).await;
    // The owner is not kept waiting …
    let ticket = lab.pass_until(4, client.until_ended(id)).await;
    assert_cancelled(&ticket);
    assert!(!lab.leftovers().await.is_empty());
    // … and the machine goes when it can.
    lab.pass_until(60, lab.until_nothing_is_left()).await;
    drop(daemon);
}

#[tokio::test]
async fn a_daemon_that_is_stopped_leaves_nothing_and_goes_on_later() {
    let lab = Lab::new(Scenario::scripted(|scene| match scene.stage {
        Stage::Build if scene.nth == 0 => Play::Hangs("it hangs\n"),
        _ => Play::Usual,
    }));
    let daemon = lab.start().await;
    let client = lab.client().await;
    let id = client.create(lab.request()).await.id;
    lab.machines.reached(|scene| scene.stage == Stage::Build).await;
    daemon.stopper().cancel();
    within(daemon.ended()).await.unwrap();
    lab.assert_nothing_is_left().await;

    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let ticket = client.until_ended(id).await;
    crate::passing::assert_passed(&ticket);
    assert_eq!(job(&ticket, JobKind::Build).attempt, Attempt(2));
    drop(daemon);
    lab.assert_nothing_is_left().await;
}
