//! News of running jobs: progress and log sizes, of which only the newest matters. A watch channel holds them all;
//! executors write into it, sessions read from it, and the dispatcher says which attempts exist.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use preflight_core::{Attempt, JobId, LogName, TicketId};
use tokio::sync::watch;

/// What a running attempt last said.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// The ticket.
    pub ticket: TicketId,
    /// Which run of the job.
    pub attempt: Attempt,
    /// Its log.
    pub log: LogName,
    /// The log's length in bytes.
    pub log_size: u64,
    /// What it is doing.
    pub phase: Option<String>,
    fraction: Option<f32>,
    ends: Option<Instant>,
    started: Instant,
    usual: Option<Duration>,
}

/// The longest phase that is passed on, in characters: it may hold words of a guest's.
const LONGEST_PHASE: usize = 200;

impl Live {
    /// An attempt that starts now; `usual` is how long such a job took before.
    #[must_use]
    pub fn starting(ticket: TicketId, attempt: Attempt, log: LogName, usual: Option<Duration>) -> Self {
        Self {
            ticket,
            attempt,
            log,
            log_size: 0,
            phase: None,
            fraction: None,
            ends: None,
            started: Instant::now(),
            usual,
        }
    }

    pub(crate) fn progress(&mut self, phase: String, fraction: Option<f32>, estimate: Option<Duration>) {
        self.phase = Some(phase.chars().filter(|c| !c.is_control()).take(LONGEST_PHASE).collect());
        self.fraction = fraction
            .filter(|fraction| fraction.is_finite())
            .map(|fraction| fraction.clamp(0.0, 1.0));
        self.ends = estimate.and_then(|estimate| Instant::now().checked_add(estimate));
    }

    /// How much of the job is done at `now`, from 0 to 1: as it said itself, or by how long such a job took before.
    #[must_use]
    pub fn fraction(&self, now: Instant) -> Option<f32> {
        self.fraction.or_else(|| {
            let usual = self.usual.filter(|usual| !usual.is_zero())?;
            // It has not ended, whatever the clock says.
            Some((now.saturating_duration_since(self.started).as_secs_f32() / usual.as_secs_f32()).min(0.99))
        })
    }

    /// How long it will still take at `now`; zero where it takes longer than was thought.
    #[must_use]
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        let ends = self.ends.or_else(|| self.started.checked_add(self.usual?))?;
        Some(ends.saturating_duration_since(now))
    }
}

/// The running attempts' news by job; clones share them.
#[derive(Debug, Clone)]
pub struct Beats(watch::Sender<BTreeMap<JobId, Live>>);

impl Default for Beats {
    fn default() -> Self {
        Self(watch::Sender::new(BTreeMap::new()))
    }
}

impl Beats {
    /// To be told of changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<BTreeMap<JobId, Live>> {
        self.0.subscribe()
    }

    /// All of them now. Not to be held: executors wait meanwhile.
    pub(crate) fn borrow(&self) -> watch::Ref<'_, BTreeMap<JobId, Live>> {
        self.0.borrow()
    }

    pub(crate) fn start(&self, job: JobId, live: Live) {
        self.0.send_modify(|all| {
            all.insert(job, live);
        });
    }

    pub(crate) fn end(&self, job: JobId) {
        self.0.send_if_modified(|all| all.remove(&job).is_some());
    }

    pub(crate) fn update(&self, job: JobId, attempt: Attempt, change: impl FnOnce(&mut Live)) {
        self.0
            .send_if_modified(|all| match all.get_mut(&job).filter(|live| live.attempt == attempt) {
                Some(live) => {
                    change(live);
                    true
                }
                None => false,
            });
    }
}
