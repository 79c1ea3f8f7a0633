//! Attempts of which nothing is heard: when they are given up, and what becomes of their jobs. The time is moved on.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use preflight_core::schedule::{Capacity, Demands};
use preflight_core::{
    Attempt, AttemptRecord, Ending, Job, JobId, JobState, NewSubticket, NewTicket, Options, Outcome, Series, Signature,
};
use preflight_protocol::error::RpcError;
use preflight_store::{Store, TicketsFolder};
use preflightd::dispatcher::{Dispatcher, Handle, Parts};
use preflightd::ppa_pool::PoolFolder;
use preflightd::room::Room;
use preflightd::services::{Executor, HEARTBEAT, JobOrder, JobReport, Reports};
use preflightd::testing::{ONE, ScriptedDoctor};
use tokio_util::sync::CancellationToken;

/// What an attempt does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    /// It beats at every heartbeat, so many times, then passes.
    Beat(u32),
    /// It beats once, then says what it does, so many times, one heartbeat apart; then it passes.
    Progress(u32),
    /// It beats once, then says nothing until it is cancelled.
    Silent,
    /// It beats once, and does not even end when it is cancelled.
    Stubborn,
    /// It beats once, and has just passed when it is cancelled.
    Late,
    /// It never beats, and passes after so many heartbeats.
    Unwatched(u32),
}

/// Does what it is told of each attempt of the first job; whatever else there is passes.
struct Player(Vec<Act>);

#[async_trait]
impl Executor for Player {
    fn start(&self, order: JobOrder, reports: Reports) {
        let attempt = usize::try_from(order.attempt.0).unwrap_or(usize::MAX);
        let act = match order.job {
            JobId(1) => self.0.get(attempt - 1).copied(),
            _ => None,
        };
        tokio::spawn(play(act.unwrap_or(Act::Beat(0)), order.cancel, reports));
    }

    async fn reconcile(&self, _live: &[(JobId, Attempt)]) -> Result<(), RpcError> {
        Ok(())
    }
}

async fn play(act: Act, cancel: CancellationToken, reports: Reports) {
    let progress = || JobReport::Progress {
        phase: "building".to_owned(),
        fraction: None,
        estimate: None,
    };
    if !matches!(act, Act::Unwatched(_)) {
        reports.beat();
    }
    let ending = match act {
        Act::Beat(times) => {
            for _ in 0..times {
                tokio::time::sleep(HEARTBEAT).await;
                reports.beat();
            }
            Ending::pass()
        }
        Act::Progress(times) => {
            for _ in 0..times {
                tokio::time::sleep(HEARTBEAT).await;
                reports.send(progress());
            }
            Ending::pass()
        }
        Act::Silent => {
            cancel.cancelled().await;
            Ending::new(Outcome::Cancelled, None)
        }
        Act::Stubborn => std::future::pending().await,
        Act::Late => {
            cancel.cancelled().await;
            Ending::pass()
        }
        Act::Unwatched(times) => {
            tokio::time::sleep(HEARTBEAT * times).await;
            Ending::pass()
        }
    };
    reports.send(JobReport::Finished(ending));
}

struct Seat {
    _folder: tempfile::TempDir,
    handle: Handle,
}

impl Seat {
    #[expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]
    async fn new(acts: &[Act]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, loaded) = Store::open(&folder.path().join("preflight.db")).unwrap();
        let parts = Parts {
            store,
            loaded,
            tickets: TicketsFolder::below(folder.path()),
            pool: PoolFolder::below(folder.path()),
            executor: Arc::new(Player(acts.to_vec())),
            doctor: Arc::new(ScriptedDoctor),
            room: Room::new(Capacity {
                cores: ONE.cores,
                memory_mib: ONE.memory_mib,
            }),
            demands: Demands {
                usual: ONE,
                ..Demands::default()
            },
            stop: CancellationToken::new(),
        };
        let (dispatcher, handle) = Dispatcher::new(parts).await.unwrap();
        tokio::spawn(dispatcher.run());
        handle.create(new_ticket(), None).await.unwrap();
        Self {
            _folder: folder,
            handle,
        }
    }

    /// The first job once it has ended, moving the time on.
    #[expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]
    async fn ended(&self) -> Job {
        loop {
            let job = self.handle.read(|view| view.state.job(JobId(1)).cloned());
            let job = job.await.unwrap().unwrap();
            if job.state.is_final() {
                return job;
            }
            tokio::time::sleep(HEARTBEAT).await;
        }
    }
}

fn new_ticket() -> NewTicket {
    NewTicket {
        title: "t".to_owned(),
        description: String::new(),
        bug: None,
        owner: "o".to_owned(),
        series: Series("s".to_owned()),
        options: Options::default(),
        subtickets: vec![NewSubticket {
            source: "a".to_owned(),
            version: "1".to_owned(),
            origin: PathBuf::from("/a"),
            signature: Signature::None,
            staged: PathBuf::from("sources/a"),
            needs_source_package: false,
            build_after: vec![],
        }],
        preparation: None,
        wait: false,
        warnings: vec![],
    }
}

fn words(record: &AttemptRecord) -> (bool, Option<Outcome>) {
    (record.unresponsive, record.outcome)
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_for_ten_heartbeats_is_tried_once_more() {
    const SILENT: (bool, Option<Outcome>) = (true, Some(Outcome::TestbedBroken));
    const PASSED: (bool, Option<Outcome>) = (false, Some(Outcome::Pass));
    for (acts, attempts, state) in [
        (vec![Act::Beat(50)], vec![PASSED], JobState::Passed),
        (vec![Act::Progress(50)], vec![PASSED], JobState::Passed),
        (vec![Act::Unwatched(500)], vec![PASSED], JobState::Passed),
        (vec![Act::Silent, Act::Beat(13)], vec![SILENT, PASSED], JobState::Passed),
        (
            vec![Act::Stubborn, Act::Beat(0)],
            vec![SILENT, PASSED],
            JobState::Passed,
        ),
        (vec![Act::Late], vec![PASSED], JobState::Passed),
        (vec![Act::Silent, Act::Silent], vec![SILENT, SILENT], JobState::Failed),
    ] {
        let seat = Seat::new(&acts).await;
        let job = seat.ended().await;
        let found: Vec<_> = job.attempts.iter().map(words).collect();
        assert_eq!((found, job.state), (attempts, state), "{acts:?}");
        for record in job.attempts.iter().filter(|record| record.unresponsive) {
            let reason = record.reason.as_deref().unwrap_or_default();
            assert!(reason.contains("12 heartbeats"), "{reason}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_measured_from_the_last_word() {
    let seat = Seat::new(&[Act::Silent, Act::Silent]).await;
    let started = tokio::time::Instant::now();
    seat.ended().await;
    // Twice ten heartbeats, with the executor's grace, and what it takes to see the end.
    let took = started.elapsed();
    assert!(
        took >= HEARTBEAT * 24 && took <= HEARTBEAT * 24 + Duration::from_secs(10),
        "{took:?}"
    );
}

/// Room that a running job takes beside its own slot is the scheduler's too.
struct Widening {
    widths: Arc<Mutex<Vec<bool>>>,
    second: Arc<tokio::sync::Notify>,
}

#[async_trait]
impl Executor for Widening {
    fn start(&self, order: JobOrder, reports: Reports) {
        let (widths, second) = (Arc::clone(&self.widths), Arc::clone(&self.second));
        tokio::spawn(async move {
            if order.job == JobId(1) {
                let wider = order.room.try_widen();
                let more = order.room.try_widen();
                let found = [wider.is_some(), more.is_some()];
                widths.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
                drop(wider);
                // The other ticket's job runs in what was given back.
                second.notified().await;
                let none_left = order.room.try_widen().is_none();
                widths.lock().unwrap_or_else(PoisonError::into_inner).push(none_left);
            } else {
                second.notify_one();
                order.cancel.cancelled().await;
            }
            reports.send(JobReport::Finished(Ending::pass()));
        });
    }

    async fn reconcile(&self, _live: &[(JobId, Attempt)]) -> Result<(), RpcError> {
        Ok(())
    }
}

#[tokio::test]
async fn what_a_job_widens_by_is_given_back_to_those_who_wait() {
    let folder = tempfile::tempdir().unwrap();
    let (store, loaded) = Store::open(&folder.path().join("preflight.db")).unwrap();
    let widths = Arc::new(Mutex::new(vec![]));
    let parts = Parts {
        store,
        loaded,
        tickets: TicketsFolder::below(folder.path()),
        pool: PoolFolder::below(folder.path()),
        executor: Arc::new(Widening {
            widths: Arc::clone(&widths),
            second: Arc::default(),
        }),
        doctor: Arc::new(ScriptedDoctor),
        room: Room::new(Capacity {
            cores: 2 * ONE.cores,
            memory_mib: 2 * ONE.memory_mib,
        }),
        demands: Demands {
            usual: ONE,
            ..Demands::default()
        },
        stop: CancellationToken::new(),
    };
    let (dispatcher, handle) = Dispatcher::new(parts).await.unwrap();
    let mut beats = handle.beats().subscribe();
    tokio::spawn(dispatcher.run());
    handle.create(new_ticket(), None).await.unwrap();
    handle.create(new_ticket(), None).await.unwrap();
    let first_is_gone = beats.wait_for(|all| !all.contains_key(&JobId(1)) && all.contains_key(&JobId(4)));
    tokio::time::timeout(Duration::from_secs(60), first_is_gone)
        .await
        .unwrap()
        .unwrap();
    let widths = widths.lock().unwrap().clone();
    assert_eq!(widths[1..], [false, true], "{widths:?}");
}
