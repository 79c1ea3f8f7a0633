//! The attempts that an executor works for: when each was last heard of, and until when those that were cancelled may
//! take to end.

use std::collections::BTreeMap;
use std::time::Duration;

use preflight_core::{Attempt, JobId};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a cancelled attempt may take to end: what the issue promises to owners.
const LONGEST_END: Duration = Duration::from_secs(3);

/// When an attempt last gave a sign of life: none before its first beat, from which on it is watched.
pub(crate) type Pulse = watch::Sender<Option<Instant>>;

#[derive(Debug)]
struct Run {
    attempt: Attempt,
    cancel: CancellationToken,
    pulse: watch::Receiver<Option<Instant>>,
    /// When it was looked after, or started.
    looked_at: Instant,
    end: Option<End>,
}

/// How a cancelled attempt is to end.
#[derive(Debug)]
struct End {
    deadline: Instant,
    /// It was cancelled because nothing was heard of it.
    silent: bool,
}

#[derive(Debug, Default)]
pub(super) struct Running(BTreeMap<JobId, Run>);

impl Running {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn start(&mut self, job: JobId, attempt: Attempt) -> (CancellationToken, Pulse) {
        let cancel = CancellationToken::new();
        let (pulse, heard) = watch::channel(None);
        let run = Run {
            attempt,
            cancel: cancel.clone(),
            pulse: heard,
            looked_at: Instant::now(),
            end: None,
        };
        self.0.insert(job, run);
        (cancel, pulse)
    }

    pub(super) fn end(&mut self, job: JobId) {
        self.0.remove(&job);
    }

    pub(super) fn cancel(&mut self, job: JobId) {
        if let Some(run) = self.0.get_mut(&job) {
            run.cancel(false);
        }
    }

    pub(super) fn cancel_all(&mut self) {
        self.0.values_mut().for_each(|run| run.cancel(false));
    }

    /// The next moment at which a cancelled attempt is overdue, or another is to be looked after.
    pub(super) fn deadline(&self, silence: Duration) -> Option<Instant> {
        self.0.values().map(|run| run.deadline(silence)).min()
    }

    /// Those whose executors have not ended in time.
    pub(super) fn overdue(&self) -> Vec<(JobId, Attempt)> {
        let now = Instant::now();
        let overdue = self
            .0
            .iter()
            .filter(|(_, run)| run.end.as_ref().is_some_and(|end| end.deadline <= now));
        overdue.map(|(&job, run)| (job, run.attempt)).collect()
    }

    /// Cancels and answers those of which nothing was heard for so long.
    pub(super) fn silence(&mut self, silence: Duration) -> Vec<(JobId, Attempt)> {
        let now = Instant::now();
        let mut found = Vec::new();
        for (&job, run) in self.0.iter_mut().filter(|(_, run)| run.end.is_none()) {
            let heard = *run.pulse.borrow();
            if heard.is_some_and(|heard| heard + silence <= now) {
                run.cancel(true);
                found.push((job, run.attempt));
            }
            run.looked_at = now;
        }
        found
    }

    /// Whether the attempt was cancelled because nothing was heard of it.
    pub(super) fn is_silent(&self, job: JobId, attempt: Attempt) -> bool {
        let run = self.0.get(&job).filter(|run| run.attempt == attempt);
        run.and_then(|run| run.end.as_ref()).is_some_and(|end| end.silent)
    }
}

impl Run {
    fn cancel(&mut self, silent: bool) {
        self.cancel.cancel();
        self.end.get_or_insert_with(|| End {
            deadline: Instant::now() + LONGEST_END,
            silent,
        });
    }

    fn deadline(&self, silence: Duration) -> Instant {
        match &self.end {
            Some(end) => end.deadline,
            // Its first beat wakes nobody: whether there was one is seen when it is looked after.
            None => self.pulse.borrow().unwrap_or(self.looked_at) + silence,
        }
    }
}

/// Until the deadline; for ever without one.
pub(super) async fn wait(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
