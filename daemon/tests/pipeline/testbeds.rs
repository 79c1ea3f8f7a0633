//! Testbeds that do not boot, die, or fall silent, at every stage: the testbed's fault, told as such, and nothing is left.

use std::sync::Arc;
use std::time::Duration;

use preflight_guest::fake::Faults as GuestFaults;
use preflight_protocol::job::JobKind;
use preflight_testbed::EndReason;
use preflight_testbed::fake::{Chance, Faults};

use crate::failing::assert_failed;
use crate::guest::Play;
use crate::lab::{Lab, Scenario};
use crate::machines::Guest;
use crate::stage::Stage;

/// Every stage of a ticket of one `.dsc`, and the job that it belongs to.
pub(crate) fn stages() -> Vec<(Stage, JobKind)> {
    let of = |kind, stages: &[Stage]| -> Vec<(Stage, JobKind)> {
        stages.iter().map(|stage| (stage.clone(), kind)).collect()
    };
    let test = Stage::Test("command1".to_owned());
    [
        of(
            JobKind::Build,
            &[
                Stage::Settle,
                Stage::Extract,
                Stage::PackTree,
                Stage::TestsControl,
                Stage::BuildDepends,
                Stage::Build,
                Stage::List,
            ],
        ),
        of(JobKind::Image, &[Stage::Install, Stage::Clean]),
        of(
            JobKind::Test,
            &[
                Stage::UnpackTree,
                Stage::Satisfy,
                Stage::Query,
                Stage::Prepare,
                Stage::Commands,
                Stage::Boots,
                test,
            ],
        ),
    ]
    .concat()
}

#[tokio::test]
async fn a_machine_that_dies_breaks_the_testbed_at_every_stage() {
    for (stage, kind) in stages() {
        let at = stage.clone();
        let lab = Lab::new(Scenario::scripted(move |scene| match scene.stage == at {
            true => Play::Dies(EndReason::Panicked),
            false => Play::Usual,
        }));
        let ticket = lab.check().await;
        assert_failed(&ticket, kind, 16, "the testbed's kernel has panicked");
    }
}

#[tokio::test]
async fn a_guest_that_falls_silent_is_given_up_at_every_stage() {
    for (stage, kind) in stages() {
        let at = stage.clone();
        let lab = Lab::new(Scenario {
            guests: Arc::new(|_| Guest {
                faults: GuestFaults {
                    beats: Some(0),
                    ..GuestFaults::default()
                },
                is_mute: false,
            }),
            ..Scenario::scripted(move |scene| match scene.stage == at {
                true => Play::Hangs(""),
                false => Play::Usual,
            })
        });
        let daemon = lab.start().await;
        let mut client = lab.client().await;
        let id = client.create(lab.request()).await.id;
        lab.machines.reached(|scene| scene.stage == stage).await;
        let ticket = lab.pass_until(31, client.until_ended(id)).await;
        assert_failed(&ticket, kind, 16, "no sign of life for 30 s");
        drop(daemon);
        lab.assert_nothing_is_left().await;
    }
}

#[tokio::test]
async fn a_machine_that_does_not_start_breaks_the_testbed() {
    let lab = Lab::new(Scenario {
        hypervisor: Faults {
            start_fails: Chance::ALWAYS,
            ..Faults::default()
        },
        ..Scenario::default()
    });
    let ticket = lab.check().await;
    assert_failed(&ticket, JobKind::Build, 16, "did not start: a fault of the fake's");
}

#[tokio::test]
async fn a_host_without_a_hypervisor_breaks_the_testbed() {
    let lab = Lab::new(Scenario {
        unusable: Some("install libvirt".to_owned()),
        ..Scenario::default()
    });
    let ticket = lab.check().await;
    assert_failed(&ticket, JobKind::Build, 16, "install libvirt");
}

#[tokio::test]
async fn a_missing_agent_breaks_the_testbed() {
    let lab = Lab::new(Scenario::default());
    std::fs::remove_file(lab.agent()).unwrap();
    let ticket = lab.check().await;
    assert_failed(&ticket, JobKind::Build, 16, "agent");
}

#[tokio::test]
async fn a_guest_that_never_answers_is_given_up() {
    let lab = Lab::new(Scenario {
        guests: Arc::new(|_| Guest {
            is_mute: true,
            ..Guest::default()
        }),
        boot: Duration::from_millis(100),
        ..Scenario::default()
    });
    let ticket = lab.check().await;
    assert_failed(&ticket, JobKind::Build, 16, "the testbed did not boot");
}

#[tokio::test]
async fn a_machine_that_ends_while_it_boots_is_not_waited_for() {
    let lab = Lab::new(Scenario {
        guests: Arc::new(|_| Guest {
            is_mute: true,
            ..Guest::default()
        }),
        hypervisor: Faults {
            machine_ends: Chance::ALWAYS,
            ..Faults::default()
        },
        ..Scenario::default()
    });
    let ticket = lab.check().await;
    assert_failed(&ticket, JobKind::Build, 16, "QEMU has died");
}

#[tokio::test]
async fn a_machine_that_resists_is_destroyed_again() {
    let lab = Lab::new(Scenario::default());
    lab.machines.refuse_destroys(2);
    let ticket = lab.check().await;
    crate::passing::assert_passed(&ticket);
}

#[tokio::test]
async fn a_broken_testbed_is_told_by_a_line_of_its_log() {
    let lab = Lab::new(Scenario::scripted(|scene| match scene.stage {
        Stage::Build => Play::Dies(EndReason::Failed),
        _ => Play::Usual,
    }));
    let ticket = lab.check().await;
    crate::failing::assert_first_error(&lab, &ticket, JobKind::Build, "the testbed's QEMU has died");
}
