//! Outcomes, test results, findings and artifacts.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Attempt, JobId, Sha256};
use crate::verdict::Verdict;

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
    /// What it means against its baseline and further runs; none where it speaks for itself, or nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// What a run revealed besides its outcome: what a testbed tried to reach, and was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The job that ran.
    pub job: JobId,
    /// Which run of it.
    pub attempt: Attempt,
    /// The source package that the job works on, where it works on one.
    pub source: Option<String>,
    /// The test whose doing it is; none for what happened in a build, an image's making, or before a test.
    pub test: Option<String>,
    /// What was found.
    pub kind: FindingKind,
    /// Whether that was to be expected: the test says `needs-internet`.
    pub declared: bool,
    /// The line of the job's log that tells of it first, counted from 1.
    pub log_line: Option<u64>,
    /// How often it happened, at least: a guest tells the same once in some seconds.
    pub count: u64,
    /// All of this in one line for people.
    pub text: String,
}

impl Finding {
    /// How bad the log's line is; none for what is no line of a log.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        match self.kind {
            FindingKind::Log { severity, .. } => Some(severity),
            _ => None,
        }
    }

    /// Whose doing it is: a test, or the job that ran where it is no test's.
    #[must_use]
    pub fn subject(&self) -> String {
        match (&self.source, &self.test) {
            (Some(source), Some(test)) => format!("{source}/{test}"),
            (None, Some(test)) => test.clone(),
            (_, None) => format!("job {}", self.job),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum FindingKind {
    /// A guest tried to reach the network that it does not have.
    Network {
        /// How.
        protocol: NetworkProtocol,
        /// Whom; the name server, where a name was looked up.
        destination: IpAddr,
        /// The name that was looked up.
        name: Option<String>,
        /// The destination's port, where the protocol has ports.
        port: Option<u16>,
        /// Who, if it was still there to be found.
        process: Option<GuestProcess>,
    },
    /// A guest asked the package tunnel for what it may not have, such as what the lock of a sealed testbed does not name.
    Fetch {
        /// The URL.
        url: String,
        /// Why it was refused.
        reason: String,
    },
    /// Attempts of any kind that were too many or came too fast to be told one by one.
    Unlisted,
    /// A line of the log that matters.
    Log {
        /// How bad it is.
        severity: Severity,
        /// The tool that says it, such as `gcc` or `dh`.
        tool: String,
        /// What it says.
        message: String,
        /// What it is about, where the log says so.
        place: Option<FilePlace>,
    },
}

/// How bad a log's line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// What it says has failed, or has made something fail.
    Error,
    /// It may be wrong, and nothing failed by it.
    Warning,
    /// It is said beside others.
    Note,
}

/// A place in a file, as a log tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FilePlace {
    /// The file: relative to the source's tree where it is there, otherwise as the log names it.
    pub file: String,
    /// Whether the source has this file.
    pub in_source: bool,
    /// The line, as the tool counts it: nearly always from 1.
    pub line: Option<u32>,
    /// The column, as the tool counts it: most from 1, some (meson) from 0.
    pub column: Option<u32>,
}

/// How a guest tried to reach the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkProtocol {
    /// A TCP connection.
    Tcp,
    /// A UDP datagram.
    Udp,
    /// A name to look up.
    Dns,
    /// An ICMP echo.
    Ping,
    /// An IP protocol by its number.
    Other(u8),
}

/// A process in a guest, as the guest tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GuestProcess {
    /// Its number; of several like it, the first one's.
    pub pid: u32,
    /// Its user's number.
    pub uid: u32,
    /// Its name.
    pub name: String,
    /// Its command and arguments; the first ones, where they are many.
    pub command_line: Vec<String>,
    /// The names of its ancestors, parent first.
    pub parents: Vec<String>,
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
