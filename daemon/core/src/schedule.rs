//! Whose turn it is. A pure choice over the state: first come, first served, one ticket after another.

use crate::ids::JobId;
use crate::job::{Job, JobState};
use crate::state::State;
use crate::ticket::{Priority, Ticket, TicketStatus};

/// How much may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// Jobs. Counted with those whose cancelled attempts are still winding down, since they hold their memory.
    pub jobs: usize,
}

impl Default for Slots {
    fn default() -> Self {
        Self { jobs: 1 }
    }
}

/// The job to start next, if any. Call it again after starting one.
#[must_use]
pub fn next(state: &State, slots: Slots) -> Option<JobId> {
    if state.open_jobs().count() >= slots.jobs {
        return None;
    }
    let mut queue: Vec<&Ticket> = state
        .active_tickets()
        .filter(|ticket| ticket.status != TicketStatus::Waiting)
        .collect();
    // Priorities will come before the time in this key. What runs was queued before what does not.
    queue.sort_by_key(|ticket| (ticket.queued_at, ticket.id));
    queue
        .into_iter()
        .find_map(|ticket| ticket.jobs.iter().find(|job| is_ready(ticket, job)))
        .map(|job| job.id)
}

/// Whose turn it is before others': for a rerun somebody waits.
#[must_use]
pub fn priority(ticket: &Ticket, job: &Job) -> Priority {
    match job.rerun {
        Some(_) => Priority::Interactive,
        None => ticket.options.priority,
    }
}

/// Whether a job of a ticket could start now.
pub(crate) fn is_ready(ticket: &Ticket, job: &Job) -> bool {
    let passed = |id: &JobId| ticket.job(*id).is_some_and(|needed| needed.state == JobState::Passed);
    (job.rerun.is_some() || matches!(ticket.status, TicketStatus::Queued | TicketStatus::Running))
        && job.state == JobState::Queued
        && job.needs.iter().all(passed)
}
