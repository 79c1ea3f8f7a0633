//! Running a ticket again from its locks alone, and whether the two runs agree.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{JobId, TicketId};
use crate::job::JobKind;

/// Run an ended ticket again, from its own sources, on the same base images, with nothing but what its locks name.
/// The network is not used; what is missing for it is told before anything is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketReplay {
    /// The ticket.
    pub ticket: TicketId,
    /// The one job that is run again: a build, an image or a test. All of them where it is missing.
    #[serde(default)]
    pub job: Option<JobId>,
    /// Who owns the replay; the daemon's user where it is missing.
    #[serde(default)]
    pub owner: Option<String>,
}

/// The ticket that runs another one again; follow it as any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketReplaying {
    /// Its number.
    pub id: TicketId,
}

/// What a ticket runs again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayOf {
    /// The ticket, by its number on the machine where it was replayed.
    pub ticket: TicketId,
    /// The one job that is run again, where it is not all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobLabel>,
}

/// A job in words that two runs share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobLabel {
    /// What it does.
    pub kind: JobKind,
    /// The source that it does it for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Whether a replay agrees with the ticket that it runs again. Both must be there, and have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketAgreement {
    /// The replay.
    pub ticket: TicketId,
}

/// What two runs of a ticket have in common, and what not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Agreement {
    /// The replay.
    pub ticket: TicketId,
    /// What it runs again.
    pub replay_of: ReplayOf,
    /// Whether nothing differs: the same outcomes, test results, locks and packages.
    pub agrees: bool,
    /// Whether jobs and tests ended alike, whatever was fetched, and though a package may not be the same bit for bit.
    pub same_results: bool,
    /// How much is the same.
    pub same: AgreementCounts,
    /// What differs, job by job.
    pub differences: Vec<Difference>,
}

/// How much of two runs is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AgreementCounts {
    /// Jobs that ended alike.
    pub jobs: u64,
    /// Tests that said the same.
    pub tests: u64,
    /// Packages that are the same bit for bit.
    pub packages: u64,
    /// Fetched files, of all locks together; what several jobs have fetched counts once.
    pub files: u64,
}

/// What differs between two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// The job that it is of.
    pub job: JobLabel,
    /// What it is.
    pub what: DifferenceKind,
    /// It in one line, for people.
    pub text: String,
}

/// What differs between two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// How a job ended.
    Job,
    /// What a test said.
    Test,
    /// What was fetched.
    Lock,
    /// A package that was built.
    Package,
}
