//! Jobs: the retriggerable units of a workflow step, with every attempt kept.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Attempt, JobId, Moment, SubticketId, TicketId};
use crate::log::LogName;
use crate::result::Outcome;
use crate::verdict::Verdict;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
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

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Snapshot => "snapshot",
            Self::BaseImage => "base image",
            Self::Prefetch => "prefetch",
            Self::Source => "source",
            Self::Build => "build",
            Self::Image => "image",
            Self::Test => "test",
        })
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for other jobs, or for its turn.
    Queued,
    /// Runs now.
    Running,
    /// Ended well.
    Passed,
    /// Ended badly; `outcome` and `reason` say how.
    Failed,
    /// Ended by `ticket cancel`.
    Cancelled,
    /// Will not run, because a job that it needs failed.
    Skipped,
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        })
    }
}

/// What a running job last said of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// What it is doing, such as `installing build dependencies`.
    pub phase: String,
    /// How much of the whole job is done, from 0 to 1, where that can be told.
    pub fraction: Option<f32>,
    /// Seconds to the end, estimated from earlier runs.
    pub estimate_s: Option<u32>,
}

/// The line of a log that says why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FirstError {
    /// The log that holds it.
    pub log: LogName,
    /// The line's number, counted from 1.
    pub line: u64,
    /// The line, control characters made visible.
    pub text: String,
}

/// One run of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptRecord {
    /// Which run.
    pub attempt: Attempt,
    /// When it started.
    pub started_at: Moment,
    /// When it ended.
    pub finished_at: Option<Moment>,
    /// How it ended; none while it runs, and for one that the daemon's death interrupted.
    pub outcome: Option<Outcome>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// Its log.
    pub log: LogName,
    /// The line that says why it failed.
    pub first_error: Option<FirstError>,
    /// Whether nothing was heard of it for ten heartbeats; the job's first such attempt is followed by another.
    #[serde(default)]
    pub unresponsive: bool,
    /// Bytes that its failed testbed takes on disk, while it is kept: `preflight shell` resumes it.
    #[serde(default)]
    pub kept: Option<u64>,
}

/// What a test is run once more for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rerun {
    /// The test's name.
    pub test: String,
    /// What for.
    #[serde(default)]
    pub purpose: Purpose,
    /// Whether it ran files that are not the ticket's: its results never count for a promotion or a submission.
    pub dirty: bool,
    /// What the ticket's own result of the test means now that this is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// A job with its attempts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// What is run once more, for a job that `ticket/rerun` has added.
    #[serde(default)]
    pub rerun: Option<Rerun>,
    /// Where it stands.
    pub state: JobState,
    /// The newest attempt; 0 before the first.
    pub attempt: Attempt,
    /// When the newest attempt started.
    pub started_at: Option<Moment>,
    /// When the newest attempt ended.
    pub finished_at: Option<Moment>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// The line that says why it failed.
    pub first_error: Option<FirstError>,
    /// The newest attempt's log.
    pub log: Option<LogName>,
    /// What it last said of itself, while it runs.
    pub progress: Option<Progress>,
    /// Every attempt, oldest first.
    pub attempts: Vec<AttemptRecord>,
}

impl Job {
    /// What it does, in words.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.rerun {
            Some(rerun) if rerun.dirty => "rerun (dirty)".to_owned(),
            Some(rerun) => match rerun.purpose {
                Purpose::Asked => "rerun".to_owned(),
                Purpose::Repeat => "repeat".to_owned(),
                Purpose::Baseline => "baseline".to_owned(),
            },
            None => self.kind.to_string(),
        }
    }

    /// What it does it for: a source, or one test of a source.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        let source = self.source.clone()?;
        Some(match &self.rerun {
            Some(rerun) => format!("{source}/{}", rerun.test),
            None => source,
        })
    }
}
