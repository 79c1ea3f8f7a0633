//! How long a job will take: the median of what such jobs took before.

use std::time::Duration;

use crate::job::{Job, JobKind};
use crate::result::Outcome;
use crate::state::State;

/// How many earlier runs count: older ones say little of how things are today.
const NEWEST: usize = 9;

/// The median time of the newest runs of such a job (its kind, its source, and for a rerun its test) that were not
/// broken or cancelled. A test's failure is a run; a build's is none, since it may have ended at once.
#[must_use]
pub fn estimate(state: &State, job: &Job) -> Option<Duration> {
    let kind = job.kind;
    let wanted = test_of(job);
    let counts = |outcome: Outcome| outcome.is_good() || (kind == JobKind::Test && outcome == Outcome::Fail);
    let mut durations: Vec<Duration> = state
        .tickets()
        .rev()
        // How long it took on another machine says nothing of this one.
        .filter(|ticket| ticket.origin.is_none())
        .flat_map(|ticket| &ticket.jobs)
        .filter(|other| other.kind == kind && other.source == job.source && test_of(other) == wanted)
        .flat_map(|job| &job.attempts)
        .filter(|attempt| attempt.outcome.is_some_and(counts))
        .filter_map(|attempt| Some(attempt.finished_at?.since(attempt.started_at)))
        .take(NEWEST)
        .collect();
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied()
}

fn test_of(job: &Job) -> Option<&str> {
    job.rerun.as_ref().map(|rerun| rerun.test.as_str())
}
