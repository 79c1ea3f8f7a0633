//! What is written is read back; a newer database is refused; a writer may be killed at any moment.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use preflight_core::{Event, JobId, LockEntry, Options, Sequence, Sha256, TicketId};
use preflight_store::{Store, StoreError};
use pretty_assertions::assert_eq;
use proptest::prelude::*;

#[expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]
mod support;
use support::History;

/// Where the child of the test of killing writes; unset in the parent.
const CHILD: &str = "PREFLIGHT_TEST_STORE";

#[expect(clippy::expect_used, reason = "what fails in a test's helper fails the test")]
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_written_is_read_back(seed in any::<u64>(), steps in 1usize..400) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("preflight.db");
        let mut history = History::new(seed);
        {
            let (store, loaded) = Store::open(&path).unwrap();
            prop_assert_eq!(&loaded.state, &history.state);
            block_on(async {
                let mut events = vec![];
                for _ in 0..steps {
                    events.extend(history.step());
                }
                store.commit(events).await.unwrap();
            });
        }
        let (_store, loaded) = Store::open(&path).unwrap();
        assert_eq!(&loaded.state, &history.state);
        prop_assert_eq!(loaded.seq, history.seq);
    }
}

#[test]
fn every_kind_of_event_occurs_in_a_history() {
    let mut history = History::new(7);
    let mut kinds = BTreeSet::new();
    for _ in 0..4000 {
        for written in history.step() {
            let text = format!("{:?}", written.event);
            let name = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            kinds.insert(name.to_owned());
        }
    }
    let expected = [
        "ArtifactStored",
        "AttemptEnded",
        "AttemptInterrupted",
        "FindingRecorded",
        "FilesForgotten",
        "ImageAdded",
        "ImageRemoved",
        "JobAdded",
        "JobCancelled",
        "JobSkipped",
        "JobStarted",
        "LockHeadRecorded",
        "LockRecorded",
        "QueuePlaced",
        "TestRecorded",
        "TestbedForgotten",
        "TestbedKept",
        "TicketAdvanced",
        "TicketCreated",
        "TicketEdited",
        "TicketEnded",
        "TicketImported",
        "TicketQueued",
        "TicketRemoved",
        "WarningRaised",
    ];
    assert_eq!(kinds, expected.map(str::to_owned).into());
}

#[test]
fn a_database_of_the_first_version_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("preflight.db");
    let first = rusqlite::Connection::open(&path).unwrap();
    first.execute_batch(include_str!("../src/schema/001.sql")).unwrap();
    first
        .execute_batch(
            "INSERT INTO tickets (id, title, description, owner, series, offline, step, status, created_at)
             VALUES (4, 't', '', 'o', 's', 0, 200, 'running', 1);
             INSERT INTO jobs (id, ticket, kind, state) VALUES (9, 4, 'image', 'running');
             INSERT INTO attempts (job, attempt, started_at, log) VALUES (9, 1, 5, '9-image.1.log');
             PRAGMA user_version = 1;",
        )
        .unwrap();
    drop(first);
    let (_store, loaded) = Store::open(&path).unwrap();
    let ticket = loaded.state.ticket(TicketId(4)).unwrap();
    assert_eq!(ticket.options, Options::default());
    assert!(!ticket.kept && ticket.is_active());
    let job = &ticket.jobs[0];
    let record = &job.attempts[0];
    assert_eq!((&job.rerun, record.kept, record.unresponsive), (&None, None, false));
    assert_eq!(
        (loaded.state.numbers().ticket, loaded.state.numbers().job),
        (TicketId(4), JobId(9))
    );
}

#[test]
fn a_lock_is_that_of_the_newest_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(&folder.path().join("preflight.db")).unwrap();
    let mut history = History::new(11);
    let mut expected: Vec<LockEntry> = vec![];
    block_on(async {
        let mut recorded = 0;
        while recorded < 20 {
            let events = history.step();
            let last = events.iter().find_map(|written| match &written.event {
                Event::LockRecorded {
                    ticket, job, entries, ..
                } => Some((*ticket, *job, entries.clone())),
                _ => None,
            });
            store.commit(events).await.unwrap();
            if let Some((ticket, job, entries)) = last {
                recorded += 1;
                let locks = store.locks(ticket).await.unwrap();
                let found = locks
                    .into_iter()
                    .find(|(other, _)| *other == job)
                    .map(|(_, entries)| entries);
                assert_eq!(found.unwrap_or_default(), entries);
                expected = entries;
            }
        }
        assert!(expected.iter().all(|entry| entry.sha256 == Sha256([1; 32])));
        assert!(store.locks(TicketId(999)).await.unwrap().is_empty());
    });
}

#[test]
fn a_database_of_a_newer_daemon_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("preflight.db");
    drop(Store::open(&path).unwrap());
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("preflight.db") && message.contains("99"), "{message}");
}

#[test]
fn a_commit_is_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("preflight.db");
    let mut history = History::new(3);
    let first = history.step();
    let (state, seq) = (history.state.clone(), history.seq);
    let mut broken = history.step();
    // The same place in the sequence twice: the database itself forbids it.
    broken.push(broken[0].clone());
    let (store, _) = Store::open(&path).unwrap();
    block_on(async {
        store.commit(first).await.unwrap();
        assert!(store.commit(broken).await.is_err());
    });
    drop(store);
    let (_store, loaded) = Store::open(&path).unwrap();
    assert_eq!((loaded.state, loaded.seq), (state, seq));
}

/// Not a test of its own: what the test below kills.
#[test]
fn writer_to_be_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let (store, loaded) = Store::open(Path::new(&path)).unwrap();
    let mut history = History::new(5);
    while history.seq < loaded.seq {
        history.step();
    }
    block_on(async {
        loop {
            store.commit(history.step()).await.unwrap();
            println!("acknowledged {}", history.seq);
        }
    });
}

#[test]
fn a_writer_may_be_killed_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("preflight.db");
    let mut history = History::new(5);
    for lines in [1, 2, 40, 7, 100] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer_to_be_killed", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let acknowledged = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| Some(Sequence(line.split_once("acknowledged ")?.1.trim().parse().ok()?)))
            .nth(lines)
            .expect("the child writes");
        child.kill().unwrap();
        child.wait().unwrap();

        let (_store, loaded) = Store::open(&path).unwrap();
        assert!(
            loaded.seq >= acknowledged,
            "{} is lost, {} is there",
            acknowledged,
            loaded.seq
        );
        while history.seq < loaded.seq {
            history.step();
        }
        assert_eq!(history.seq, loaded.seq, "no command is stored by half");
        assert_eq!(history.state, loaded.state);
    }
}
