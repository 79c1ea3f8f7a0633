//! Reruns, kept tickets and testbeds, removed tickets.

use std::path::PathBuf;

use preflight_core as core;
use preflight_core::{Ending, JobKind};
use preflight_protocol::client::ClientError;
use preflight_protocol::error::ErrorCode;
use preflight_protocol::event::EventKind;
use preflight_protocol::ids::{Attempt, JobId, TicketId};
use preflight_protocol::job::JobState;
use preflight_protocol::method::*;
use preflight_protocol::result::{Outcome, TestStatus};
use preflight_protocol::ticket::{Ticket, TicketStatus};
use preflightd::services::JobReport;
use preflightd::testing::Step;

use crate::steps::test;
use crate::support::{Client, House, within};

/// Builds, makes an image, and runs a test that passes.
fn house(tests: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) -> House {
    House::new(move |kind, source| match kind {
        JobKind::Image => vec![Step::Report(JobReport::Image(core::ImageRecord {
            id: core::ImageId("ticket-1-ab".into()),
            series: core::Series("debian-bookworm".into()),
            kind: core::ImageKind::Ticket,
            parent: None,
            size: 5,
            created_at: core::Moment(0),
            path: "/images/t".into(),
        }))],
        JobKind::Test => tests(source.unwrap_or_default()),
        _ => vec![],
    })
}

async fn refused<M: Method>(client: &Client, request: &M) -> ErrorCode {
    match within(client.connection.request(request)).await {
        Err(ClientError::Rpc(error)) => error.code,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("{} is not refused", M::NAME),
    }
}

async fn checked(house: &House, client: &mut Client) -> Ticket {
    client.subscribe(None).await;
    let id = client.create(vec![house.source("hello.dsc", false)]).await.id;
    client.until_ended(id).await
}

async fn until_job_ended(client: &mut Client, id: JobId) {
    let ended =
        |kind: &EventKind| matches!(kind, EventKind::JobChanged(job) if job.id == id && job.finished_at.is_some());
    client.until("the job's end", ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_run_once_more_and_the_ticket_stays_as_it_is() {
    let house = house(|source| vec![test(source, "upstream", core::TestStatus::Pass)]);
    let _daemon = house.start().await;
    let mut client = house.client().await;
    let before = checked(&house, &mut client).await;
    assert_eq!(before.summary.status, TicketStatus::Complete);
    let rerun = |with: Option<PathBuf>| TicketRerun {
        ticket: before.summary.id,
        test: "upstream".into(),
        with,
    };
    let plain = within(client.connection.request(&rerun(None))).await.unwrap();
    assert_eq!((plain.job, plain.attempt), (JobId(4), Attempt(1)));
    until_job_ended(&mut client, plain.job).await;
    let tree = house.source("hello", true);
    let dirty = within(client.connection.request(&rerun(Some(tree)))).await.unwrap();
    until_job_ended(&mut client, dirty.job).await;

    let order = house.executor.started().pop().unwrap();
    let given = order.rerun.unwrap();
    assert_eq!((given.test.as_str(), given.dirty), ("upstream", true));
    let staged = order.folder.root().join(given.staged.unwrap());
    assert_eq!(std::fs::read(staged.join("debian/control")).unwrap(), b"hello");
    assert_eq!(order.priority, core::Priority::Interactive);

    let after = client.show(before.summary.id).await;
    assert_eq!(after.summary, before.summary, "counts, status, times: all as it was");
    let results: Vec<(u64, bool)> = after.tests.iter().map(|test| (test.job.0, test.dirty)).collect();
    assert_eq!(results, [(3, false), (4, false), (5, true)]);
    let reruns: Vec<Option<bool>> = after.jobs.iter().map(|job| Some(job.rerun.as_ref()?.dirty)).collect();
    assert_eq!(reruns, [None, None, None, Some(false), Some(true)]);
    let ticket = before.summary.id;
    let streams = within(client.connection.request(&ResultStream { ticket }))
        .await
        .unwrap();
    assert_eq!(streams.len(), 1, "the streams that count");

    for (test, with, code) in [
        ("other/upstream", None, ErrorCode::NotFound),
        ("upstream", Some(PathBuf::from("relative")), ErrorCode::InvalidParams),
        ("upstream", Some(PathBuf::from("/nowhere")), ErrorCode::InvalidParams),
        (
            "world/upstream",
            Some(house.source("hello", true)),
            ErrorCode::InvalidParams,
        ),
    ] {
        let request = TicketRerun {
            ticket,
            test: test.into(),
            with,
        };
        assert_eq!(refused(&client, &request).await, code, "{request:?}");
    }
    let staging = house.folders().state.join("tickets/staging");
    assert_eq!(
        std::fs::read_dir(staging).unwrap().count(),
        0,
        "nothing is left of what is refused"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rerun_is_cancelled_with_its_ticket_and_outlives_its_daemon() {
    let house = house(|source| match source {
        "hello" => vec![Step::Wait("go on"), test(source, "upstream", core::TestStatus::Pass)],
        _ => vec![],
    });
    house.executor.gates.open("go on");
    let daemon = house.start().await;
    let mut client = house.client().await;
    let before = checked(&house, &mut client).await;
    let id = before.summary.id;
    drop(daemon);
    while within(client.notifications.recv()).await.is_some() {}

    // The same tickets, with tests that wait.
    let house = house.again(|_, _| vec![Step::Wait("never")]);
    let daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    let request = TicketRerun {
        ticket: id,
        test: "upstream".into(),
        with: None,
    };
    let job = within(client.connection.request(&request)).await.unwrap().job;
    let running = |kind: &EventKind| matches!(kind, EventKind::JobChanged(found) if found.id == job && found.state == JobState::Running);
    client.until("the rerun's start", running).await;
    assert_eq!(
        refused(&client, &TicketRemove { ticket: id }).await,
        ErrorCode::Conflict
    );
    drop(daemon);
    while within(client.notifications.recv()).await.is_some() {}

    let _daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    while client.show(id).await.jobs[3].attempts.len() < 2 {
        client.event().await.unwrap();
    }
    within(client.connection.request(&TicketCancel { id })).await.unwrap();
    until_job_ended(&mut client, job).await;
    let after = client.show(id).await;
    assert_eq!(after.summary, before.summary);
    let rerun = &after.jobs[3];
    assert_eq!(
        (rerun.state, rerun.outcome),
        (JobState::Cancelled, Some(Outcome::Cancelled))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failures_testbed_is_kept_until_it_is_forgotten() {
    let house = house(|source| {
        vec![
            test(source, "upstream", core::TestStatus::Fail),
            Step::Report(JobReport::Kept { bytes: 1 << 20 }),
            Step::Report(JobReport::Finished(Ending::new(core::Outcome::Fail, None))),
        ]
    });
    let daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    let request = TicketCreate {
        sources: vec![house.source("a.dsc", false), house.source("b.dsc", false)],
        ..TicketCreate::default()
    };
    let id = within(client.connection.request(&request)).await.unwrap().id;
    let ticket = client.until_ended(id).await;
    let kept = |ticket: &Ticket| -> Vec<(u64, u64)> {
        let records = ticket
            .jobs
            .iter()
            .flat_map(|job| job.attempts.iter().map(|record| (job.id.0, record.kept)));
        records.filter_map(|(job, kept)| Some((job, kept?))).collect()
    };
    assert_eq!(kept(&ticket), [(5, 1 << 20)], "the newest failure's");

    // What a dying daemon may leave behind, beside what is kept.
    let folder = house.folders().state.join(format!("tickets/{id}"));
    for name in ["kept/4-1", "kept/5-1", "reruns/9"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    drop(daemon);
    while within(client.notifications.recv()).await.is_some() {}
    let daemon = house.start().await;
    let left: Vec<bool> = ["kept/4-1", "kept/5-1", "reruns/9"]
        .map(|name| folder.join(name).exists())
        .into();
    assert_eq!(left, [false, true, false]);

    let mut client = house.client().await;
    client.subscribe(None).await;
    let forget = core::Command::ForgetKept {
        job: core::JobId(5),
        attempt: core::Attempt(1),
    };
    daemon.handle.command(forget).await.unwrap();
    client
        .until(
            "the testbed's end",
            |kind| matches!(kind, EventKind::JobChanged(job) if job.id == JobId(5)),
        )
        .await;
    assert_eq!(kept(&client.show(id).await), []);
    daemon.stopper().cancel();
    within(daemon.ended()).await.unwrap();
    // It is removed in the background, at the latest by the next daemon.
    let _daemon = house.start().await;
    assert!(!folder.join("kept/5-1").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_ticket_is_gone_with_its_folder_and_its_number() {
    let house = house(|source| vec![test(source, "upstream", core::TestStatus::Pass)]);
    let daemon = house.start().await;
    let mut client = house.client().await;
    let ticket = checked(&house, &mut client).await;
    let id = ticket.summary.id;
    let keep = |keep: bool| TicketUpdate {
        id,
        keep: Some(keep),
        ..TicketUpdate::default()
    };
    let summary = within(client.connection.request(&keep(true))).await.unwrap();
    assert!(summary.kept);
    assert_eq!(
        refused(&client, &TicketRemove { ticket: id }).await,
        ErrorCode::Conflict
    );
    within(client.connection.request(&keep(false))).await.unwrap();
    within(client.connection.request(&TicketRemove { ticket: id }))
        .await
        .unwrap();
    let removed = client
        .until("its removal", |kind| *kind == EventKind::TicketRemoved { id })
        .await;
    assert_eq!(removed.ticket, Some(id));
    assert_eq!(refused(&client, &TicketShow { id }).await, ErrorCode::NotFound);
    assert_eq!(
        refused(&client, &TicketRemove { ticket: id }).await,
        ErrorCode::NotFound
    );
    daemon.stopper().cancel();
    within(daemon.ended()).await.unwrap();

    let _daemon = house.start().await;
    assert!(!house.folders().state.join("tickets/1").exists());
    let mut client = house.client().await;
    assert!(client.subscribe(None).await.tickets.is_empty());
    let next = client.create(vec![house.source("hello.dsc", false)]).await.id;
    assert_eq!(next, TicketId(2));
    let ticket = client.until_ended(next).await;
    assert_eq!(
        (ticket.jobs[0].id, ticket.tests[0].status),
        (JobId(4), TestStatus::Pass)
    );
}
