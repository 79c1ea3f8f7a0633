//! What a test's result means against its baseline and against more runs of it, and what is shown with that.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{JobId, TicketId};
use crate::result::{Outcome, TestStatus};

/// What a result means. It never changes how a ticket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// It fails with the change, and does not fail without it.
    Regression,
    /// It fails with the change as it fails without it.
    AlwaysFailed,
    /// It passes with the change, and fails without it.
    Fixed,
    /// It fails now and then: some of its further runs passed, or its package says so itself.
    Flaky,
    /// Without the change it cannot be run: the archive has no such package.
    New,
    /// What its result means is not known: the testbed of its baseline has failed.
    TestbedBroken,
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Regression => "regression",
            Self::AlwaysFailed => "always failed",
            Self::Fixed => "fixed",
            Self::Flaky => "flaky",
            Self::New => "new",
            Self::TestbedBroken => "testbed broken",
        })
    }
}

/// How often a test has passed when it was run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// Runs that passed.
    pub passed: u32,
    /// All runs that came to a result.
    pub runs: u32,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.passed, self.runs)
    }
}

/// The verdict over a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// What it means.
    pub meaning: Meaning,
    /// Of a flaky test, how its further runs went, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Rate>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.again {
            Some(rate) => write!(f, "{}: {rate} more runs passed", self.meaning),
            None => self.meaning.fmt(f),
        }
    }
}

/// Runs tests without the change, as far as that was not done: on the base image, with the ticket's package sources and with
/// what it adds to the image and removes from it, but without its own packages. The ticket stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketBaseline {
    /// The ticket.
    pub ticket: TicketId,
    /// Which tests: `SOURCE/TEST`, or `TEST` where that is enough; those that have failed where it is empty.
    #[serde(default)]
    pub tests: Vec<String>,
    /// All tests that were run.
    #[serde(default)]
    pub all: bool,
}

/// What is run now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketBaselining {
    /// The jobs that run tests without the change and have not ended; none where all is known.
    pub jobs: Vec<JobId>,
}

/// What a ticket's tests mean, with what is known of their runs with the change and without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketVerdicts {
    /// The ticket.
    pub ticket: TicketId,
}

/// A test that was run without the change, or once more, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JudgedTest {
    /// The source package that it belongs to.
    pub source: String,
    /// Its name.
    pub name: String,
    /// The job of the ticket's own that ran it.
    pub job: JobId,
    /// Its result.
    pub status: TestStatus,
    /// Why, in autopkgtest's words.
    pub reason: Option<String>,
    /// What that means; none where the result speaks for itself.
    pub verdict: Option<Verdict>,
    /// How its further runs went.
    pub again: Rate,
    /// Its run without the change.
    pub baseline: Option<BaselineRun>,
    /// Packages in which the two testbeds differed when the test began, by name. Empty where it does not matter: the results
    /// are the same good ones.
    pub packages: Vec<PackageDifference>,
    /// How many more there are.
    pub more_packages: u64,
    /// Where the two logs part.
    pub divergence: Option<LogDivergence>,
}

/// A test's run without the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineRun {
    /// The job that ran it.
    pub job: JobId,
    /// How that ended.
    pub outcome: Option<Outcome>,
    /// Its result; none where it came to none.
    pub status: Option<TestStatus>,
    /// Why.
    pub reason: Option<String>,
    /// The run that its result was taken from, since it was of the same in all.
    pub taken_from: Option<TakenFrom>,
}

/// An earlier run of the same test on the same base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TakenFrom {
    /// The ticket.
    pub ticket: TicketId,
    /// The job.
    pub job: JobId,
}

/// A package that two testbeds did not have in the same version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackageDifference {
    /// Its name.
    pub name: String,
    /// Its version with the change; none where it was not there.
    pub with: Option<String>,
    /// Its version without the change; none where it was not there.
    pub without: Option<String>,
}

impl fmt::Display for PackageDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "not there".to_owned());
        write!(
            f,
            "{} {}, without the change {}",
            self.name,
            version(&self.with),
            version(&self.without)
        )
    }
}

/// The first lines in which two logs of a test differ, times and the like left out. None stands for a log that had ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogDivergence {
    /// With the change.
    pub with: Option<LogLine>,
    /// Without it.
    pub without: Option<LogLine>,
}

/// A line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// The job.
    pub job: JobId,
    /// The line, counted from 1.
    pub line: u64,
    /// What it says, without control characters.
    pub text: String,
}
