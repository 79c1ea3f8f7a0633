//! A ticket as the file has it, with the numbers that it had where it was exported. Durations are microseconds.

use jiff::Timestamp;
use preflight_debian::Sha256Digest;
use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::name::EntryName;
use crate::test_options::TestOptions;

/// A ticket that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// Its title.
    pub title: String,
    /// What the change is about.
    pub description: String,
    /// The bug that it fixes.
    pub bug: Option<String>,
    /// Who made it.
    pub owner: String,
    /// The series that it was checked on.
    pub series: String,
    /// How its jobs were to be done.
    pub options: Options,
    /// How it ended.
    pub status: Status,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was put in the queue.
    pub queued_at: Option<Timestamp>,
    /// When its first job started.
    pub started_at: Option<Timestamp>,
    /// How and when it ended.
    pub end: End,
    /// Its source packages.
    pub subtickets: Vec<Subticket>,
    /// Its jobs, each after those that it needs.
    pub jobs: Vec<Job>,
    /// The results of its jobs' newest attempts.
    pub tests: Vec<Test>,
    /// What its jobs' newest attempts have revealed besides.
    pub findings: Vec<Finding>,
    /// What its jobs' newest attempts have made.
    pub artifacts: Vec<Artifact>,
    /// The name of the image that its tests ran on.
    pub image: Option<String>,
    /// Warnings for the owner.
    pub warnings: Vec<String>,
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$word_doc])* $word,)*
        }
    )*};
}

words! {
    /// How a ticket ended.
    Status {
        /// At step 1000.
        Complete,
        /// At step 999.
        Failed,
        /// By its owner.
        Cancelled,
    }
    /// How a job or a ticket ended.
    Outcome {
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
        /// The testbed failed.
        TestbedBroken,
        /// Ended by its owner.
        Cancelled,
    }
    /// A test's result in autopkgtest's words.
    TestStatus {
        /// It passed.
        Pass,
        /// It failed.
        Fail,
        /// It was not run.
        Skip,
        /// It failed and is marked flaky.
        Flaky,
    }
    /// Where a job stands.
    JobState {
        /// Ended well.
        Passed,
        /// Ended badly.
        Failed,
        /// Ended by its ticket's cancelling.
        Cancelled,
        /// Was not run, because a job that it needs did not pass.
        Skipped,
    }
    /// Which failed testbeds were to be kept; none is carried.
    KeepFailed {
        /// None.
        Never,
        /// That of the newest failure.
        Newest,
        /// All.
        Always,
    }
    /// Whose jobs go first.
    Priority {
        /// Somebody waits for it.
        Interactive,
        /// Any ticket.
        Normal,
        /// When nothing else is to be done.
        Background,
    }
}

/// What a job does: the daemon's own word, such as `build`. A word that the reading daemon does not know is refused there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobKind(pub String);

/// How a ticket's jobs were to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Packages that the image got besides the ticket's own.
    pub add_packages: Vec<String>,
    /// Packages that were removed from the image.
    pub remove_packages: Vec<String>,
    /// Where packages came from.
    pub sources: PackageSources,
    /// Nothing was to be fetched from the network.
    pub offline: bool,
    /// After how long one test was to be ended.
    pub test_timeout_us: Option<u64>,
    /// After how long a build was to be ended.
    pub build_timeout_us: Option<u64>,
    /// A failed health test was not to end a source's other tests.
    pub keep_going: bool,
    /// Which failed testbeds were to be kept.
    pub keep_failed: KeepFailed,
    /// Whose jobs went first.
    pub priority: Priority,
    /// How its tests were run.
    #[serde(default, skip_serializing_if = "TestOptions::is_default")]
    pub tests: TestOptions,
    /// What it ran again, from its locks alone.
    pub replay_of: Option<ReplayOf>,
}

/// What a ticket ran again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayOf {
    /// The number, there, of that ticket.
    pub ticket: u64,
    /// The one job of it that was run again, where it was not all of them.
    pub job: Option<JobLabel>,
}

/// A job in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobLabel {
    /// What it does.
    pub kind: JobKind,
    /// The source that it does it for.
    pub source: Option<String>,
}

/// Where packages came from beside the ticket's own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageSources {
    /// The snapshot; without one, the archive as the base image has it.
    pub snapshot: Option<Snapshot>,
    /// Suites beside the release.
    pub pockets: Vec<Pocket>,
    /// Repositories that were added.
    pub ppas: Vec<Ppa>,
    /// What other tickets had built; their files are carried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<Repository>,
}

/// A suite, as a line of apt's sources names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The repository's URL without `dists/…`, with no secret in it.
    pub uri: String,
    /// The suite.
    pub suite: String,
    /// The components; none for a flat repository.
    pub components: Vec<String>,
}

/// A snapshot of a series' archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// The digest of the set of its release files.
    #[serde(with = "crate::digest")]
    pub state: Sha256Digest,
    /// The suites that every testbed of the series had.
    pub suites: Vec<Suite>,
}

/// A suite beside the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pocket {
    /// Its name, such as `proposed`.
    pub pocket: String,
    /// Its suite.
    pub suite: Suite,
    /// The packages that came from it, as autopkgtest's `--apt-pocket` has them; all where it is empty.
    pub packages: Vec<String>,
}

/// A state of another ticket's repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// The number of the ticket that had built it.
    pub ticket: u64,
    /// The digest of its `Release`.
    #[serde(with = "crate::digest")]
    pub generation: Sha256Digest,
    /// The promotion link by which it was asked for.
    pub link: Option<String>,
}

/// A repository that was added, without the secret that it may want.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ppa {
    /// Its name.
    pub name: String,
    /// Its suite.
    pub suite: Suite,
    /// Where it was fetched, with no secret in it: the suite's URL is the one that guests ask for.
    pub upstream: String,
    /// The keys that may sign it: OpenPGP certificates as armored text.
    pub keys: String,
    /// The digest of the set of its release files.
    #[serde(with = "crate::digest")]
    pub state: Sha256Digest,
    /// apt's priority of all its packages.
    pub priority: Option<i16>,
    /// The packages that came from it whatever their version.
    pub packages: Vec<String>,
}

/// How a ticket ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// How.
    pub outcome: Outcome,
    /// autopkgtest's exit code.
    pub exit_code: u8,
    /// One line that says why it failed.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// One source package upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subticket {
    /// Its number.
    pub number: u64,
    /// The source package's name.
    pub source: String,
    /// The source package's version.
    pub version: String,
    /// Where it was submitted from.
    pub origin: String,
    /// How its signature was judged.
    pub signature: Signature,
    /// The folder of its files: the beginning of their names, such as `sources/0-hello`.
    pub staged: EntryName,
    /// It was submitted as a folder, of which a job made a source package.
    pub needs_source_package: bool,
}

/// How a source package's signature was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", deny_unknown_fields)]
pub enum Signature {
    /// There was none, or nobody looked.
    None,
    /// Made by a known key.
    Good {
        /// The key's user ID.
        signer: String,
        /// The key's fingerprint.
        fingerprint: String,
    },
    /// Not by a known key, or it did not verify.
    Unverified {
        /// Why.
        reason: String,
    },
}

/// A job with its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Its number.
    pub number: u64,
    /// What it does.
    pub kind: JobKind,
    /// The number of the subticket that it works on.
    pub subticket: Option<u64>,
    /// The numbers of the jobs that it needed.
    pub needs: Vec<u64>,
    /// What it ran once more.
    pub rerun: Option<Rerun>,
    /// Where it stands.
    pub state: JobState,
    /// Why it was skipped or cancelled.
    pub reason: Option<String>,
    /// Every attempt, oldest first.
    pub attempts: Vec<Attempt>,
}

/// One test that was run once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rerun {
    /// The test's name.
    pub test: String,
    /// What for.
    #[serde(default, skip_serializing_if = "Purpose::is_default")]
    pub purpose: Purpose,
    /// It ran files that were not the ticket's; they are `reruns/JOB/…`.
    pub dirty: bool,
}

/// What a test was run once more for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Its owner asked for it.
    #[default]
    Asked,
    /// It had failed: whether it always did.
    Repeat,
    /// Whether it failed without the change, too.
    Baseline,
}

impl Purpose {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One run of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Which run, counted from 1.
    pub number: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How it ended; none for one that the daemon's death interrupted.
    pub outcome: Option<Outcome>,
    /// The exit code that belongs to the outcome.
    pub exit_code: Option<u8>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// Its log: `logs/LOG`, and `logs/LOG.idx` with offset, time and stream.
    pub log: String,
    /// The line that says why it failed.
    pub first_error: Option<FirstError>,
    /// Nothing was heard of it for ten heartbeats.
    pub unresponsive: bool,
}

/// The line of a log that says why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstError {
    /// The log, one of the ticket's attempts'.
    pub log: String,
    /// The line's number, counted from 1.
    pub line: u64,
    /// The line.
    pub text: String,
}

/// A test's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// The number of the job that ran it.
    pub job: u64,
    /// Which run of the job.
    pub attempt: u32,
    /// The source package that it belongs to.
    pub source: String,
    /// Its name.
    pub name: String,
    /// Its result.
    pub status: TestStatus,
    /// Why.
    pub reason: Option<String>,
    /// How long it ran.
    pub duration_us: u64,
    /// The line of the job's log at which its output starts, counted from 1.
    pub log_line: Option<u64>,
}

/// A file that a job has made: `artifacts/NAME`, unless it was freed before the export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// The number of the job that made it.
    pub job: u64,
    /// Which run of the job.
    pub attempt: u32,
    /// Its name.
    pub name: String,
    /// Its digest.
    #[serde(with = "crate::digest")]
    pub sha256: Sha256Digest,
    /// Its size in bytes.
    pub size: u64,
}
