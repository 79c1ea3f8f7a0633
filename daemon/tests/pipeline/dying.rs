//! A daemon that is killed in the middle: the next one sweeps what it left and runs the interrupted job again.

use std::sync::atomic::{AtomicBool, Ordering};

use preflight_protocol::ids::Attempt;
use preflight_protocol::job::JobKind;
use preflight_testbed::Hypervisor as _;
use tokio::runtime::{Builder, Runtime};

use crate::client::job;
use crate::guest::Play;
use crate::lab::{Lab, Scenario};
use crate::source::Source;
use crate::stage::Stage;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_killed_daemons_ticket_is_finished_by_the_next() {
    for (stage, kind) in [
        (Stage::Settle, JobKind::Build),
        (Stage::Build, JobKind::Build),
        (Stage::Install, JobKind::Image),
        (Stage::PowerOff, JobKind::Image),
        (Stage::Test("two".to_owned()), JobKind::Test),
    ] {
        let at = stage.clone();
        let once = AtomicBool::new(true);
        let lab = Lab::new(Scenario {
            sources: vec![Source::new("hello").with_tests("Tests: one two\n")],
            ..Scenario::scripted(
                move |scene| match scene.stage == at && once.swap(false, Ordering::SeqCst) {
                    true => Play::Hangs("it hangs\n"),
                    false => Play::Usual,
                },
            )
        });
        let killed = runtime();
        let id = killed.block_on(async {
            let daemon = lab.start().await;
            let client = lab.client().await;
            let id = client.create(lab.request()).await.id;
            lab.machines.reached(|scene| scene.stage == stage).await;
            drop(daemon);
            id
        });
        // All that the daemon has spawned ends where it is.
        drop(killed);

        let next = runtime();
        next.block_on(async {
            assert_eq!(lab.machines.list().await.unwrap().len(), 1, "{stage:?}");
            assert!(!lab.leftovers().await.is_empty());
            // libvirt, too, may just be coming back.
            lab.machines.refuse_destroys(1);
            let daemon = lab.start().await;
            let mut client = lab.client().await;
            let ticket = client.until_ended(id).await;
            crate::passing::assert_passed(&ticket);
            for other in &ticket.jobs {
                let expected = if other.kind == kind { Attempt(2) } else { Attempt(1) };
                assert_eq!(other.attempt, expected, "{stage:?}: {other:#?}");
            }
            let interrupted = &job(&ticket, kind).attempts[0];
            assert_eq!(interrupted.outcome, None);
            assert!(interrupted.reason.as_deref().unwrap_or_default().contains("death"));
            let tests: Vec<&str> = ticket.tests.iter().map(|test| test.name.as_str()).collect();
            assert_eq!(tests, ["one", "two"], "those of the attempt that counts");
            lab.assert_nothing_is_left().await;
            drop(daemon);
        });
    }
}
