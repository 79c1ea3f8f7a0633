//! What is missing before a link may be moved: what was wanted and what was found instead, each in one line.

use std::fmt;

use super::link::LinkName;
use crate::ids::{Series, TicketId};
use crate::job::{JobKind, JobState};
use crate::result::Outcome;
use crate::text::{LONGEST_NAME, clean};

/// How many failed tests are named in one line.
const NAMED: usize = 5;

/// A criterion that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingCriterion {
    /// What was wanted.
    pub wanted: Wanted,
    /// What was found instead.
    pub found: Found,
}

/// What was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A repository to point at.
    Repository,
    /// A job with one of these outcomes.
    Job {
        /// What it does.
        job: JobKind,
        /// Of which source; none for a job of the whole ticket, or where any source will do.
        source: Option<String>,
        /// On which series.
        series: Series,
        /// The outcomes that are good enough.
        outcomes: Vec<Outcome>,
    },
    /// To have been promoted to another link before.
    Link(LinkName),
}

/// What was found instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing has been built, or what was built has been freed.
    NoRepository,
    /// No ticket has these sources in these versions on that series.
    NoTicket,
    /// The ticket has no such job.
    NoJob(TicketId),
    /// The job has not ended, or never ran.
    State(TicketId, JobState),
    /// The job has ended otherwise.
    Outcome {
        /// The ticket that it is of.
        ticket: TicketId,
        /// How.
        outcome: Outcome,
        /// Tests that failed and count.
        failed: Vec<String>,
        /// Of those, tests whose exemption is over.
        expired: Vec<String>,
    },
    /// It was never there, or was rolled back.
    NeverThere,
}

impl fmt::Display for MissingCriterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.wanted, self.found)
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository => f.write_str("a repository"),
            Self::Link(link) => write!(f, "promoted to {link} before"),
            Self::Job {
                job,
                source,
                series,
                outcomes,
            } => {
                job.fmt(f)?;
                if let Some(source) = source {
                    write!(f, " of {}", clean(source, LONGEST_NAME))?;
                }
                write!(f, " on {series} with {}", alternatives(outcomes))
            }
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRepository => f.write_str("nothing has been built, or it has been freed"),
            Self::NoTicket => f.write_str("no ticket of these sources and versions"),
            Self::NoJob(ticket) => write!(f, "ticket {ticket} has none"),
            Self::State(ticket, state) => {
                let state = match state {
                    JobState::Queued => "has not started",
                    JobState::Running => "has not ended",
                    JobState::Passed => "has passed",
                    JobState::Failed => "has failed",
                    JobState::Cancelled => "was cancelled",
                    JobState::Skipped => "was not run, since what it needs has failed",
                };
                write!(f, "that of ticket {ticket} {state}")
            }
            Self::Outcome {
                ticket,
                outcome,
                failed,
                expired,
            } => {
                write!(f, "that of ticket {ticket} has {outcome}")?;
                if !failed.is_empty() {
                    write!(f, " ({})", names(failed))?;
                }
                if !expired.is_empty() {
                    write!(f, "; exempt no longer: {}", names(expired))?;
                }
                Ok(())
            }
            Self::NeverThere => f.write_str("it was never there, or was rolled back"),
        }
    }
}

fn alternatives(outcomes: &[Outcome]) -> String {
    let words: Vec<String> = outcomes.iter().map(ToString::to_string).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "no outcome at all".to_owned(),
    }
}

fn names(tests: &[String]) -> String {
    let mut text: Vec<String> = tests.iter().take(NAMED).map(|test| clean(test, LONGEST_NAME)).collect();
    if tests.len() > NAMED {
        text.push(format!("and {} more", tests.len() - NAMED));
    }
    text.join(", ")
}
