//! The Ubuntu CI Engine's verbs, and a ticket that waits for its owner's word.

use std::time::Duration;

use preflight_protocol::method::TicketCreated;
use preflight_protocol::ticket::TicketStatus;
use preflight_tests::wait::wait_until;
use preflight_tests::{fixture, shared};
use pretty_assertions::assert_eq;

const PATIENCE: Duration = Duration::from_secs(600);

#[test]
fn a_ticket_made_with_wait_runs_once_it_is_queued() {
    let home = shared::turn("wait and queue");
    let scratch = tempfile::tempdir().unwrap();
    let sources = ["greeter", "libgreeting"].map(|name| fixture::dsc(name, scratch.path()));
    let [one, other] = sources.each_ref().map(|path| path.to_str().unwrap());
    let words = [
        "create_ticket",
        "-t",
        "A title",
        "-d",
        "What it is about",
        "-b",
        "12345",
        "-o",
        "jane",
        "-s",
        one,
        "-s",
        other,
        "-w",
        "--json",
    ];
    let created: TicketCreated = home.json("ticket-create.answer", &words).parse();
    let id = created.id.to_string();
    let ticket = home.ticket(created.id);
    assert_eq!(
        (
            ticket.summary.status,
            ticket.summary.workflow_step.number(),
            ticket.summary.queue_position
        ),
        (TicketStatus::Waiting, 100, None)
    );
    assert_eq!(
        (&*ticket.summary.title, &*ticket.description),
        ("A title", "What it is about")
    );
    assert_eq!((ticket.bug.as_deref(), &*ticket.summary.owner), (Some("12345"), "jane"));
    assert_eq!(ticket.subtickets.len(), 2);
    assert_eq!(home.status().unwrap().running, 0);

    let _ = home.json(
        "ticket-update.answer",
        &["update_ticket", &id, "-t", "Another title", "--json"],
    );
    assert_eq!(home.ticket(created.id).summary.status, TicketStatus::Waiting);
    let _ = home.json("ticket-update.answer", &["ticket", "update", &id, "--queue", "--json"]);
    wait_until("its first job", PATIENCE, || {
        home.ticket(created.id).summary.status == TicketStatus::Running
    });
    let shown = home.json("ticket-show.answer", &["status", &id, "--json"]);
    assert_eq!(shown.json()["title"], "Another title");
    let again = home.run(&["ticket", "update", &id, "--queue"]).with_code(20);
    assert!(again.stderr.contains("error (conflict)"), "{again}");
    let none = home
        .run(&["get_image", &id, "-o", "/nonexistent/x.qcow2"])
        .with_code(20);
    assert!(none.stderr.contains("error ("), "{none}");
    let _ = home.json("ticket-cancel.answer", &["ticket", "cancel", &id, "--json"]);
    wait_until("its end", PATIENCE, || {
        home.ticket(created.id).summary.status.is_final() && home.leftovers().is_empty()
    });
    assert_eq!(home.ticket(created.id).summary.status, TicketStatus::Cancelled);
}
