//! Outcomes, test results, artifacts and lock entries as plain data.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::ids::{Attempt, JobId, Sha256};

/// How a job or a ticket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// All went well.
    Pass,
    /// A test failed.
    Fail,
    /// At least one test was skipped or flaky, none failed.
    Skipped,
    /// There was no test, or none but superficial ones passed.
    NoTests,
    /// The package does not build or install.
    BadPackage,
    /// The testbed failed, not the package.
    TestbedBroken,
    /// Ended by its owner.
    Cancelled,
}

impl Outcome {
    /// Whether what needs the job may go on after it. A test's failure stops nothing but is no success either.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Pass | Self::Skipped | Self::NoTests)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
            Self::NoTests => "no tests",
            Self::BadPackage => "bad package",
            Self::TestbedBroken => "testbed broken",
            Self::Cancelled => "cancelled",
        })
    }
}

/// A test's result in autopkgtest's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TestStatus {
    /// It passed; a superficial test has the reason `superficial`.
    Pass,
    /// It failed.
    Fail,
    /// It was not run, or said that it can't.
    Skip,
    /// It failed and is marked flaky.
    Flaky,
}

/// One dep8 test's result, as the job that ran it reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The source package that it belongs to.
    pub source: String,
    /// Its name; `*` means the whole package.
    pub name: String,
    /// Its result.
    pub status: TestStatus,
    /// Why, in autopkgtest's words.
    pub reason: Option<String>,
    /// How long the test itself ran.
    pub duration: Duration,
    /// The line of the job's log at which its output starts, counted from 1.
    pub log_line: Option<u64>,
}

/// A test's result with the run that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRecord {
    /// The job that ran it.
    pub job: JobId,
    /// Which run of the job.
    pub attempt: Attempt,
    /// The result.
    pub result: TestResult,
}

/// A file that a job has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its name, such as `hello_2.10-3_amd64.deb`.
    pub name: String,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// Where it is kept.
    pub path: PathBuf,
}

/// An artifact with the run that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRecord {
    /// The job that made it.
    pub job: JobId,
    /// Which run of the job.
    pub attempt: Attempt,
    /// The file.
    pub artifact: Artifact,
}

/// One fetch of a job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockEntry {
    /// The canonical URL.
    pub url: String,
    /// The digest of what was answered.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// Of a package, the URL of the folder of the suite that it came from.
    pub origin: Option<String>,
}
