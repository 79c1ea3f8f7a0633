//! The attempts that an executor works for, and until when those that were cancelled may take to end.

use std::collections::BTreeMap;
use std::time::Duration;

use preflight_core::{Attempt, JobId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a cancelled attempt may take to end: what the issue promises to owners.
const LONGEST_END: Duration = Duration::from_secs(3);

#[derive(Debug)]
struct Run {
    attempt: Attempt,
    cancel: CancellationToken,
    deadline: Option<Instant>,
}

#[derive(Debug, Default)]
pub(super) struct Running(BTreeMap<JobId, Run>);

impl Running {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn start(&mut self, job: JobId, attempt: Attempt) -> CancellationToken {
        let cancel = CancellationToken::new();
        self.0.insert(
            job,
            Run {
                attempt,
                cancel: cancel.clone(),
                deadline: None,
            },
        );
        cancel
    }

    pub(super) fn end(&mut self, job: JobId) {
        self.0.remove(&job);
    }

    pub(super) fn cancel(&mut self, job: JobId) {
        if let Some(run) = self.0.get_mut(&job) {
            run.cancel();
        }
    }

    pub(super) fn cancel_all(&mut self) {
        self.0.values_mut().for_each(Run::cancel);
    }

    /// The next moment at which a cancelled attempt is overdue.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.values().filter_map(|run| run.deadline).min()
    }

    pub(super) fn overdue(&self) -> Vec<(JobId, Attempt)> {
        let now = Instant::now();
        let overdue = self
            .0
            .iter()
            .filter(|(_, run)| run.deadline.is_some_and(|deadline| deadline <= now));
        overdue.map(|(&job, run)| (job, run.attempt)).collect()
    }
}

impl Run {
    fn cancel(&mut self) {
        self.cancel.cancel();
        self.deadline.get_or_insert_with(|| Instant::now() + LONGEST_END);
    }
}

/// Until the deadline; for ever without one.
pub(super) async fn wait(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
