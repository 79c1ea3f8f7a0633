//! Ends that nobody wants: panics, death, full disks; and the one that is asked for.

use preflight_core::JobKind;
use preflight_protocol::client::Connection;
use preflight_protocol::event::EventKind;
use preflight_protocol::job::JobState;
use preflight_protocol::method::*;
use preflight_protocol::result::Outcome;
use preflightd::bootstrap::{DaemonError, Home};
use preflightd::folders::FolderError;
use preflightd::testing::Step;

use crate::support::{House, within};

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_panics_is_a_broken_testbed() {
    let house = House::new(|kind, _| {
        if kind == JobKind::Build {
            vec![Step::Panic]
        } else {
            vec![]
        }
    });
    let _daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    let created = client.create(vec![house.source("a.dsc", false)]).await;
    let ticket = client.until_ended(created.id).await;
    assert_eq!(
        (ticket.summary.exit_code, ticket.summary.outcome),
        (Some(16), Some(Outcome::TestbedBroken))
    );
    assert!(ticket.jobs[0].reason.as_deref().unwrap().contains("without a result"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemons_attempt_is_followed_by_the_next() {
    let house = House::new(|kind, _| {
        if kind == JobKind::Build {
            vec![Step::Wait("second daemon")]
        } else {
            vec![]
        }
    });
    let daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    let id = client.create(vec![house.source("a.dsc", false)]).await.id;
    let started = |kind: &EventKind| matches!(kind, EventKind::JobChanged(job) if job.state == JobState::Running);
    client.until("the build's start", started).await;
    // What a dying daemon may leave behind.
    let tickets = house.folders().state.join("tickets");
    std::fs::create_dir_all(tickets.join("2/sources")).unwrap();
    std::fs::create_dir_all(tickets.join("staging/intake-x")).unwrap();
    drop(daemon);
    while within(client.notifications.recv()).await.is_some() {}

    house.executor.gates.open("second daemon");
    let daemon = house.start().await;
    assert!(!tickets.join("2").exists() && !tickets.join("staging").exists());
    let mut client = house.client().await;
    let snapshot = client.subscribe(Some(id)).await;
    let mut ticket = *snapshot.ticket.unwrap();
    if !ticket.summary.status.is_final() {
        ticket = client.until_ended(id).await;
    }
    assert_eq!(house.executor.reconciled(), 2);
    assert_eq!(ticket.summary.exit_code, Some(0));
    let attempts = &ticket.jobs[0].attempts;
    assert_eq!(
        (attempts.len(), attempts[0].outcome, attempts[1].outcome),
        (2, None, Some(Outcome::Pass))
    );
    assert_eq!(attempts[0].reason.as_deref(), Some("interrupted by the daemon's death"));
    assert_eq!(attempts[1].log.0, "1-build-a.2.log");
    assert_eq!(
        house.executor.started().len(),
        4,
        "nothing runs twice under one attempt"
    );

    daemon.stopper().cancel();
    within(daemon.ended()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_interrupts_what_runs() {
    let house = House::new(|kind, _| {
        if kind == JobKind::Build {
            vec![Step::Wait("later")]
        } else {
            vec![]
        }
    });
    let daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    let id = client.create(vec![house.source("a.dsc", false)]).await.id;
    let started = |kind: &EventKind| matches!(kind, EventKind::JobChanged(job) if job.state == JobState::Running);
    client.until("the build's start", started).await;
    within(client.connection.request(&Stop {})).await.unwrap();
    within(daemon.ended()).await.unwrap();

    let _daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    house.executor.gates.open("later");
    let ticket = client.until_ended(id).await;
    let attempts = &ticket.jobs[0].attempts;
    assert_eq!(attempts[0].reason.as_deref(), Some("interrupted by the daemon's stop"));
    assert_eq!((attempts[0].outcome, attempts[1].outcome), (None, Some(Outcome::Pass)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_is_refused() {
    let house = House::new(|_, _| vec![]);
    let daemon = house.start().await;
    let refused = Home::enter(house.folders()).map(|_| ()).unwrap_err();
    assert!(
        matches!(refused, DaemonError::Folder(FolderError::Locked { .. })),
        "{refused}"
    );
    let first = house.client().await.connection.daemon().instance.clone();
    drop(daemon);
    let _daemon = house.start().await;
    let second = Connection::open(&house.folders().socket().unwrap(), "test")
        .await
        .unwrap()
        .0;
    assert_ne!(first, second.daemon().instance);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_told_to_nobody_and_ends_the_daemon() {
    let house = House::new(|_, _| vec![]);
    let daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    let database = rusqlite::Connection::open(house.folders().state.join("preflight.db")).unwrap();
    database.execute_batch("DROP TABLE packages").unwrap();
    let request = TicketCreate {
        sources: vec![house.source("a.dsc", false)],
        add_packages: vec!["strace".into()],
        ..TicketCreate::default()
    };
    assert!(within(client.connection.request(&request)).await.is_err());
    assert_eq!(client.event().await, None);
    let error = within(daemon.ended()).await.unwrap_err();
    assert!(
        matches!(&error, DaemonError::Store(_)) && error.to_string().contains("packages"),
        "{error}"
    );
}
