//! Testbeds that are lent to clients: who has one, what others may do in it, and that it goes back whatever happens.

use std::time::Duration;

use preflight_protocol::client::{ClientError, Connection, Notification};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids::Series;
use preflight_protocol::method::{Method, TestbedClose, TestbedOpen, TestbedReboot, TestbedRevert};
use preflight_protocol::shell::connection::{self, OpenConnection};
use preflight_protocol::shell::frame::{Exit, ToClient};
use preflight_protocol::shell::{ShellOpen, ShellTarget};
use preflight_protocol::testbed::{Testbed, TestbedId, TestbedTarget, TestbedVariant};
use preflight_testbed::fake::{Chance, Faults};
use tokio::sync::mpsc::Receiver;

use crate::client::within;
use crate::guest::Play;
use crate::lab::{Lab, Scenario};
use crate::machines::real_time;
use crate::stage::Stage;

struct Borrower {
    connection: Connection,
    told: Receiver<Notification>,
}

impl Borrower {
    async fn of(lab: &Lab) -> Self {
        let socket = lab.folders().socket().unwrap();
        let (connection, told) = within(Connection::open(&socket, "test")).await.unwrap();
        Self { connection, told }
    }

    async fn ask<M: Method>(&self, request: &M) -> Result<M::Answer, RpcError> {
        match within(self.connection.request(request)).await {
            Ok(answer) => Ok(answer),
            Err(ClientError::Rpc(error)) => Err(error),
            Err(error) => panic!("{error}"),
        }
    }

    async fn open(&self) -> Testbed {
        self.ask(&wanted()).await.unwrap()
    }

    /// Waits until the daemon says what it waits for.
    async fn until_told(&mut self, words: &str) {
        loop {
            if let Notification::Testbed(progress) = within(self.told.recv()).await.unwrap()
                && progress.phase.contains(words)
            {
                return;
            }
        }
    }
}

fn wanted() -> TestbedOpen {
    TestbedOpen {
        target: TestbedTarget::Named(Series("debian-bookworm".into())),
        variant: TestbedVariant::Test,
    }
}

async fn run(lab: &Lab, testbed: &TestbedId, command: &[&str]) -> Result<OpenConnection, ClientError> {
    let request = ShellOpen {
        target: ShellTarget::Testbed(testbed.clone()),
        command: Some(command.iter().map(|&word| word.into()).collect()),
        terminal: None,
        env: vec![],
        cwd: None,
        user: None,
    };
    let socket = lab.folders().socket().unwrap();
    within(connection::open(&socket, "test", &request, |_| {})).await
}

/// How a command ends, or why nobody will ever know.
async fn end(mut open: OpenConnection) -> Result<Exit, RpcError> {
    loop {
        match within(open.reader.next()).await.unwrap() {
            ToClient::Exit(exit) => return Ok(exit),
            ToClient::Error(error) => return Err(error),
            ToClient::Stdout(_) | ToClient::Stderr(_) | ToClient::Credit(_) => {}
        }
    }
}

fn refusal(opened: Result<OpenConnection, ClientError>) -> ErrorCode {
    match opened {
        Err(ClientError::Rpc(error)) => error.code,
        other => panic!("{other:?}"),
    }
}

/// A host for one testbed, in whose guests `find` never ends.
fn lab() -> Lab {
    Lab::new(Scenario::scripted(|scene| match scene.stage {
        Stage::List => Play::Hangs(""),
        _ => Play::Usual,
    }))
}

#[tokio::test]
async fn commands_run_in_it_side_by_side_and_it_goes_back_with_its_connection() {
    let lab = lab();
    let daemon = lab.start().await;
    let borrower = Borrower::of(&lab).await;
    let testbed = borrower.open().await;
    assert_eq!(testbed.series.0, "debian-bookworm");
    let lasting = run(&lab, &testbed.id, &["find", "/"]).await.unwrap();
    for _ in 0..2 {
        let short = run(&lab, &testbed.id, &["true"]).await.unwrap();
        assert_eq!(short.opened.machine, testbed.machine);
        assert_eq!(end(short).await, Ok(Exit::Code(0)));
    }
    // What goes back with its connection is not another's to give back.
    let other = Borrower::of(&lab).await;
    let close = TestbedClose {
        testbed: testbed.id.clone(),
    };
    assert_eq!(other.ask(&close).await.unwrap_err().code, ErrorCode::NotFound);
    drop(borrower);
    end(lasting).await.unwrap_err();
    lab.until_nothing_is_left().await;
    assert_eq!(refusal(run(&lab, &testbed.id, &["true"]).await), ErrorCode::NotFound);
    drop(daemon);
}

#[tokio::test]
async fn a_revert_is_another_machine_of_the_same_name() {
    let lab = lab();
    let daemon = lab.start().await;
    let borrower = Borrower::of(&lab).await;
    let first = borrower.open().await;
    let lasting = run(&lab, &first.id, &["find", "/"]).await.unwrap();
    let revert = TestbedRevert {
        testbed: first.id.clone(),
    };
    let second = borrower.ask(&revert).await.unwrap();
    end(lasting).await.unwrap_err();
    assert_eq!(second.id, first.id);
    assert_ne!(second.machine, first.machine);
    let again = run(&lab, &first.id, &["true"]).await.unwrap();
    assert_eq!(again.opened.machine, second.machine);
    assert_eq!(end(again).await, Ok(Exit::Code(0)));
    let close = TestbedClose {
        testbed: first.id.clone(),
    };
    borrower.ask(&close).await.unwrap();
    lab.until_nothing_is_left().await;
    assert_eq!(borrower.ask(&revert).await.unwrap_err().code, ErrorCode::NotFound);
    drop(daemon);
}

#[tokio::test]
async fn a_restart_is_another_machine_with_the_same_lease() {
    let lab = lab();
    let daemon = lab.start().await;
    let borrower = Borrower::of(&lab).await;
    let first = borrower.open().await;
    let reboot = TestbedReboot {
        testbed: first.id.clone(),
        awaited: false,
    };
    let second = borrower.ask(&reboot).await.unwrap();
    assert_eq!(second.id, first.id);
    assert_ne!(second.machine, first.machine);
    let again = run(&lab, &first.id, &["true"]).await.unwrap();
    assert_eq!(end(again).await, Ok(Exit::Code(0)));
    drop(borrower);
    lab.until_nothing_is_left().await;
    drop(daemon);
}

#[tokio::test]
async fn who_finds_no_room_waits_for_it() {
    let lab = lab();
    let daemon = lab.start().await;
    let (first, mut second) = (Borrower::of(&lab).await, Borrower::of(&lab).await);
    first.open().await;
    let waiting = second.connection.clone();
    let opening = tokio::spawn(async move { waiting.request(&wanted()).await });
    second.until_told("waiting for room").await;
    real_time(Duration::from_millis(50)).await;
    assert!(!opening.is_finished());
    drop(first);
    within(opening).await.unwrap().unwrap();
    drop(second);
    lab.until_nothing_is_left().await;
    drop(daemon);
}

#[tokio::test]
async fn one_that_does_not_start_leaves_nothing_and_takes_no_room() {
    let lab = Lab::new(Scenario {
        hypervisor: Faults {
            start_fails: Chance::ALWAYS,
            ..Faults::default()
        },
        ..Scenario::default()
    });
    let daemon = lab.start().await;
    let borrower = Borrower::of(&lab).await;
    for _ in 0..2 {
        assert_eq!(borrower.ask(&wanted()).await.unwrap_err().code, ErrorCode::Host);
    }
    let unknown = TestbedOpen {
        target: TestbedTarget::Named(Series("debian-nowhere".into())),
        variant: TestbedVariant::Test,
    };
    assert_eq!(borrower.ask(&unknown).await.unwrap_err().code, ErrorCode::InvalidParams);
    lab.until_nothing_is_left().await;
    drop(daemon);
}

#[tokio::test]
async fn a_daemon_that_stops_takes_it_back() {
    let lab = lab();
    let daemon = lab.start().await;
    let borrower = Borrower::of(&lab).await;
    let testbed = borrower.open().await;
    let lasting = run(&lab, &testbed.id, &["find", "/"]).await.unwrap();
    daemon.stopper().cancel();
    end(lasting).await.unwrap_err();
    within(daemon.ended()).await.unwrap();
    lab.assert_nothing_is_left().await;
    drop(borrower);
}
