//! The life of tickets: how they end, wait and are cancelled.

use std::time::{Duration, Instant};

use preflight_core as core;
use preflight_core::JobKind;
use preflight_protocol::client::ClientError;
use preflight_protocol::error::ErrorCode;
use preflight_protocol::event::EventKind;
use preflight_protocol::ids::{Attempt, ImageId, JobId, Sequence, TicketId};
use preflight_protocol::job::JobState;
use preflight_protocol::log::LogName;
use preflight_protocol::method::*;
use preflight_protocol::result::{Outcome, TestStatus};
use preflight_protocol::ticket::{TicketStatus, WorkflowStep};
use preflight_store::LogStream;
use preflightd::services::JobReport;
use preflightd::testing::Step;

use crate::steps::{artifact, failing, test};
use crate::support::{House, within};

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_ticket() {
    let house = House::new(|kind, source| match kind {
        JobKind::Source => vec![Step::Write(LogStream::Preflight, b"packing\n".to_vec())],
        JobKind::Build => vec![
            Step::Write(LogStream::Stdout, b"dpkg-buildpackage: info\n\x1b[31mred\n".to_vec()),
            artifact("hello_1.0-1_all.deb"),
            Step::Report(JobReport::Lock(vec![core::LockEntry {
                url: "http://mirror.example/pool/d/debhelper.deb".into(),
                sha256: core::Sha256([1; 32]),
                size: 3,
                origin: None,
            }])),
        ],
        JobKind::Image => vec![Step::Report(JobReport::Image(core::ImageRecord {
            id: core::ImageId("ticket-1-ab".into()),
            series: core::Series("debian-bookworm".into()),
            kind: core::ImageKind::Ticket,
            parent: None,
            size: 5,
            created_at: core::Moment(0),
            path: "/images/t".into(),
        }))],
        JobKind::Test => {
            let source = source.unwrap_or_default();
            vec![
                test(source, "command1", core::TestStatus::Pass),
                test(source, "upstream", core::TestStatus::Pass),
            ]
        }
        JobKind::Snapshot | JobKind::BaseImage | JobKind::Prefetch => vec![],
    });
    let daemon = house.start().await;
    let mut client = house.client().await;
    let snapshot = client.subscribe(None).await;
    assert_eq!((snapshot.seq, snapshot.tickets.len()), (Sequence(0), 0));
    assert_eq!(snapshot.daemon.hypervisor, "script");

    let created = client.create(vec![house.source("hello", true)]).await;
    assert_eq!(
        (created.id, created.warnings),
        (TicketId(1), vec!["nothing is signed".to_owned()])
    );
    let ticket = client.until_ended(created.id).await;
    let summary = &ticket.summary;
    assert_eq!(
        (summary.workflow_step, summary.status),
        (WorkflowStep::Complete, TicketStatus::Complete)
    );
    assert_eq!(
        (summary.exit_code, summary.outcome, &summary.reason),
        (Some(0), Some(Outcome::Pass), &None)
    );
    assert_eq!((summary.title.as_str(), summary.test_counts.pass), ("hello 1.0-1", 2));
    assert_eq!(ticket.tests[0].status, TestStatus::Pass);
    assert_eq!(
        (ticket.artifacts[0].name.as_str(), ticket.artifacts[0].job),
        ("hello_1.0-1_all.deb", JobId(2))
    );
    assert_eq!(ticket.artifacts[0].sha256.0, "ab".repeat(32));
    assert_eq!(ticket.image, Some(ImageId("ticket-1-ab".into())));
    let states: Vec<_> = ticket.jobs.iter().map(|job| (job.state, job.attempt)).collect();
    assert_eq!(states, [(JobState::Passed, Attempt(1)); 4]);

    // Events: none is left out, and each carries its noun as it then was.
    let places: Vec<u64> = client.seen.iter().map(|envelope| envelope.seq.0).collect();
    assert_eq!(places, (1..=places.len() as u64).collect::<Vec<_>>());
    let mut steps: Vec<WorkflowStep> = vec![];
    for envelope in &client.seen {
        if let EventKind::TicketChanged(summary) = &envelope.kind {
            steps.push(summary.workflow_step);
        }
    }
    assert_eq!(
        steps,
        [
            WorkflowStep::PackageBuilding,
            WorkflowStep::ImageBuilding,
            WorkflowStep::ImageTesting,
            WorkflowStep::Complete
        ]
    );

    // Logs, by file and by range.
    let logs = within(client.connection.request(&LogList {
        ticket: created.id,
        job: Some(JobId(2)),
    }))
    .await
    .unwrap();
    assert_eq!(
        (logs.len(), logs[0].name.0.as_str(), logs[0].growing),
        (1, "2-build-hello.1.log", false)
    );
    let bytes = std::fs::read(&logs[0].path).unwrap();
    assert_eq!(
        (bytes.len() as u64, std::fs::metadata(&logs[0].index).unwrap().len()),
        (logs[0].size, 24)
    );
    let range = LogRead {
        ticket: created.id,
        log: logs[0].name.clone(),
        offset: 24,
        length: 4,
    };
    let range = within(client.connection.request(&range)).await.unwrap();
    assert_eq!((range.base64.as_str(), range.size), ("G1szMQ==", bytes.len() as u64));
    let outside = LogRead {
        ticket: created.id,
        log: LogName("../../../etc/passwd".into()),
        offset: 0,
        length: 9,
    };
    let refused = within(client.connection.request(&outside)).await;
    assert!(matches!(refused, Err(ClientError::Rpc(error)) if error.code == ErrorCode::NotFound));
    let locks = within(client.connection.request(&LockShow {
        ticket: created.id,
        job: None,
    }))
    .await
    .unwrap();
    assert_eq!((locks.len(), locks[0].job, locks[0].entries[0].size), (1, JobId(2), 3));
    let streams = within(client.connection.request(&ResultStream { ticket: created.id }))
        .await
        .unwrap();
    assert_eq!((streams.len(), streams[0].job, streams[0].size), (1, JobId(4), 0));

    within(client.connection.request(&Stop {})).await.unwrap();
    within(daemon.ended()).await.unwrap();
    assert!(!house.folders().socket().unwrap().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_build_ends_the_ticket_at_step_999_and_names_its_line() {
    let house = House::new(|kind, source| match (kind, source) {
        (JobKind::Build, Some("broken")) => vec![failing(
            core::Outcome::BadPackage,
            "1-build-broken.1.log",
            "E:\u{1b}[1m no",
        )],
        _ => vec![],
    });
    let _daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    let sources = vec![house.source("broken.dsc", false), house.source("fine.dsc", false)];
    let created = client.create(sources).await;
    let ticket = client.until_ended(created.id).await;
    assert_eq!(ticket.summary.workflow_step, WorkflowStep::Failed);
    assert_eq!(ticket.summary.exit_code, Some(12));
    assert_eq!(ticket.summary.reason.as_deref(), Some("build of broken: it fails"));
    let job = &ticket.jobs[0];
    assert_eq!((job.state, job.outcome), (JobState::Failed, Some(Outcome::BadPackage)));
    let error = job.first_error.as_ref().unwrap();
    assert_eq!(
        (error.log.0.as_str(), error.line, error.text.as_str()),
        ("1-build-broken.1.log", 2, "E:\\u{1b}[1m no")
    );
    assert_eq!(ticket.jobs[1].state, JobState::Passed, "the other source is built");
    assert!(ticket.jobs[2..].iter().all(|job| job.state == JobState::Skipped));
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_wait_until_they_are_queued() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    let request = TicketCreate {
        sources: vec![house.source("a.dsc", false)],
        title: Some("old".into()),
        wait: true,
        ..Default::default()
    };
    let id = within(client.connection.request(&request)).await.unwrap().id;
    assert_eq!(client.show(id).await.summary.status, TicketStatus::Waiting);
    let update = TicketUpdate {
        id,
        title: Some("new".into()),
        queue: true,
        ..Default::default()
    };
    within(client.connection.request(&update)).await.unwrap();
    let ticket = client.until_ended(id).await;
    assert_eq!(
        (ticket.summary.title.as_str(), ticket.summary.exit_code),
        ("new", Some(0))
    );
    assert!(
        house.folders().state.join("tickets/1/sources/a").is_dir(),
        "what was staged is the ticket's"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_a_ticket_at_once_and_its_job_within_3_seconds() {
    let house = House::new(|kind, source| match (kind, source) {
        (JobKind::Build, Some("stubborn")) => vec![Step::Ignore("never")],
        (JobKind::Build, _) => vec![Step::Wait("never")],
        _ => vec![],
    });
    let _daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    for (name, bound) in [
        ("obedient.dsc", Duration::from_secs(2)),
        ("stubborn.dsc", Duration::from_secs(4)),
    ] {
        let running = client.create(vec![house.source(name, false)]).await.id;
        let started = |kind: &EventKind| matches!(kind, EventKind::JobChanged(job) if job.state == JobState::Running && job.ticket == running);
        client.until("the build's start", started).await;
        let waiting = client.create(vec![house.source("next.dsc", false)]).await.id;
        let queued = within(client.connection.request(&TicketCancel { id: waiting }))
            .await
            .unwrap();
        assert_eq!((queued.status, queued.exit_code), (TicketStatus::Cancelled, Some(130)));

        let at = Instant::now();
        let cancelled = within(client.connection.request(&TicketCancel { id: running }))
            .await
            .unwrap();
        assert_eq!(
            (cancelled.status, cancelled.workflow_step),
            (TicketStatus::Cancelled, WorkflowStep::Failed)
        );
        let ended = |kind: &EventKind| matches!(kind, EventKind::JobChanged(job) if job.ticket == running && job.finished_at.is_some());
        client.until("the attempt's end", ended).await;
        assert!(at.elapsed() < bound, "{name} took {:?}", at.elapsed());
        let job = &client.show(running).await.jobs[0];
        assert_eq!(
            (job.state, job.attempts[0].outcome),
            (JobState::Cancelled, Some(Outcome::Cancelled))
        );
        let again = within(client.connection.request(&TicketCancel { id: running })).await;
        assert!(matches!(again, Err(ClientError::Rpc(error)) if error.code == ErrorCode::Conflict));
    }
}
