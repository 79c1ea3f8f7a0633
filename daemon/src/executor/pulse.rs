//! A job's signs of life, for whoever watches the executor: its guests', and while it has none, its own. A job whose guest
//! falls silent, or whose step waits for ever beside a guest that is well, is told apart by its guest and by its limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use preflight_guest::Guest;
use tokio::task::AbortHandle;

use crate::services::{HEARTBEAT, Reports};

/// The pulse of one attempt; clones share it.
#[derive(Clone)]
pub(super) struct Pulse {
    reports: Reports,
    guests: Arc<AtomicUsize>,
}

/// A guest that beats for its job, until this goes.
pub(super) struct Beating {
    guests: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Drop for Beating {
    fn drop(&mut self) {
        self.task.abort();
        self.guests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pulse {
    pub(super) fn new(reports: Reports) -> Self {
        Self {
            reports,
            guests: Arc::default(),
        }
    }

    /// From now on the guest's signs of life are the job's.
    pub(super) fn follow(&self, guest: &Guest) -> Beating {
        self.guests.fetch_add(1, Ordering::Relaxed);
        let (reports, mut health) = (self.reports.clone(), guest.health());
        let task = tokio::spawn(async move {
            while health.changed().await.is_ok() {
                reports.beat();
            }
        });
        Beating {
            guests: Arc::clone(&self.guests),
            task: task.abort_handle(),
        }
    }

    /// Beats while there is no guest: what is done on the host, and the start of a machine, has limits of its own.
    pub(super) async fn beat_for_the_host(self) {
        loop {
            if self.guests.load(Ordering::Relaxed) == 0 {
                self.reports.beat();
            }
            tokio::time::sleep(HEARTBEAT).await;
        }
    }
}
