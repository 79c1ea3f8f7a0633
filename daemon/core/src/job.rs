//! Jobs: the retriggerable units of a workflow step. What a job does is its executor's matter; here is only where it
//! stands and how each of its attempts ended.

use std::fmt;
use std::path::PathBuf;

use crate::exit::ExitCode;
use crate::ids::{Attempt, JobId, LogName, Moment, SubticketId, TicketId};
use crate::result::Outcome;
use crate::ticket::WorkflowStep;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobKind {
    /// Takes a snapshot of the series' archive.
    Snapshot,
    /// Makes the series' base images where they are missing.
    BaseImage,
    /// Puts into the content store what will be needed without a network.
    Prefetch,
    /// Makes a source package of a folder.
    Source,
    /// Builds a source package.
    Build,
    /// Rebuilds the image with the ticket's packages.
    Image,
    /// Runs a source's dep8 tests on the image.
    Test,
}

impl JobKind {
    /// The workflow step that a ticket is in while such a job runs.
    #[must_use]
    pub fn step(self) -> WorkflowStep {
        match self {
            Self::Snapshot | Self::BaseImage | Self::Prefetch | Self::Source | Self::Build => {
                WorkflowStep::PackageBuilding
            }
            Self::Image => WorkflowStep::ImageBuilding,
            Self::Test => WorkflowStep::ImageTesting,
        }
    }

    /// The kind's name in file names and in the database.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::BaseImage => "base_image",
            Self::Prefetch => "prefetch",
            Self::Source => "source",
            Self::Build => "build",
            Self::Image => "image",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BaseImage => "base image",
            other => other.key(),
        })
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobState {
    /// Waits for other jobs, or for its turn.
    Queued,
    /// Runs now.
    Running,
    /// Ended well.
    Passed,
    /// Ended badly; its newest attempt says how.
    Failed,
    /// Ended by its ticket's cancelling. Its newest attempt may still be winding down.
    Cancelled,
    /// Will not run, because a job that it needs did not pass.
    Skipped,
}

impl JobState {
    /// Whether nothing more will happen to the job by itself.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// The line of a log that says why a job failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstError {
    /// The log that holds it.
    pub log: LogName,
    /// The line's number, counted from 1.
    pub line: u64,
    /// The line, control characters made visible.
    pub text: String,
}

/// How an attempt ended, as its executor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub outcome: Outcome,
    /// autopkgtest's exit code for it; tells 4 from 6 and 12 from 14, which the outcome does not.
    pub exit_code: ExitCode,
    /// Why, in one line.
    pub reason: Option<String>,
    /// The line that says why it failed.
    pub first_error: Option<FirstError>,
    /// Whether nothing was heard of it for ten heartbeats: the job is tried once more then.
    pub unresponsive: bool,
}

impl Ending {
    /// A good end.
    #[must_use]
    pub fn pass() -> Self {
        Self::new(Outcome::Pass, None)
    }

    /// An end with its outcome's usual exit code.
    #[must_use]
    pub fn new(outcome: Outcome, reason: Option<String>) -> Self {
        Self {
            outcome,
            exit_code: ExitCode::of(outcome),
            reason,
            first_error: None,
            unresponsive: false,
        }
    }

    /// The end of an attempt of which nothing was heard for ten heartbeats.
    #[must_use]
    pub fn unresponsive(reason: impl Into<String>) -> Self {
        Self {
            unresponsive: true,
            ..Self::new(Outcome::TestbedBroken, Some(reason.into()))
        }
    }
}

/// One run of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Which run.
    pub attempt: Attempt,
    /// When it started.
    pub started_at: Moment,
    /// When it ended.
    pub finished_at: Option<Moment>,
    /// How it ended; none while it runs, and for one that the daemon's death interrupted.
    pub outcome: Option<Outcome>,
    /// The exit code that belongs to the outcome.
    pub exit_code: Option<ExitCode>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// Its log.
    pub log: LogName,
    /// The line that says why it failed.
    pub first_error: Option<FirstError>,
    /// Whether nothing was heard of it for ten heartbeats.
    pub unresponsive: bool,
    /// Bytes that its failed testbed takes on disk, while that is kept frozen.
    pub kept: Option<u64>,
}

impl AttemptRecord {
    /// Whether its executor has not yet said how it ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.finished_at.is_none()
    }
}

/// What a test is run once more for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Purpose {
    /// Its owner asked for it.
    #[default]
    Asked,
    /// It has failed: whether it always does.
    Repeat,
    /// Whether it fails without the change, too: on the base image, with what the archive has in the place of the ticket's
    /// packages.
    Baseline,
}

/// One test of a ticket, run once more. Whatever comes of it, the ticket stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rerun {
    /// The test's name in its source's `debian/tests/control`.
    pub test: String,
    /// What for.
    pub purpose: Purpose,
    /// Whether it runs files that are not the ticket's: its results count for nothing but the owner's eyes.
    pub dirty: bool,
    /// The folder, relative to the ticket's, whose `debian/control` and `debian/tests/…` take the place of those in
    /// the source's tree. It may hold as little as one file.
    pub staged: Option<PathBuf>,
}

/// A job with its attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// The ticket that it belongs to.
    pub ticket: TicketId,
    /// What it does.
    pub kind: JobKind,
    /// The subticket that it works on, where it works on one.
    pub subticket: Option<SubticketId>,
    /// That subticket's source package.
    pub source: Option<String>,
    /// The jobs that must have passed before it starts.
    pub needs: Vec<JobId>,
    /// What is run once more, for a job of the kind [`JobKind::Test`] that was added to its ticket later.
    pub rerun: Option<Rerun>,
    /// Where it stands.
    pub state: JobState,
    /// Why it was skipped or cancelled; an attempt's reason is the attempt's.
    pub reason: Option<String>,
    /// Every attempt, oldest first.
    pub attempts: Vec<AttemptRecord>,
}

impl Job {
    /// The newest attempt.
    #[must_use]
    pub fn newest(&self) -> Option<&AttemptRecord> {
        self.attempts.last()
    }

    /// The newest attempt's number; 0 before the first.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        self.newest().map_or(Attempt(0), |record| record.attempt)
    }

    /// Whether an executor works for it, be it only to wind down a cancelled attempt.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.newest().is_some_and(AttemptRecord::is_open)
    }

    /// One of its attempts.
    #[must_use]
    pub fn record(&self, attempt: Attempt) -> Option<&AttemptRecord> {
        self.attempts.iter().find(|record| record.attempt == attempt)
    }

    pub(crate) fn keep(&mut self, attempt: Attempt, bytes: Option<u64>) {
        if let Some(record) = self.attempts.iter_mut().find(|record| record.attempt == attempt) {
            record.kept = bytes;
        }
    }

    /// The name of an attempt's log: `<job>-<kind>-<source>.<attempt>.log`.
    #[must_use]
    pub fn log_name(&self, attempt: Attempt) -> LogName {
        let kind = self.kind.key();
        LogName(match &self.source {
            Some(source) => format!("{}-{kind}-{source}.{attempt}.log", self.id),
            None => format!("{}-{kind}.{attempt}.log", self.id),
        })
    }
}
