//! The daemon's death, with and without somebody who starts it again.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use preflight_protocol::ids::{Attempt, TicketId};
use preflight_protocol::job::{JobKind, JobState};
use preflight_protocol::ticket::TicketStatus;
use preflight_tests::home::{Home, is_alive};
use preflight_tests::wait::wait_until;
use preflight_tests::{fixture, progress, shared};
use pretty_assertions::assert_eq;

use crate::check::{end, job, start};

/// As long as anything may take that has to boot a machine first.
const PATIENCE: Duration = Duration::from_secs(600);
/// What is promised of a cancellation.
const LIMIT: Duration = Duration::from_secs(3);

#[test]
fn a_killed_daemon_is_started_again_and_finishes_what_it_did() {
    let home = shared::turn("killed in a build");
    let scratch = tempfile::tempdir().unwrap();
    let source = fixture::dsc("untested", scratch.path());
    let following = start(&home, "killed in a build", &[&source], &[]);
    let _ = following.says("build untested: building", PATIENCE);
    assert_eq!(home.machines().len(), 1);
    let dead = home.kill_daemon();
    progress::say("killed in a build: the daemon is killed");
    // No tests, no results: 8.
    let checked = end(&home, following, 8);
    assert!(home.daemon().is_some_and(|pid| pid != dead && is_alive(pid)));

    let build = job(&checked.ticket, JobKind::Build);
    assert_eq!((build.state, build.attempt), (JobState::Passed, Attempt(2)));
    let [first, second] = &build.attempts[..] else {
        panic!("not two attempts: {build:#?}")
    };
    assert_eq!((first.attempt, first.outcome), (Attempt(1), None));
    assert!(first.finished_at.is_some() && second.finished_at.is_some());
    let reason = first.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("interrupted"), "{reason}");
    let logs = home.json(
        "log-list.answer",
        &["logs", &checked.ticket.summary.id.to_string(), "--all", "--json"],
    );
    assert!(
        logs.stdout.contains(&first.log.0) && logs.stdout.contains(&second.log.0),
        "{logs}"
    );
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
}

#[test]
fn machines_without_a_daemon_are_ended_and_their_disks_go_with_the_next() {
    let home = shared::turn("killed for good");
    let id = detached(&home, "networked");
    wait_until("a machine", PATIENCE, || !home.machines().is_empty());
    home.kill_daemon();
    let grace = Duration::from_secs(shared::GRACE);
    let ended = wait_until(
        "the end of machines that nobody owns",
        grace + Duration::from_secs(20),
        || home.machines().is_empty(),
    );
    progress::say(&format!("killed for good: machines ended after {ended:.1?}"));
    // Every command that needs the daemon starts it; this one ends what the killed one has left open.
    let _ = home.run(&["ticket", "cancel", &id.to_string()]).with_code(0);
    wait_until("an end without leftovers", PATIENCE, || {
        home.ticket(id).summary.status.is_final() && home.leftovers().is_empty()
    });
    assert_eq!(home.ticket(id).summary.exit_code, Some(130));
}

#[test]
fn a_cancelled_ticket_and_its_machine_are_gone_within_three_seconds() {
    let home = shared::turn("cancelled");
    // In the middle of a command in the guest, and while the guest boots.
    for (by, phase) in [("ticket cancel", "building"), ("Ctrl-C", "starting a testbed")] {
        let scratch = tempfile::tempdir().unwrap();
        let source = fixture::dsc("networked", scratch.path());
        let following = start(&home, by, &[&source], &[]);
        let id: TicketId = following.says("ticket #", PATIENCE).parse().unwrap();
        let _ = following.says(&format!("build networked: {phase}"), PATIENCE);
        wait_until("its machine", PATIENCE, || !home.machines().is_empty());
        let since = Instant::now();
        if by == "ticket cancel" {
            let _ = home.run(&["ticket", "cancel", &id.to_string()]).with_code(0);
        } else {
            following.signal(Signal::SIGINT);
        }
        wait_until("the machine's end", LIMIT, || home.machines().is_empty());
        wait_until("the ticket's end", LIMIT, || {
            home.ticket(id).summary.status == TicketStatus::Cancelled
        });
        let took = since.elapsed();
        progress::say(&format!("{by}: ticket and machine were gone after {took:.1?}"));
        assert!(took < LIMIT, "{took:?}");
        let checked = end(&home, following, 130);
        assert_eq!(checked.ticket.summary.id, id);
        for job in &checked.ticket.jobs {
            let before = job.kind == JobKind::BaseImage && job.state == JobState::Passed;
            assert!(before || job.state == JobState::Cancelled, "{job:#?}");
        }
        wait_until("an end without leftovers", Duration::from_secs(10), || {
            home.leftovers().is_empty()
        });
    }
}

/// Makes a ticket that nobody follows.
fn detached(home: &Home, name: &str) -> TicketId {
    let scratch = tempfile::tempdir().unwrap();
    let source = fixture::dsc(name, scratch.path());
    let made = home.json("cli-check", &["check", "--detach", "--json", source.to_str().unwrap()]);
    serde_json::from_value(made.json()["ticket"].clone()).unwrap()
}
