//! How long a job will take: the median of what such jobs took before.

use std::time::Duration;

use crate::job::JobKind;
use crate::result::Outcome;
use crate::state::State;

/// How many earlier runs count: older ones say little of how things are today.
const NEWEST: usize = 9;

/// The median time of the newest runs of this kind for this source (or of no source) that were not broken or cancelled.
/// A test's failure is a run; a build's is none, since it may have ended at once.
#[must_use]
pub fn estimate(state: &State, kind: JobKind, source: Option<&str>) -> Option<Duration> {
    let counts = |outcome: Outcome| outcome.is_good() || (kind == JobKind::Test && outcome == Outcome::Fail);
    let mut durations: Vec<Duration> = state
        .tickets()
        .rev()
        .flat_map(|ticket| &ticket.jobs)
        .filter(|job| job.kind == kind && job.source.as_deref() == source)
        .flat_map(|job| &job.attempts)
        .filter(|attempt| attempt.outcome.is_some_and(counts))
        .filter_map(|attempt| Some(attempt.finished_at?.since(attempt.started_at)))
        .take(NEWEST)
        .collect();
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied()
}
