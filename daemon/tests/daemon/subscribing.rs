//! What subscribers are told: every event once, and beats.

use std::time::Duration;

use preflight_core::JobKind;
use preflight_protocol::client::Notification;
use preflight_protocol::event::EventKind;
use preflight_protocol::ids::{JobId, TicketId};
use preflight_protocol::ticket::TicketStatus;
use preflight_store::LogStream;
use preflightd::services::JobReport;
use preflightd::testing::Step;

use crate::support::{House, within};

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
