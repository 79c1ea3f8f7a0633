//! What becomes of attempts: their reports, and how those end of which nothing is heard. Whether the guest lives is the
//! executor's matter; here is whether the executor does.

use std::time::Duration;

use preflight_core::{Command, Ending, JobState, Outcome, Refusal, Report};

use super::{Dispatcher, Turn};
use crate::reports::Addressed;

/// What an attempt's record says that this daemon has stopped.
const STOPPED: &str = "interrupted by the daemon's stop";

/// After how many heartbeats without a sign of life an attempt is unresponsive: ten, and two more in which an executor
/// whose guest is silent can say so itself and keep what the guest has come to.
const HEARTBEATS: u32 = 10 + 2;

impl Dispatcher {
    /// How long an attempt may say nothing.
    pub(super) fn longest_silence(&self) -> Duration {
        self.doctor.heartbeat().saturating_mul(HEARTBEATS)
    }

    pub(super) fn take_report(&mut self, Addressed { job, attempt, report }: Addressed, turn: &mut Turn) {
        let report = match report {
            // However its executor calls it: it ended because nothing was heard of it.
            Report::Finished(ending) if self.running.is_silent(job, attempt) && is_no_result(&ending) => {
                Report::Finished(silent(ending))
            }
            other => other,
        };
        let winding_down = self.stop.is_cancelled()
            && matches!(&report, Report::Finished(ending) if is_no_result(ending))
            && self
                .state
                .job(job)
                .is_some_and(|found| found.state == JobState::Running && found.is_open() && found.attempt() == attempt);
        let command = if winding_down {
            // It ended because the daemon does, which says nothing of the job.
            Command::Interrupt {
                job,
                reason: STOPPED.to_owned(),
            }
        } else {
            Command::Report { job, attempt, report }
        };
        match self.decide(command, turn) {
            Ok(()) => {}
            Err(refusal @ Refusal::Stale(..)) => tracing::debug!(%refusal, "a report is dropped"),
            Err(refusal) => tracing::warn!(%refusal, "a report is dropped"),
        }
    }

    /// Cancels attempts of which nothing was heard for too long, and takes those for ended whose executors have not
    /// ended in time after their cancelling.
    pub(super) fn look_after(&mut self, silence: Duration, turn: &mut Turn) {
        for (job, attempt) in self.running.silence(silence) {
            tracing::error!(%job, %attempt, ?silence, "nothing was heard of an attempt: it is cancelled");
        }
        for (job, attempt) in self.running.overdue() {
            tracing::error!(%job, %attempt, "the executor has not ended a cancelled attempt in time");
            let reason = "the executor has not ended in time".to_owned();
            let report = Report::Finished(Ending::new(Outcome::Cancelled, Some(reason)));
            self.take_report(Addressed { job, attempt, report }, turn);
        }
    }
}

/// Whether it says nothing of the job, only that it was not brought to an end.
fn is_no_result(ending: &Ending) -> bool {
    matches!(ending.outcome, Outcome::Cancelled | Outcome::TestbedBroken)
}

fn silent(ending: Ending) -> Ending {
    let mut reason = format!("unresponsive: nothing was heard of it for {HEARTBEATS} heartbeats");
    if let Some(more) = ending.reason {
        reason = format!("{reason}; {more}");
    }
    Ending {
        first_error: ending.first_error,
        ..Ending::unresponsive(reason)
    }
}
