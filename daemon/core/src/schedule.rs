//! Whose turn it is: a pure choice over the state. Jobs take cores and memory of one host; what is more urgent comes
//! first, then the ticket of which least runs now, then the one that was queued first. Who comes first and finds no
//! room is waited for: nobody who came later takes the room that is freed.

use std::collections::BTreeMap;

use crate::ids::{JobId, Series, TicketId};
use crate::job::{Job, JobState, Purpose};
use crate::state::State;
use crate::ticket::{Priority, Ticket, TicketStatus};

/// How much of the host all jobs together may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Processors.
    pub cores: u16,
    /// Memory in MiB.
    pub memory_mib: u32,
}

/// What one testbed takes of the host, and with it a job that has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    /// Processors.
    pub cores: u16,
    /// Memory in MiB.
    pub memory_mib: u32,
}

/// A sum of demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// Processors.
    pub cores: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
}

impl Taken {
    /// With one more.
    #[must_use]
    pub fn and(self, demand: Demand) -> Self {
        Self {
            cores: self.cores + u64::from(demand.cores),
            memory_mib: self.memory_mib + u64::from(demand.memory_mib),
        }
    }

    /// Whether all of it is within the capacity.
    #[must_use]
    pub fn is_within(self, capacity: Capacity) -> bool {
        self.cores <= u64::from(capacity.cores) && self.memory_mib <= u64::from(capacity.memory_mib)
    }
}

impl FromIterator<Demand> for Taken {
    fn from_iter<I: IntoIterator<Item = Demand>>(demands: I) -> Self {
        demands.into_iter().fold(Self::default(), Self::and)
    }
}

/// What jobs' testbeds take, by their tickets' series: a recipe may ask for more memory than others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demands {
    /// Of a series that has no demand of its own.
    pub usual: Demand,
    /// Of series that have.
    pub by_series: BTreeMap<Series, Demand>,
}

impl Demands {
    /// What a testbed of the series takes.
    #[must_use]
    pub fn of(&self, series: &Series) -> Demand {
        self.by_series.get(series).copied().unwrap_or(self.usual)
    }
}

/// What the choice depends on besides the state.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// How much of the host all jobs together may take.
    pub capacity: Capacity,
    /// What a job's testbed takes.
    pub demands: &'a Demands,
    /// What running jobs take now, those included whose cancelled attempts are still winding down: each testbed of
    /// theirs is one demand.
    pub taken: &'a [(JobId, Demand)],
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// This job's. Ask again after starting it.
    Start(JobId),
    /// A job's of this priority, which must wait for room.
    Full(Priority),
    /// Nobody's.
    Nobody,
}

/// Whose turn it is now. A job that is larger than the whole host runs alone rather than never.
#[must_use]
pub fn next(state: &State, load: &Load<'_>) -> Turn {
    let mut running: BTreeMap<TicketId, Taken> = BTreeMap::new();
    for &(job, demand) in load.taken {
        if let Some(ticket) = state.ticket_of(job) {
            let taken = running.entry(ticket.id).or_default();
            *taken = taken.and(demand);
        }
    }
    let ready = state.active_tickets().flat_map(|ticket| {
        let taken = running.get(&ticket.id).copied().unwrap_or_default();
        let jobs = ticket.jobs.iter().filter(|job| is_ready(state, ticket, job));
        jobs.map(move |job| {
            let rank = (
                priority(ticket, job),
                (taken.cores, taken.memory_mib),
                ticket.queued_at,
                job.id,
            );
            (rank, ticket, job)
        })
    });
    let Some(((priority, ..), ticket, job)) = ready.min_by_key(|(rank, ..)| *rank) else {
        return Turn::Nobody;
    };
    let taken: Taken = load.taken.iter().map(|(_, demand)| *demand).collect();
    let fits = taken.and(load.demands.of(&ticket.series)).is_within(load.capacity);
    if fits || load.taken.is_empty() {
        Turn::Start(job.id)
    } else {
        Turn::Full(priority)
    }
}

/// Whose turn comes before others': for a rerun that was asked for somebody waits.
#[must_use]
pub fn priority(ticket: &Ticket, job: &Job) -> Priority {
    match &job.rerun {
        Some(rerun) if rerun.purpose == Purpose::Asked => Priority::Interactive,
        _ => ticket.options.priority,
    }
}

/// Whether a job of a ticket could start now, if there is room.
pub(crate) fn is_ready(state: &State, ticket: &Ticket, job: &Job) -> bool {
    let passed = |id: &JobId| ticket.job(*id).is_some_and(|needed| needed.state == JobState::Passed);
    let has_turns = job.rerun.is_some() || matches!(ticket.status, TicketStatus::Queued | TicketStatus::Running);
    let waits = job.rerun.is_none() && ticket.status == TicketStatus::Queued && state.awaits_pool(ticket);
    has_turns && job.state == JobState::Queued && !job.is_open() && job.needs.iter().all(passed) && !waits
}
