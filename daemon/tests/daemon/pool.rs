//! The PPA pool over the socket: what a ticket's end gives back is emptied, whatever became of the daemon meanwhile.

use preflight_protocol::client::ClientError;
use preflight_protocol::error::ErrorCode;
use preflight_protocol::event::EventKind;
use preflight_protocol::method::*;
use preflight_protocol::pool::PoolState;
use preflight_protocol::repository::RepositoryState;
use preflightd::testing::Step;

use crate::support::{Client, House, within};

async fn pool(client: &Client) -> Vec<(String, PoolState)> {
    let pool = within(client.connection.request(&PoolList {})).await.unwrap();
    pool.into_iter()
        .map(|repository| (repository.name, repository.state))
        .collect()
}

/// A ticket that wants a repository.
async fn wanting(house: &House, client: &Client) -> TicketCreated {
    let request = TicketCreate {
        sources: vec![house.source("hello.dsc", false)],
        pool: true,
        ..TicketCreate::default()
    };
    within(client.connection.request(&request)).await.unwrap()
}

/// Whether its owner was told that it has to wait for one.
fn waits(made: &TicketCreated) -> bool {
    made.warnings.iter().any(|warning| warning.contains("PPA pool"))
}

/// The same with a file in the repository that it gets.
async fn holder(house: &House, client: &Client, number: u8) -> preflight_protocol::ids::TicketId {
    let made = wanting(house, client).await;
    assert!(!waits(&made), "{:?}", made.warnings);
    let folder = house.folders().state.join(format!("pool/0{number}/pool"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("hello.deb"), "").unwrap();
    made.id
}

async fn until_free(client: &mut Client, name: &str) {
    let free = |kind: &EventKind| matches!(kind, EventKind::PoolChanged(repository) if repository.name == name && repository.state == PoolState::Free);
    client.until("a clean repository", free).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_ticket_gives_back_is_emptied_before_the_next_gets_it() {
    let house = House::new(|_, _| vec![Step::Wait("never")]);
    let _daemon = house.start().await;
    let mut client = house.client().await;
    let wanting = TicketCreate {
        sources: vec![house.source("hello.dsc", false)],
        pool: true,
        ..TicketCreate::default()
    };
    match within(client.connection.request(&wanting)).await {
        Err(ClientError::Rpc(error)) => {
            assert_eq!(error.code, ErrorCode::Conflict);
            assert!(error.hint().is_some_and(|hint| hint.contains("pool grow")), "{error:?}");
        }
        other => panic!("{other:?}"),
    }
    let grown = within(client.connection.request(&PoolGrow { by: 2 })).await.unwrap();
    assert_eq!(grown.len(), 2);
    let ids = [holder(&house, &client, 1).await, holder(&house, &client, 2).await];
    let names = ["pool/01", "pool/02"].map(str::to_owned);
    assert_eq!(
        pool(&client).await,
        names.clone().map(|name| (name, PoolState::Reserved))
    );

    // From here on: they were free before.
    client.subscribe(None).await;
    for id in ids {
        within(client.connection.request(&TicketCancel { id })).await.unwrap();
    }
    for name in &names {
        until_free(&mut client, name).await;
    }
    assert_eq!(pool(&client).await, names.map(|name| (name, PoolState::Free)));
    assert_eq!(
        std::fs::read_dir(house.folders().state.join("pool")).unwrap().count(),
        0
    );

    for (name, code) in [
        ("pool/09", ErrorCode::NotFound),
        ("../x", ErrorCode::InvalidParams),
        ("1", ErrorCode::Conflict),
    ] {
        let request = PoolRelease { name: name.into() };
        match within(client.connection.request(&request)).await {
            Err(ClientError::Rpc(error)) => assert_eq!(error.code, code, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_daemons_cleaning_is_done_by_the_next() {
    let house = House::new(|_, _| vec![Step::Wait("never")]);
    let daemon = house.start().await;
    let client = house.client().await;
    within(client.connection.request(&PoolGrow { by: 1 })).await.unwrap();
    holder(&house, &client, 1).await;
    drop((client, daemon));
    // As the daemon leaves it that has stored that it begins, and dies.
    let database = rusqlite::Connection::open(house.folders().state.join("preflight.db")).unwrap();
    database
        .execute("UPDATE pool SET state = 'cleaning', ticket = NULL", [])
        .unwrap();
    drop(database);

    let _daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    // It may be clean already; then no event comes.
    if pool(&client).await != [("pool/01".to_owned(), PoolState::Free)] {
        until_free(&mut client, "pool/01").await;
    }
    assert!(!house.folders().state.join("pool/01").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_one_holds_it_after_a_restart_and_who_waits_waits_on() {
    let house = House::new(|_, _| vec![Step::Wait("never")]);
    let daemon = house.start().await;
    let client = house.client().await;
    within(client.connection.request(&PoolGrow { by: 1 })).await.unwrap();
    let first = holder(&house, &client, 1).await;
    let second = wanting(&house, &client).await;
    assert!(waits(&second), "{:?}", second.warnings);
    drop((client, daemon));

    let _daemon = house.start().await;
    let client = house.client().await;
    let holder = async || within(client.connection.request(&PoolList {})).await.unwrap()[0].ticket;
    assert_eq!(holder().await, Some(first));
    for (ticket, name, told) in [
        (first, "pool/01", "pool/01 is empty"),
        (second.id, "pool/01", "does not hold pool/01"),
        (first, "pool/02", "does not hold pool/02"),
        (first, "../x", "names no repository"),
    ] {
        let state = RepositoryState {
            ticket,
            generation: None,
            pool: Some(name.into()),
        };
        match within(client.connection.request(&RepositoryShow { state })).await {
            Err(ClientError::Rpc(error)) => assert!(error.message.contains(told), "{error:?}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    let waits = client.show(second.id).await;
    assert_eq!(
        waits.summary.status,
        preflight_protocol::ticket::TicketStatus::Queued,
        "{waits:#?}"
    );
}
