//! Anything may go wrong at any time, by a seed: every ticket ends, its exit code says what its jobs say, nothing is left,
//! and no job ever has two machines.

use std::sync::Arc;

use preflight_guest::fake::Faults as GuestFaults;
use preflight_protocol::job::JobState;
use preflight_protocol::result::Outcome;
use preflight_protocol::ticket::{Ticket, TicketStatus, WorkflowStep};
use preflight_testbed::EndReason;
use preflight_testbed::fake::{Chance, Faults};

use crate::guest::{Play, Scene};
use crate::lab::{Lab, Scenario};
use crate::machines::Guest;
use crate::source::Source;

/// A number that depends on both and looks like chance (splitmix64): the same seed is the same run on every machine.
fn dice(seed: u64, throw: u64) -> u64 {
    let mut mixed = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(throw.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn play(seed: u64, scene: &Scene) -> Play {
    let words = format!("{:?} {}", scene.stage, scene.label);
    let throw = words
        .bytes()
        .fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    match dice(seed, throw) % 60 {
        0 => Play::Dies(EndReason::Panicked),
        1 => Play::Dies(EndReason::Failed),
        2 => Play::Says("hello.c:1:1: error: chance\n", 1),
        3 => Play::SaysError("E: chance\n", 100),
        4 => Play::Tries("www.example", "no network\n", 1),
        _ => Play::Usual,
    }
}

fn guest(seed: u64, nth: usize) -> Guest {
    let throw = dice(seed, 1000 + nth as u64);
    let at = Some(throw >> 8 & 0x1fff);
    let faults = match throw % 8 {
        0 => GuestFaults {
            drop_after: at,
            ..GuestFaults::default()
        },
        1 => GuestFaults {
            garbage_after: at,
            seed,
            ..GuestFaults::default()
        },
        _ => GuestFaults::default(),
    };
    Guest { faults, is_mute: false }
}

fn assert_consistent(seed: u64, ticket: &Ticket) {
    let summary = &ticket.summary;
    let code = summary.exit_code.unwrap();
    let passed = ticket.jobs.iter().all(|job| job.state == JobState::Passed);
    assert_eq!(passed, matches!(code, 0 | 2 | 8), "seed {seed}: {ticket:#?}");
    let expected = match passed {
        true => (WorkflowStep::Complete, TicketStatus::Complete),
        false => (WorkflowStep::Failed, TicketStatus::Failed),
    };
    assert_eq!((summary.workflow_step, summary.status), expected, "seed {seed}");
    assert_eq!(summary.reason.is_some(), !passed, "seed {seed}: {ticket:#?}");
    for job in &ticket.jobs {
        let attempts: Vec<u32> = job.attempts.iter().map(|attempt| attempt.attempt.0).collect();
        assert_eq!(
            attempts,
            (1..=u32::try_from(attempts.len()).unwrap()).collect::<Vec<_>>()
        );
        assert_eq!(
            job.state == JobState::Failed,
            job.first_error.is_some(),
            "seed {seed}: {job:#?}"
        );
        if job.outcome == Some(Outcome::TestbedBroken) {
            assert!(job.reason.is_some(), "seed {seed}: {job:#?}");
        }
    }
}

async fn run(seed: u64) -> u8 {
    let liba = Source::new("liba").with_tests("Tests: one two\n");
    let app = Source {
        build_depends: "liba",
        ..Source::new("app")
    };
    let lab = Lab::new(Scenario {
        sources: vec![liba, app],
        hypervisor: Faults {
            seed,
            start_fails: Chance(30),
            machine_ends: Chance(30),
            connection_closes: Chance(200),
            // Every other lab knows no clones.
            never_freezes: seed.is_multiple_of(2),
            clone_fails: Chance(60),
            freeze_fails: Chance(60),
            ..Faults::default()
        },
        guests: Arc::new(move |nth| guest(seed, nth)),
        jobs: 2,
        ..Scenario::scripted(move |scene| play(seed, scene))
    });
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let both = client.create(lab.request()).await.id;
    let mut alone = lab.request();
    alone.sources.truncate(1);
    let alone = client.create(alone).await.id;
    let mut worst = 0;
    for id in [both, alone] {
        let ticket = client.until_ended(id).await;
        assert_consistent(seed, &ticket);
        worst = worst.max(ticket.summary.exit_code.unwrap());
    }
    lab.assert_nothing_is_left().await;
    drop(daemon);
    worst
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_whatever_goes_wrong() {
    let mut codes = std::collections::BTreeSet::new();
    for seed in 0..30 {
        codes.insert(run(seed).await);
    }
    // The chances are such that each kind of end is met.
    assert!(
        codes.contains(&0) && codes.contains(&12) && codes.contains(&16),
        "{codes:?}"
    );
}
