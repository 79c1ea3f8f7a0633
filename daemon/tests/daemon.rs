//! The daemon with scripted services behind it and real clients before it, over its socket.

use std::time::{Duration, Instant};

use preflight_core as core;
use preflight_core::{Ending, JobKind};
use preflight_protocol::client::{ClientError, Connection, Notification};
use preflight_protocol::error::ErrorCode;
use preflight_protocol::event::EventKind;
use preflight_protocol::ids::{Attempt, ImageId, JobId, Sequence, Series, TicketId};
use preflight_protocol::job::JobState;
use preflight_protocol::log::LogName;
use preflight_protocol::method::*;
use preflight_protocol::result::{Outcome, TestStatus};
use preflight_protocol::ticket::{TicketStatus, WorkflowStep};
use preflight_store::LogStream;
use preflightd::bootstrap::{DaemonError, Home};
use preflightd::folders::FolderError;
use preflightd::services::JobReport;
use preflightd::testing::Step;

#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails in a test's helper fails the test"
)]
mod support;
use support::{House, within};

fn test(source: &str, name: &str, status: core::TestStatus) -> Step {
    Step::Report(JobReport::Test(core::TestResult {
        source: source.into(),
        name: name.into(),
        status,
        reason: (status != core::TestStatus::Pass).then(|| "non-zero exit status 1".into()),
        duration: Duration::from_millis(1200),
        log_line: Some(2),
    }))
}

fn artifact(name: &str) -> Step {
    Step::Report(JobReport::Artifact(core::Artifact {
        name: name.into(),
        sha256: core::Sha256([0xab; 32]),
        size: 7,
        path: format!("/artifacts/{name}").into(),
    }))
}

fn failing(outcome: core::Outcome, log: &str, text: &str) -> Step {
    let log = core::LogName(log.into());
    Step::Report(JobReport::Finished(Ending {
        first_error: Some(core::FirstError {
            log,
            line: 2,
            text: text.into(),
        }),
        ..Ending::new(outcome, Some("it fails".into()))
    }))
}

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
        JobKind::BaseImage => vec![],
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
    let locks = within(client.connection.request(&LockShow { ticket: created.id }))
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
async fn events_have_no_gaps_whenever_one_subscribes() {
    // All tickets together make fewer events than may wait for a slow subscriber: on a busy machine each one is.
    const WARNINGS: usize = 140;
    let house = House::new(|kind, _| match kind {
        JobKind::Build => (0..WARNINGS)
            .map(|n| Step::Report(JobReport::Warning(format!("warning {n}"))))
            .collect(),
        _ => vec![],
    });
    let _daemon = house.start().await;
    let creator = house.client().await;
    let mut followers = vec![];
    let mut last = TicketId(0);
    for number in 0..6 {
        let mut follower = house.client().await;
        let source = house.source(&format!("s{number}.dsc"), false);
        let (snapshot, created) = tokio::join!(follower.subscribe(None), creator.create(vec![source]));
        last = created.id;
        let (send, mut ended) = tokio::sync::oneshot::channel();
        let following = tokio::spawn(async move {
            let mut next = snapshot.seq.0 + 1;
            let mut count = 0;
            let mut finals = snapshot
                .tickets
                .iter()
                .filter(|ticket| ticket.status.is_final())
                .count();
            while finals < 6 {
                let envelope = follower.event().await.unwrap();
                assert_eq!(envelope.seq.0, next, "events after the snapshot have no gaps");
                next += 1;
                count += 1;
                finals += usize::from(matches!(&envelope.kind, EventKind::TicketChanged(t) if t.status.is_final()));
            }
            let _ = send.send(());
            count
        });
        followers.push(following);
        assert!(ended.try_recv().is_err());
    }
    assert_eq!(last, TicketId(6));
    for following in followers {
        assert!(within(following).await.unwrap() > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_does_not_read_is_cut_off_and_holds_up_nobody() {
    let house = House::new(|kind, _| match kind {
        JobKind::Build => (0..6000)
            .map(|n| Step::Report(JobReport::Warning(format!("{n} {}", "x".repeat(500)))))
            .collect(),
        _ => vec![],
    });
    let _daemon = house.start().await;
    let mut slow = house.client().await;
    slow.subscribe(None).await;
    let quick = house.client().await;
    let id = quick.create(vec![house.source("a.dsc", false)]).await.id;
    let mut events = house.client().await;
    let mut ticket = *events.subscribe(Some(id)).await.ticket.unwrap();
    while !ticket.summary.status.is_final() {
        // This one reads, but may be overtaken as well: what counts is that the daemon goes on.
        if events.event().await.is_none() {
            events.subscribe(Some(id)).await;
        }
        ticket = quick.show(id).await;
    }
    assert_eq!(ticket.warnings.len(), 6001);
    // What was queued still comes, then the news that something is missing.
    let mut told = false;
    while let Some(notification) = within(slow.notifications.recv()).await {
        if notification == Notification::Resync {
            told = true;
            break;
        }
    }
    assert!(told);
    let snapshot = slow.subscribe(None).await;
    assert_eq!(snapshot.tickets[0].status, TicketStatus::Complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn beats_tell_of_progress_and_log_sizes() {
    let progress = |phase: &str, fraction| {
        Step::Report(JobReport::Progress {
            phase: phase.into(),
            fraction,
            estimate: Some(Duration::from_secs(60)),
        })
    };
    let house = House::new(move |kind, _| match kind {
        JobKind::Build => vec![
            Step::Write(LogStream::Stdout, vec![b'x'; 10]),
            progress("building", Some(0.5)),
            Step::Wait("seen"),
        ],
        _ => vec![],
    });
    let _daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    let id = client.create(vec![house.source("a.dsc", false)]).await.id;
    let beat = loop {
        match within(client.notifications.recv()).await.unwrap() {
            Notification::Beat(beat) if beat.progress.is_some() => break beat,
            _ => {}
        }
    };
    assert_eq!(
        (beat.ticket, beat.job, beat.log.0.as_str(), beat.log_size),
        (id, JobId(1), "1-build-a.1.log", 10)
    );
    let told = beat.progress.unwrap();
    assert_eq!((told.phase.as_str(), told.fraction), ("building", Some(0.5)));
    assert!((58..=60).contains(&told.estimate_s.unwrap()));
    let ticket = client.show(id).await;
    assert_eq!(ticket.summary.progress.unwrap().phase, "building");
    assert_eq!(ticket.jobs[0].progress.as_ref().unwrap().phase, "building");
    house.executor.gates.open("seen");
    let ticket = client.until_ended(id).await;
    assert_eq!(ticket.jobs[0].progress, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_makes_no_ticket_and_leaves_nothing() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    let client = house.client().await;
    let good = house.source("a.dsc", false);
    for (request, code, part) in [
        (TicketCreate::default(), ErrorCode::InvalidParams, "no source"),
        (
            TicketCreate {
                sources: vec!["a.dsc".into()],
                ..Default::default()
            },
            ErrorCode::InvalidParams,
            "absolute",
        ),
        (
            TicketCreate {
                sources: vec!["/nowhere/a.dsc".into()],
                ..Default::default()
            },
            ErrorCode::InvalidParams,
            "nowhere",
        ),
        (
            TicketCreate {
                sources: vec![good],
                series: Some("beos-r5".into()),
                ..Default::default()
            },
            ErrorCode::InvalidParams,
            "beos-r5",
        ),
    ] {
        match within(client.connection.request(&request)).await {
            Err(ClientError::Rpc(error)) => {
                assert_eq!(error.code, code);
                assert!(error.message.contains(part), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(
        within(client.connection.request(&TicketList::default()))
            .await
            .unwrap()
            .is_empty()
    );
    let staged = house.folders().state.join("tickets/staging");
    assert_eq!(std::fs::read_dir(staged).unwrap().count(), 0);
    let missing = within(client.connection.request(&TicketShow { id: TicketId(7) })).await;
    assert!(
        matches!(missing, Err(ClientError::Rpc(error)) if error.code == ErrorCode::NotFound && error.hint().is_some())
    );
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
async fn images_and_the_host() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    let mut client = house.client().await;
    client.subscribe(None).await;
    let building = ImageBuild {
        series: Series("debian-bookworm".into()),
    };
    let ticket = within(client.connection.request(&building)).await.unwrap().ticket;
    let ticket = client.until_ended(ticket).await;
    assert_eq!(
        (ticket.jobs.len(), ticket.summary.workflow_step),
        (1, WorkflowStep::Complete)
    );
    assert!(
        within(client.connection.request(&ImageList {}))
            .await
            .unwrap()
            .is_empty()
    );
    let none = ImageGet {
        ticket: Some(ticket.summary.id),
        image: None,
        output: "/tmp/x".into(),
    };
    let refused = within(client.connection.request(&none)).await;
    assert!(matches!(refused, Err(ClientError::Rpc(error)) if error.code == ErrorCode::Conflict));
    let unknown = ImageRemove {
        id: ImageId("x".into()),
    };
    let refused = within(client.connection.request(&unknown)).await;
    assert!(matches!(refused, Err(ClientError::Rpc(error)) if error.code == ErrorCode::NotFound));
    let checks = within(client.connection.request(&Doctor { fresh: true }))
        .await
        .unwrap();
    assert_eq!(checks[0].detail, "looked at now");
    let status = within(client.connection.request(&Status {})).await.unwrap();
    assert_eq!((status.pid, status.queued, status.running), (std::process::id(), 0, 0));
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
