//! Moves of links and the PPA pool are read back as they were written.

#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

use preflight_core::pool::{PoolNumber, PoolRepository, PoolState};
use preflight_core::promotion::{LinkMove, LinkName, RepositoryState};
use preflight_core::{Event, Moment, Sequence, Sha256, State, TicketId};
use preflight_store::{Store, StoreError, Written};
use pretty_assertions::assert_eq;

fn at(ticket: u64) -> Option<RepositoryState> {
    Some(RepositoryState {
        ticket: TicketId(ticket),
        generation: Sha256([u8::try_from(ticket).unwrap(); 32]),
    })
}

fn step(link: &str, from: Option<RepositoryState>, to: Option<RepositoryState>, why: Option<&str>) -> Event {
    Event::LinkMoved(LinkMove {
        link: LinkName::new(link).unwrap(),
        from,
        to,
        rollback: why.is_none(),
        by: "jane".into(),
        why: why.map(str::to_owned),
        at: Moment(7),
    })
}

fn pool(number: u32, state: PoolState) -> Event {
    Event::PoolChanged(PoolRepository {
        number: PoolNumber(number),
        state,
        since: Moment(number.into()),
    })
}

#[test]
fn links_and_the_pool_are_read_back() {
    let events = [
        step("tested", None, at(1), Some("it's good")),
        step("current", None, at(2), Some("")),
        step("tested", at(1), at(2), Some("ü")),
        step("tested", at(2), at(1), None),
        step("current", at(2), None, None),
        pool(1, PoolState::Free),
        pool(2, PoolState::Free),
        pool(3, PoolState::Dirty),
        pool(1, PoolState::Reserved(TicketId(9))),
        pool(2, PoolState::Cleaning),
        pool(4, PoolState::Free),
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
    assert_eq!(state.links().count(), 2);

    let database = rusqlite::Connection::open(&path).unwrap();
    assert!(
        database
            .execute("UPDATE pool SET ticket = 9 WHERE number = 2", [])
            .is_err(),
        "what is nobody's has no ticket"
    );
    for (break_it, mend_it) in [
        (
            "UPDATE link_moves SET link = '../x' WHERE id = 1",
            "UPDATE link_moves SET link = 'tested' WHERE id = 1",
        ),
        (
            "UPDATE pool SET state = 'lost' WHERE number = 2",
            "UPDATE pool SET state = 'free' WHERE number = 2",
        ),
    ] {
        database.execute(break_it, []).unwrap();
        assert!(
            matches!(Store::open(&path), Err(StoreError::Nonsense { .. })),
            "{break_it}"
        );
        database.execute(mend_it, []).unwrap();
    }
}
