//! Outcomes, test results and artifacts.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{JobId, Sha256};

/// How a job or a ticket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All went well: exit code 0.
    Pass,
    /// A test failed: exit codes 4 and 6.
    Fail,
    /// At least one test was skipped or flaky, none failed: exit code 2.
    Skipped,
    /// There was no test, or none but superficial ones passed: exit code 8.
    NoTests,
    /// The package does not build or install: exit codes 12 and 14.
    BadPackage,
    /// The testbed failed, not the package: exit code 16.
    TestbedBroken,
    /// Ended by its owner: exit code 130.
    Cancelled,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
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

impl fmt::Display for TestStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Skip => "SKIP",
            Self::Flaky => "FLAKY",
        })
    }
}

/// One dep8 test's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestResult {
    /// The source package that it belongs to.
    pub source: String,
    /// Its name; `*` means the whole package.
    pub name: String,
    /// Its result.
    pub status: TestStatus,
    /// Why, in autopkgtest's words, such as `non-zero exit status 1`.
    pub reason: Option<String>,
    /// Seconds that the test itself ran.
    pub duration_s: f64,
    /// The job that ran it.
    pub job: JobId,
    /// The line of the job's log at which its output starts, counted from 1.
    pub log_line: Option<u64>,
    /// Whether it ran files that are not the ticket's: it never counts for a promotion or a submission.
    #[serde(default)]
    pub dirty: bool,
}

/// A file that a job has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    /// Its name, such as `hello_2.10-3_amd64.deb`.
    pub name: String,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// Where it is kept.
    pub path: PathBuf,
    /// The job that made it.
    pub job: JobId,
}
