//! The list of PPAs is read back as it was written, whatever their names and keys hold.

#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

use preflight_core::ppa::{PpaDefinition, PpaLabels, PpaRecord, PpaState};
use preflight_core::{Event, Moment, Sequence, Series, Sha256, State};
use preflight_store::{Store, StoreError, Written};
use pretty_assertions::assert_eq;

fn state(digest: u8) -> PpaState {
    PpaState {
        state: Sha256([digest; 32]),
        suite: "noble".into(),
        date: (digest > 1).then_some(Moment(i64::from(digest))),
        labels: PpaLabels {
            origin: "LP-PPA-jane-tools".into(),
            label: "it's Jane's".into(),
            suite: String::new(),
            codename: "ü".into(),
        },
        packages: 500_000,
        refreshed_at: Moment(7),
    }
}

fn added(name: &str, lists: &[&str], private: bool) -> Event {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Event::PpaAdded(Box::new(PpaRecord {
        definition: PpaDefinition {
            name: name.parse().unwrap(),
            uri: "https://ppa.example/it".into(),
            suite: "{series}".into(),
            components: list(lists),
            architectures: list(lists),
            keys: "-----BEGIN PGP\n\nmQ==\n-----END\n".into(),
            fingerprints: list(&["AB", "CD"]),
            priority: private.then_some(-7),
            packages: list(lists),
            private,
        },
        added_at: Moment(3),
        states: [(Series("ubuntu-noble".into()), state(1))].into(),
    }))
}

fn refreshed(name: &str, series: &str, digest: u8) -> Event {
    Event::PpaRefreshed {
        name: name.parse().unwrap(),
        series: Series(series.into()),
        state: state(digest),
    }
}

#[test]
fn ppas_are_read_back() {
    let removed = || Event::PpaRemoved {
        name: "joe/tools".parse().unwrap(),
    };
    let events = [
        added("jane/tools", &["main", "universe"], true),
        added("joe/tools", &[], false),
        refreshed("joe/tools", "ubuntu-noble", 2),
        refreshed("jane/tools", "ubuntu-noble", 3),
        refreshed("jane/tools", "debian-sid", 4),
        removed(),
        added("joe/tools", &["one"], false),
        added("lib+a", &[], false),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("preflight.db");
    let mut state = State::default();
    events.iter().for_each(|event| state.apply(event));
    let written = events.into_iter().zip(1..).map(|(event, seq)| Written {
        seq: Sequence(seq),
        at: Moment(7),
        event,
        kind: "kind".into(),
        json: "{}".into(),
    });
    {
        let (store, _) = Store::open(&path).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(store.commit(written.collect())).unwrap();
    }
    let (_, loaded) = Store::open(&path).unwrap();
    assert_eq!(loaded.state, state);
    assert_eq!(state.ppas().count(), 3);

    let database = rusqlite::Connection::open(&path).unwrap();
    for (break_it, mend_it) in [
        (
            "UPDATE ppa_states SET state = 'x' WHERE ppa = 'lib+a'",
            "UPDATE ppa_states SET state = (SELECT state FROM ppa_states WHERE ppa = 'joe/tools') WHERE ppa = 'lib+a'",
        ),
        (
            "PRAGMA foreign_keys = off; UPDATE ppas SET name = '../x' WHERE name = 'lib+a'",
            "UPDATE ppas SET name = 'lib+a' WHERE name = '../x'",
        ),
    ] {
        database.execute_batch(break_it).unwrap();
        assert!(
            matches!(Store::open(&path), Err(StoreError::Nonsense { .. })),
            "{break_it}"
        );
        database.execute_batch(mend_it).unwrap();
    }
}
