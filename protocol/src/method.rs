//! Requests: one type a method, with its answer and its name.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use crate::archive::{ArchiveDiff, ArchiveList, ArchivePrune, ArchiveShow, ArchiveUpdate};
use crate::archive::{ArchivePruned, ArchiveSnapshot, ArchiveUpdating, Lock, SnapshotDiff};
use crate::disk::{Freed, Usage};
use crate::handshake::{ClientHello, DaemonHello};
use crate::health::{Check, DaemonStatus};
use crate::ids::{Attempt, ImageId, JobId, Sequence, Series, TicketId};
use crate::image::{ExportFormat, ImageChoice, ImageDetails, ImageDifference, ImageFiles, ImageInfo, ImageRebuilding};
pub use crate::image::{ImageRebuild, ImageShow};
use crate::log::{LogInfo, LogName, LogRange};
use crate::package_sources::AskedSources;
use crate::pool::PoolRepository;
pub use crate::pool::{PoolGrow, PoolList, PoolRelease};
use crate::ppa::{Ppa, PpaRefreshed};
pub use crate::ppa::{PpaAdd, PpaList, PpaRefresh, PpaRemove, PpaShow};
pub use crate::prefetch::{ArchivePrefetch, ArchivePrefetched};
use crate::prefetch::{ArchivePrefetching, PrefetchResult};
use crate::promotion::{LinkInfo, LinkStanding, Promoted};
pub use crate::promotion::{Promote, PromotionCheck, PromotionList, RollBack};
use crate::replay::{Agreement, TicketReplaying};
pub use crate::replay::{TicketAgreement, TicketReplay};
use crate::repository::{ExportedRepository, Generation, Repository, RepositoryChanges};
pub use crate::repository::{RepositoryDiff, RepositoryExport, RepositoryList, RepositoryShow};
pub use crate::result_export::ResultsExport;
use crate::result_export::ResultsExported;
pub use crate::results::ResultsImport;
use crate::results::ResultsImported;
use crate::shell::{ShellOpen, ShellOpened};
use crate::test_options::TestOptions;
use crate::testbed::Testbed;
pub use crate::testbed::{TestbedClose, TestbedOpen, TestbedReboot, TestbedRevert};
use crate::ticket::{KeepFailed, Priority, Ticket, TicketSummary};
pub use crate::transfer::{TicketExport, TicketImport};
use crate::transfer::{TicketExported, TicketImported};
use crate::verdict::{JudgedTest, TicketBaselining};
pub use crate::verdict::{TicketBaseline, TicketVerdicts};

/// A request that clients send: the implementing type is its parameters.
pub trait Method: Serialize + DeserializeOwned + JsonSchema {
    /// The method's name on the wire.
    const NAME: &'static str;
    /// What is answered.
    type Answer: Serialize + DeserializeOwned + JsonSchema;
}

macro_rules! methods {
    ($($params:ident => $name:literal, $answer:ty;)*) => {
        $(impl Method for $params {
            const NAME: &'static str = $name;
            type Answer = $answer;
        })*

        /// Every method's name with the schemas of its parameters and its answer.
        #[must_use]
        pub fn schemas() -> Vec<(&'static str, schemars::Schema, schemars::Schema)> {
            vec![$(($name, schemars::schema_for!($params), schemars::schema_for!($answer)),)*]
        }
    };
}

methods! {
    Initialize => "initialize", DaemonHello;
    Subscribe => "subscribe", Snapshot;
    TicketCreate => "ticket/create", TicketCreated;
    TicketList => "ticket/list", Vec<TicketSummary>;
    TicketShow => "ticket/show", Ticket;
    TicketUpdate => "ticket/update", TicketSummary;
    TicketCancel => "ticket/cancel", TicketSummary;
    TicketRerun => "ticket/rerun", TicketRerunning;
    TicketRemove => "ticket/remove", Empty;
    TicketExport => "ticket/export", TicketExported;
    TicketImport => "ticket/import", TicketImported;
    TicketReplay => "ticket/replay", TicketReplaying;
    TicketAgreement => "ticket/agreement", Agreement;
    TicketBaseline => "ticket/baseline", TicketBaselining;
    TicketVerdicts => "ticket/verdicts", Vec<JudgedTest>;
    LogList => "log/list", Vec<LogInfo>;
    LogRead => "log/read", LogRange;
    ResultStream => "result/stream", Vec<ResultStreamFile>;
    ResultsImport => "results/import", ResultsImported;
    ResultsExport => "results/export", ResultsExported;
    LockShow => "lock/show", Vec<Lock>;
    ImageList => "image/list", Vec<ImageInfo>;
    ImageShow => "image/show", ImageDetails;
    ImageBuild => "image/build", ImageBuilding;
    ImageRebuild => "image/rebuild", ImageRebuilding;
    ImageGet => "image/get", ImageFiles;
    ImageRemove => "image/remove", Empty;
    ImageDiff => "image/diff", ImageDifference;
    ArchiveUpdate => "archive/update", ArchiveUpdating;
    ArchiveList => "archive/list", Vec<ArchiveSnapshot>;
    ArchiveShow => "archive/show", ArchiveSnapshot;
    ArchiveDiff => "archive/diff", SnapshotDiff;
    ArchivePrune => "archive/prune", ArchivePruned;
    ArchivePrefetch => "archive/prefetch", ArchivePrefetching;
    ArchivePrefetched => "archive/prefetched", PrefetchResult;
    RepositoryList => "repository/list", Vec<Repository>;
    RepositoryShow => "repository/show", Generation;
    RepositoryDiff => "repository/diff", RepositoryChanges;
    RepositoryExport => "repository/export", ExportedRepository;
    Promote => "promotion/promote", Promoted;
    RollBack => "promotion/roll_back", Promoted;
    PromotionList => "promotion/list", Vec<LinkInfo>;
    PromotionCheck => "promotion/check", Vec<LinkStanding>;
    PoolList => "pool/list", Vec<PoolRepository>;
    PoolGrow => "pool/grow", Vec<PoolRepository>;
    PoolRelease => "pool/release", Vec<PoolRepository>;
    PpaAdd => "ppa/add", Vec<Ppa>;
    PpaList => "ppa/list", Vec<Ppa>;
    PpaShow => "ppa/show", Ppa;
    PpaRefresh => "ppa/refresh", Vec<PpaRefreshed>;
    PpaRemove => "ppa/remove", Empty;
    DiskUsage => "disk/usage", Usage;
    DiskFree => "disk/free", Freed;
    ShellOpen => "shell/open", ShellOpened;
    TestbedOpen => "testbed/open", Testbed;
    TestbedRevert => "testbed/revert", Testbed;
    TestbedReboot => "testbed/reboot", Testbed;
    TestbedClose => "testbed/close", Empty;
    Status => "daemon/status", DaemonStatus;
    Doctor => "daemon/doctor", Vec<Check>;
    Stop => "daemon/stop", Empty;
}

/// No answer but that it was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Empty {}

/// The first request: who is there, and which protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Initialize(pub ClientHello);

/// From now on, send events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subscribe {
    /// Only this ticket's events.
    pub ticket: Option<TicketId>,
}

/// All that a subscriber needs to know before the events after `seq`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// The last event that is contained.
    pub seq: Sequence,
    /// The tickets, newest first.
    pub tickets: Vec<TicketSummary>,
    /// The ticket that was asked for, whole.
    pub ticket: Option<Box<Ticket>>,
    /// The daemon.
    pub daemon: DaemonStatus,
}

/// How signatures of source packages are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignaturePolicy {
    /// They are not looked at.
    Ignore,
    /// A missing or unknown one is a warning; a broken one too.
    Warn,
    /// Only what a known key has signed is taken.
    Require,
}

/// Make a ticket. Either all is in order and a ticket is made, or nothing is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketCreate {
    /// Folders, `.dsc` or `_source.changes` files, as absolute paths.
    pub sources: Vec<PathBuf>,
    /// Its title; the sources' names and versions where it is missing.
    pub title: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// The bug that it fixes.
    pub bug: Option<String>,
    /// Who made it; the peer's user name where it is missing.
    pub owner: Option<String>,
    /// The series; from the sources' changelogs or the configuration where it is missing.
    pub series: Option<String>,
    /// Packages that the image gets besides the ticket's own.
    #[serde(default)]
    pub add_packages: Vec<String>,
    /// Packages that are removed from the image.
    #[serde(default)]
    pub remove_packages: Vec<String>,
    /// How signatures are treated; the configuration says where it is missing.
    pub signatures: Option<SignaturePolicy>,
    /// Make the ticket, but do not queue it.
    #[serde(default)]
    pub wait: bool,
    /// Where its packages come from beside its own.
    #[serde(default)]
    pub package_sources: AskedSources,
    /// Refuse to fetch anything from the network for this ticket.
    #[serde(default)]
    pub offline: bool,
    /// Seconds after which one test is ended; autopkgtest's 10000 where it is missing.
    pub test_timeout_s: Option<u32>,
    /// Seconds after which a build is ended; autopkgtest's 100000 where it is missing.
    pub build_timeout_s: Option<u32>,
    /// Run a source's other tests to their end though its health test has failed.
    #[serde(default)]
    pub keep_going: bool,
    /// Whether testbeds of failed attempts are kept; that of the newest failure where it is missing.
    #[serde(default)]
    pub keep_failed: KeepFailed,
    /// Whose jobs go first; normal where it is missing.
    #[serde(default)]
    pub priority: Priority,
    /// Reserve a repository of the PPA pool for it, in which its packages are published, too. It waits in the queue until one is free.
    #[serde(default)]
    pub pool: bool,
    /// How its tests are run.
    #[serde(default, skip_serializing_if = "TestOptions::is_default")]
    pub tests: TestOptions,
}

/// The ticket that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TicketCreated {
    /// Its number.
    pub id: TicketId,
    /// What the owner should know, such as an unsigned source.
    pub warnings: Vec<String>,
}

/// The tickets, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketList {
    /// Only those that have not ended.
    #[serde(default)]
    pub open: bool,
}

/// One ticket, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketShow {
    /// Its number.
    pub id: TicketId,
}

/// Change a ticket. What is missing stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketUpdate {
    /// Its number.
    pub id: TicketId,
    /// The new title.
    pub title: Option<String>,
    /// The new description.
    pub description: Option<String>,
    /// The new bug.
    pub bug: Option<String>,
    /// The new owner.
    pub owner: Option<String>,
    /// Queue it.
    #[serde(default)]
    pub queue: bool,
    /// Whether it is kept: its evidence is freed last, and it cannot be removed.
    pub keep: Option<bool>,
}

/// End a ticket: its running job and that job's machine are gone within 3 s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketCancel {
    /// Its number.
    pub id: TicketId,
}

/// Run one test of a ticket once more, on the ticket's image, which must be there. The ticket may have ended; whatever
/// comes of it, the ticket stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketRerun {
    /// The ticket.
    pub ticket: TicketId,
    /// `SOURCE/TEST`, or `TEST` where that can be of one source only.
    pub test: String,
    /// What takes the place of the ticket's own files: a source tree, of which `debian/control` and `debian/tests` are
    /// taken, or one file of a `debian/tests`; an absolute path. The result is marked dirty then.
    pub with: Option<PathBuf>,
}

/// The job that runs the test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketRerunning {
    /// Its number.
    pub job: JobId,
    /// Its attempt: the first.
    pub attempt: Attempt,
}

/// Remove an ended ticket with all that belongs to it: logs, artifacts, results, kept testbeds, its image. One that is
/// kept must be given free first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketRemove {
    /// The ticket.
    pub ticket: TicketId,
}

/// A ticket's logs, in the order of its jobs and their attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogList {
    /// The ticket.
    pub ticket: TicketId,
    /// Only this job's.
    pub job: Option<JobId>,
}

/// A piece of a log, for a client that cannot read the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogRead {
    /// The ticket.
    pub ticket: TicketId,
    /// The log.
    pub log: LogName,
    /// The first byte.
    pub offset: u64,
    /// How many bytes at most; never more than 1 MiB are answered.
    pub length: u32,
}

/// Where a ticket's subunit v2 stream is: one file for each test job's newest attempt, in the order of the jobs; reruns
/// are left out. A
/// concatenation of subunit v2 streams is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultStream {
    /// The ticket.
    pub ticket: TicketId,
}

/// A test job's subunit v2 stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultStreamFile {
    /// The job that writes it.
    pub job: JobId,
    /// The file; it grows while tests run.
    pub path: PathBuf,
    /// Its length in bytes now.
    pub size: u64,
}

/// The locks of a ticket's jobs: each job's newest attempt, or that of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockShow {
    /// The ticket.
    pub ticket: TicketId,
    /// The job; all of them where it is missing.
    #[serde(default)]
    pub job: Option<JobId>,
}

/// All images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageList {}

/// Build a series' base images from the archive as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageBuild {
    /// The recipe.
    pub series: Series,
}

/// The ticket whose job builds the base images; follow it as any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageBuilding {
    /// Its number.
    pub ticket: TicketId,
}

/// Write a ticket's image, or any image by its name, as files of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageGet {
    /// The ticket.
    pub ticket: Option<TicketId>,
    /// The image, where no ticket is given.
    pub image: Option<ImageId>,
    /// The disk's absolute path; kernel and initrd are put beside it.
    pub output: PathBuf,
    /// The disk's format; qcow2 where it is missing.
    #[serde(default)]
    pub format: ExportFormat,
    /// A whole disk that boots by itself under UEFI: partition table, system partition with kernel and initrd, root.
    #[serde(default)]
    pub uefi: bool,
}

/// How two images differ: packages, and files by kind, mode, owner, size and contents. What an image holds is found out
/// once, in a testbed of it, which takes some tens of seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageDiff {
    /// What is compared with.
    pub from: ImageChoice,
    /// What is looked at.
    pub to: ImageChoice,
}

/// Remove an image that no ticket uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageRemove {
    /// Its name.
    pub id: ImageId,
}

/// What takes the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiskUsage {
    /// How many of the largest items to list; 20 where it is missing.
    pub items: Option<u32>,
}

/// Free disk: what can be made again first, what is in use never. Without `to` and `all` until the budget is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiskFree {
    /// Free until no more than these bytes are used.
    pub to: Option<u64>,
    /// Free all that may go, except what belongs to kept tickets.
    #[serde(default)]
    pub all: bool,
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// The daemon as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {}

/// What the host has and lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Doctor {
    /// Probe again, whatever is remembered.
    #[serde(default)]
    pub fresh: bool,
}

/// Stop the daemon gracefully.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stop {}
