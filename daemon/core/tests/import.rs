//! Tickets that come from another machine.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails in a test's helper fails the test"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use preflight_core::schedule::Turn;
use preflight_core::*;

#[expect(dead_code, reason = "other tests need more of it")]
mod support;
use support::{House, source, ticket};

/// A ticket of two sources that has ended, with something of everything.
fn there() -> Ticket {
    let mut house = House::new();
    for _ in 0..3 {
        house.create(ticket(vec![source("other", true, &[])]));
    }
    let id = house.create(ticket(vec![source("hello", true, &[]), source("world", false, &[0])]));
    house.run(&BTreeMap::new());
    let mut ticket = house.state.ticket(id).unwrap().clone();
    assert!(!ticket.is_active());
    let job = ticket.jobs.last().unwrap().clone();
    ticket.tests.push(TestRecord {
        job: job.id,
        attempt: job.attempt(),
        result: TestResult {
            source: "world".into(),
            name: "smoke\u{1b}[31m".into(),
            status: TestStatus::Pass,
            reason: None,
            duration: Duration::from_secs(1),
            log_line: None,
        },
    });
    ticket.artifacts.push(ArtifactRecord {
        job: ticket.jobs[1].id,
        attempt: Attempt(1),
        artifact: Artifact {
            name: "hello_1-1_all.deb".into(),
            sha256: Sha256([1; 32]),
            size: 1,
            path: "/here/hello_1-1_all.deb".into(),
        },
    });
    let record = ticket.jobs[0].attempts.last_mut().unwrap();
    record.first_error = Some(FirstError {
        log: record.log.clone(),
        line: 3,
        text: "no\u{7}".into(),
    });
    record.kept = Some(1 << 30);
    ticket.kept = true;
    ticket
}

fn import(ticket: Ticket) -> Command {
    let job = ticket.jobs[1].id;
    let entry = |byte: u8| LockEntry {
        url: format!("http://mirror.example/{byte}"),
        sha256: Sha256([byte; 32]),
        size: 1,
        origin: None,
    };
    Command::Import(Box::new(ImportedTicket {
        origin: Origin::Ticket(TicketOrigin {
            host: "lab".into(),
            ticket: ticket.id,
            exported_at: Moment(77),
        }),
        ticket,
        locks: vec![(job, vec![entry(2), entry(1), entry(2)])],
        heads: vec![],
    }))
}

#[test]
fn an_imported_ticket_has_numbers_of_here_and_is_otherwise_what_it_was() {
    let there = there();
    let mut house = House::new();
    let first = house.create(ticket(vec![source("mine", false, &[])]));
    house.run(&BTreeMap::new());
    let last = house.state.numbers();
    let events = house.send(import(there.clone())).unwrap();
    let here = house.state.tickets().last().unwrap().clone();
    assert_ne!(here.id, first);
    assert_eq!(here.id, last.ticket.next());
    assert_eq!(here.subtickets[0].id, last.subticket.next());
    let numbers: Vec<JobId> = here.jobs.iter().map(|job| job.id).collect();
    let expected: Vec<JobId> = (1..=there.jobs.len() as u64).map(|n| JobId(last.job.0 + n)).collect();
    assert_eq!(numbers, expected);
    for (old, new) in there.jobs.iter().zip(&here.jobs) {
        let needs: Vec<u64> = old.needs.iter().map(|need| need.0 - there.jobs[0].id.0).collect();
        let found: Vec<u64> = new.needs.iter().map(|need| need.0 - here.jobs[0].id.0).collect();
        assert_eq!(needs, found);
        assert_eq!(
            (new.kind, &new.source, new.state, new.ticket),
            (old.kind, &old.source, old.state, here.id)
        );
        for record in &new.attempts {
            assert_eq!(record.log, new.log_name(record.attempt));
            assert_eq!(record.kept, None);
        }
    }
    let error = here.jobs[0].attempts[0].first_error.clone().unwrap();
    assert_eq!(
        (error.log, error.text.as_str()),
        (here.jobs[0].log_name(Attempt(1)), "no\\u{7}")
    );
    assert_eq!(here.tests[0].job, *numbers.last().unwrap());
    assert_eq!(here.tests[0].result.name, "smoke\\u{1b}[31m");
    assert_eq!(here.artifacts[0].job, numbers[1]);
    assert_eq!(
        (here.status, here.step, &here.end),
        (there.status, there.step, &there.end)
    );
    assert_eq!(here.created_at, there.created_at);
    assert!(!here.kept);
    let Some(Origin::Ticket(origin)) = here.origin else {
        panic!("{:?}", here.origin);
    };
    assert_eq!(
        (origin.host.as_str(), origin.ticket, origin.exported_at),
        ("lab", there.id, Moment(77))
    );
    let locks: Vec<(JobId, usize)> = events
        .iter()
        .filter_map(|event| match event {
            Event::LockRecorded { job, entries, .. } => Some((*job, entries.len())),
            _ => None,
        })
        .collect();
    assert_eq!(locks, [(numbers[1], 2)]);
}

#[test]
fn an_imported_ticket_does_not_run() {
    let mut house = House::new();
    house.send(import(there())).unwrap();
    assert_eq!(house.turn(), Turn::Nobody);
    let id = house.state.tickets().last().unwrap().id;
    assert_eq!(house.send(Command::Cancel { ticket: id }), Err(Refusal::Ended(id)));
    let rerun = Command::Rerun {
        ticket: id,
        test: "world/smoke".into(),
        staged: false,
    };
    assert_eq!(house.send(rerun), Err(Refusal::NoImage(id)));
    // What it took there says nothing of how long it takes here.
    let mine = house.create(ticket(vec![source("hello", true, &[])]));
    let job = house.state.ticket(mine).unwrap().jobs[0].clone();
    assert_eq!(estimate(&house.state, &job), None);
    house.send(Command::Remove { ticket: id }).unwrap();
    assert!(house.state.ticket(id).is_none());
}

#[test]
fn what_has_not_ended_or_names_what_is_not_there_is_refused() {
    let mut house = House::new();
    let open = house.create(ticket(vec![source("mine", false, &[])]));
    let open = house.state.ticket(open).unwrap().clone();
    let refused = Command::Import(Box::new(ImportedTicket {
        origin: Origin::Ticket(TicketOrigin {
            host: String::new(),
            ticket: open.id,
            exported_at: Moment(0),
        }),
        ticket: open.clone(),
        locks: vec![],
        heads: vec![],
    }));
    assert_eq!(house.send(refused), Err(Refusal::Active(open.id)));
    let Command::Import(mut imported) = import(there()) else {
        return;
    };
    imported.locks[0].0 = JobId(999);
    assert_eq!(house.send(Command::Import(imported)), Err(Refusal::NoJob(JobId(999))));
}
