//! A ticket as clients see it: one change, its subtickets, and where it stands in the workflow.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ImageId, JobId, Moment, Series, SubticketId, TicketId};
use crate::job::{Job, JobState, Progress, Purpose};
use crate::package_sources::{UsedPocket, UsedPpa, UsedRepository};
use crate::replay::ReplayOf;
use crate::result::{Artifact, Finding, Outcome, TestResult};
use crate::results::ResultsOrigin;
use crate::test_options::TestOptions;
use crate::transfer::Origin;

/// Where a ticket stands. On the wire it is its number, as the Ubuntu CI Engine has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u16", try_from = "u16")]
pub enum WorkflowStep {
    /// 100
    Queued,
    /// 200
    PackageBuilding,
    /// 300
    ImageBuilding,
    /// 400
    ImageTesting,
    /// 500
    PackagePublishing,
    /// 999
    Failed,
    /// 1000
    Complete,
}

impl WorkflowStep {
    /// All steps in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::PackageBuilding,
        Self::ImageBuilding,
        Self::ImageTesting,
        Self::PackagePublishing,
        Self::Failed,
        Self::Complete,
    ];

    /// The step's number.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Queued => 100,
            Self::PackageBuilding => 200,
            Self::ImageBuilding => 300,
            Self::ImageTesting => 400,
            Self::PackagePublishing => 500,
            Self::Failed => 999,
            Self::Complete => 1000,
        }
    }

    /// The step's name in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::PackageBuilding => "package building",
            Self::ImageBuilding => "image building",
            Self::ImageTesting => "image testing",
            Self::PackagePublishing => "package publishing",
            Self::Failed => "failed",
            Self::Complete => "complete",
        }
    }
}

impl From<WorkflowStep> for u16 {
    fn from(step: WorkflowStep) -> u16 {
        step.number()
    }
}

/// A number that is no workflow step's.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not a workflow step (100, 200, 300, 400, 500, 999, 1000)")]
pub struct UnknownStep(u16);

impl TryFrom<u16> for WorkflowStep {
    type Error = UnknownStep;

    fn try_from(number: u16) -> Result<Self, UnknownStep> {
        Self::ALL
            .into_iter()
            .find(|step| step.number() == number)
            .ok_or(UnknownStep(number))
    }
}

impl JsonSchema for WorkflowStep {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WorkflowStep".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "enum": [100, 200, 300, 400, 500, 999, 1000] })
    }
}

impl fmt::Display for WorkflowStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is happening to a ticket now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TicketStatus {
    /// Made with `--wait`: not queued until `ticket update N --queue`.
    Waiting,
    /// In the queue.
    Queued,
    /// One of its jobs has started.
    Running,
    /// Ended at step 1000.
    Complete,
    /// Ended at step 999.
    Failed,
    /// Ended by `ticket cancel`.
    Cancelled,
}

impl TicketStatus {
    /// Whether nothing more will happen to the ticket by itself.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for TicketStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// How a source package's signature was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Signature {
    /// There is none, or the policy is `ignore`.
    None,
    /// Made by a key of a configured keyring.
    Good {
        /// The key's user ID, such as `Jane Doe <jane@example.org>`.
        signer: String,
        /// The key's fingerprint in upper-case hexadecimal digits.
        fingerprint: String,
    },
    /// There is one, but not by a known key, or it does not verify (policy `warn`).
    Unverified {
        /// Why it could not be verified.
        reason: String,
    },
}

/// One source package upload of a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subticket {
    /// Its number.
    pub id: SubticketId,
    /// The source package's name.
    pub source: String,
    /// The source package's version.
    pub version: String,
    /// Where it was submitted from: a folder, a `.dsc` or a `.changes`.
    pub origin: PathBuf,
    /// Its signature.
    pub signature: Signature,
}

/// Whether testbeds of failed attempts are kept, frozen as the failure left them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeepFailed {
    /// None.
    Never,
    /// That of the ticket's newest failure; an older one is freed for it.
    #[default]
    Newest,
    /// All, as far as the disk budget goes.
    Always,
}

impl fmt::Display for KeepFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Never => "never",
            Self::Newest => "newest",
            Self::Always => "always",
        })
    }
}

/// Whose jobs go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Somebody waits for it before a screen.
    Interactive,
    /// Any ticket.
    #[default]
    Normal,
    /// When nothing else is to be done.
    Background,
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Interactive => "interactive",
            Self::Normal => "normal",
            Self::Background => "background",
        })
    }
}

/// What every list of tickets shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TicketSummary {
    /// Its number.
    pub id: TicketId,
    /// Its title.
    pub title: String,
    /// Who made it.
    pub owner: String,
    /// The series that it is checked on.
    pub series: Series,
    /// Where it stands.
    pub workflow_step: WorkflowStep,
    /// What is happening to it.
    pub status: TicketStatus,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// autopkgtest's exit code, once it ended.
    pub exit_code: Option<u8>,
    /// One line that says why it failed.
    pub reason: Option<String>,
    /// The sources' names.
    pub sources: Vec<String>,
    /// When it was made.
    pub created_at: Moment,
    /// When its first job started.
    pub started_at: Option<Moment>,
    /// When it ended.
    pub finished_at: Option<Moment>,
    /// Its place in the queue, counted from 1, while queued.
    pub queue_position: Option<u32>,
    /// What the running job last reported.
    pub progress: Option<Progress>,
    /// How many tests passed, failed (flaky included) and were skipped; reruns do not count.
    pub test_counts: TestCounts,
    /// Which of its files were freed, for room on the disk: what names them says no more than what they were.
    #[serde(default)]
    pub gone: Vec<TicketFiles>,
    /// Whether its owner wants it kept: its evidence is freed last.
    #[serde(default)]
    pub kept: bool,
}

/// Files of an ended ticket that can be had again by checking once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TicketFiles {
    /// What its builds have made.
    Artifacts,
    /// Its sources as they were submitted.
    Sources,
}

/// Tests of a ticket by result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TestCounts {
    /// PASS
    pub pass: u32,
    /// FAIL
    pub fail: u32,
    /// FLAKY
    pub flaky: u32,
    /// SKIP
    pub skip: u32,
}

/// A ticket with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ticket {
    /// What lists show of it.
    #[serde(flatten)]
    pub summary: TicketSummary,
    /// What the change is about.
    pub description: String,
    /// The bug that it fixes, as the owner wrote it.
    pub bug: Option<String>,
    /// Packages that the image gets besides the ticket's own.
    pub add_packages: Vec<String>,
    /// Packages that are removed from the image.
    pub remove_packages: Vec<String>,
    /// The snapshot that its packages come from; the archive as the base image has it where it is missing.
    #[serde(default)]
    pub snapshot: Option<String>,
    /// The pockets that it uses, of that snapshot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pockets: Vec<UsedPocket>,
    /// The PPAs that it uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ppas: Vec<UsedPpa>,
    /// What other tickets have built that it uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<UsedRepository>,
    /// What it runs again, from that ticket's locks alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<ReplayOf>,
    /// How its tests are run.
    #[serde(default, skip_serializing_if = "TestOptions::is_default")]
    pub test_options: TestOptions,
    /// Whether testbeds of failed attempts are kept.
    #[serde(default)]
    pub keep_failed: KeepFailed,
    /// Whose jobs go first.
    #[serde(default)]
    pub priority: Priority,
    /// Its source packages.
    pub subtickets: Vec<Subticket>,
    /// Its jobs in the order in which they run.
    pub jobs: Vec<Job>,
    /// Its tests' results in a stable order: by subticket, then as the control file lists them; those of reruns
    /// follow, in the order in which they were asked for.
    pub tests: Vec<TestResult>,
    /// What its jobs' newest attempts have revealed besides their outcomes: what their testbeds tried to reach, and were
    /// refused.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// What its builds have made.
    pub artifacts: Vec<Artifact>,
    /// The image that its tests ran on.
    pub image: Option<ImageId>,
    /// Warnings for the owner: from intake, builds and tests.
    pub warnings: Vec<String>,
    /// The machine that it was run on, where it was imported from another one.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// The results of others that it was made of: it has neither packages nor an image, and nothing of it can be run.
    #[serde(default)]
    pub results_origin: Option<ResultsOrigin>,
}

impl Ticket {
    /// Whether a job runs a test once more.
    #[must_use]
    pub fn is_rerun(&self, job: JobId) -> bool {
        let mut reruns = self.jobs.iter().filter(|job| job.rerun.is_some());
        reruns.any(|rerun| rerun.id == job)
    }

    /// Whether something is still run to tell what its results mean.
    #[must_use]
    pub fn is_being_judged(&self) -> bool {
        let judges = |job: &Job| job.rerun.as_ref().is_some_and(|rerun| rerun.purpose != Purpose::Asked);
        let mut unfinished = self
            .jobs
            .iter()
            .filter(|job| matches!(job.state, JobState::Queued | JobState::Running));
        unfinished.any(judges)
    }

    /// The results that count: all but those of reruns.
    pub fn own_tests(&self) -> impl Iterator<Item = &TestResult> {
        self.tests.iter().filter(|test| !self.is_rerun(test.job))
    }

    /// The findings that count: all but those of reruns.
    pub fn own_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| !self.is_rerun(finding.job))
    }
}
