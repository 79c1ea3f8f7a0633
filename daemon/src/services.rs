//! The traits by which dispatcher and server meet what does the work: executor, intake, images and the host's doctor.
//! Both sides are written and tested apart; nothing here knows how either is made.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use preflight_bundle::BaseFacts;
use preflight_core::schedule::Demands;
use preflight_core::{
    Attempt, ImageId, ImageName, ImageRecord, JobId, JobKind, Options, PackageSources, Priority, Rerun, Series,
    Signature, SubticketId, Ticket,
};
use preflight_protocol::error::RpcError;
use preflight_protocol::health::Check;
use preflight_protocol::image::{ExportFormat, ImageDifference, ImageFiles, RebuiltImage};
use preflight_protocol::method;
use preflight_store::TicketFolder;
use tokio_util::sync::CancellationToken;

use crate::disk::DiskKeeper;
use crate::loans::Loans;
use crate::ppas::Ppas;
pub use crate::reports::{JobReport, Reports};
pub use crate::room::{JobRoom, Wider};
use crate::shells::Shells;
use crate::snapshots::Snapshots;
pub use crate::staging::Staging;
use crate::transfer::Transfer;

/// All that does the work.
#[derive(Clone)]
pub struct Services {
    /// Runs jobs.
    pub executor: Arc<dyn Executor>,
    /// Judges what is submitted.
    pub intake: Arc<dyn Intake>,
    /// Keeps images.
    pub images: Arc<dyn Images>,
    /// Knows images that are made for themselves, and what people call images.
    pub rebuilt_images: Arc<dyn RebuiltImages>,
    /// Knows the archive's snapshots.
    pub snapshots: Arc<dyn Snapshots>,
    /// Knows the repositories that are added.
    pub ppas: Arc<dyn Ppas>,
    /// Looks at the host.
    pub doctor: Arc<dyn HostDoctor>,
    /// What a testbed takes of the host.
    pub demands: Demands,
    /// Keeps the disk within its budget.
    pub disk: Arc<dyn DiskKeeper>,
    /// Hands tickets to other machines, and takes theirs.
    pub transfer: Transfer,
    /// Opens shells.
    pub shells: Arc<dyn Shells>,
    /// Lends testbeds.
    pub loans: Arc<dyn Loans>,
}

/// One attempt of a job, as the dispatcher orders it.
#[derive(Debug, Clone)]
pub struct JobOrder {
    /// The ticket as it stands when the attempt starts: its options, subtickets, artifacts of earlier jobs, image.
    pub ticket: Arc<Ticket>,
    /// The job.
    pub job: JobId,
    /// Which run of it.
    pub attempt: Attempt,
    /// What is to be done.
    pub kind: JobKind,
    /// The subticket to do it for, where it is done for one.
    pub subticket: Option<SubticketId>,
    /// The one test that is run once more, where the job is a rerun.
    pub rerun: Option<Rerun>,
    /// Whether somebody waits for it, or it runs when nothing else is to be done.
    pub priority: Priority,
    /// Folders of the repositories of the PPA pool that the ticket holds: each gets what its own repository gets.
    pub pool: Vec<PathBuf>,
    /// The ticket's folder: staged sources, artifacts, result stream.
    pub folder: TicketFolder,
    /// The log, for [`preflight_store::LogWriter::create`]; neither it nor its side file exists yet.
    pub log: PathBuf,
    /// The log's side file.
    pub index: PathBuf,
    /// How long such a job took before: the median of those that passed.
    pub estimate: Option<Duration>,
    /// Room for testbeds beside the first, which needs none.
    pub room: JobRoom,
    /// Cancelled when the ticket is, or when the daemon stops: within 3 s the machine must be gone and `Finished`
    /// reported; after that the dispatcher takes the attempt for ended.
    pub cancel: CancellationToken,
}

/// Runs jobs.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Starts an attempt and returns at once; what becomes of it is told by `reports`.
    ///
    /// The last report must be [`JobReport::Finished`]. When all clones of `reports` are gone without one (the task
    /// has panicked, say), the attempt ends as `testbed broken`.
    fn start(&self, order: JobOrder, reports: Reports);

    /// Removes every machine and overlay that an earlier daemon has left behind. Called once at start, before
    /// anything is scheduled: interrupted jobs run again as new attempts, so that nothing that is found is of use,
    /// except what `live` names.
    ///
    /// # Errors
    /// Where the hypervisor cannot be asked. The daemon goes on, and says so in its status.
    async fn reconcile(&self, live: &[(JobId, Attempt)]) -> Result<(), RpcError>;

    /// A client looks at this ticket, and is likely to want a testbed of it: one may be made ahead, where the host can spare
    /// it.
    fn interest(&self, _ticket: Arc<Ticket>) {}
}

/// One source of what is submitted, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExaminedSource {
    /// The source package's name.
    pub name: String,
    /// The source package's version.
    pub version: String,
    /// Where it was submitted from.
    pub origin: PathBuf,
    /// How its signature was judged.
    pub signature: Signature,
    /// Where its files are, relative to the staging folder.
    pub staged: PathBuf,
    /// Whether it is a folder, of which a job must make a source package first.
    pub needs_source_package: bool,
    /// Places in [`Examined::sources`] of those that must be built before this one; each is less than its own place.
    pub build_after: Vec<usize>,
}

/// What is submitted, in order: nothing is stored of it yet but the staged files.
#[derive(Debug)]
pub struct Examined {
    /// The sources in the order in which they are built.
    pub sources: Vec<ExaminedSource>,
    /// The series to check on.
    pub series: Series,
    /// What the owner should know.
    pub warnings: Vec<String>,
    /// The staged files; gone with this value unless a ticket adopts them.
    pub staging: Staging,
}

/// What a rerun runs in the place of its ticket's own files.
#[derive(Debug)]
pub struct StagedRerun {
    /// The files, each at its place in a source tree; gone with this value unless a ticket adopts them.
    pub staging: Staging,
    /// The source that they are of, where they say so.
    pub source: Option<String>,
}

/// Judges what is submitted.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Verifies and stages the sources of a request. `owner` is who will own the ticket.
    ///
    /// # Errors
    /// [`preflight_protocol::error::ErrorCode::InvalidParams`] with what is wrong and where; nothing is kept then.
    async fn examine(&self, request: &method::TicketCreate, owner: &str) -> Result<Examined, RpcError>;

    /// Stages what a rerun is to run in the place of its ticket's own files: a source tree's `debian/control` and
    /// `debian/tests`, or one file of a `debian/tests`. `with` is absolute.
    ///
    /// # Errors
    /// [`preflight_protocol::error::ErrorCode::InvalidParams`] with what is wrong and where; nothing is kept then.
    async fn stage_rerun(&self, with: &std::path::Path) -> Result<StagedRerun, RpcError>;
}

/// What is written of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The disk's file: an absolute path.
    pub output: PathBuf,
    /// The disk's format.
    pub format: ExportFormat,
    /// A whole disk that boots by itself under UEFI, rather than the root file system's with kernel and initrd beside it.
    pub uefi: bool,
}

/// Keeps images.
#[async_trait]
pub trait Images: Send + Sync {
    /// All images that are there, in a stable order.
    ///
    /// # Errors
    /// Where the cache cannot be read.
    async fn list(&self) -> Result<Vec<ImageRecord>, RpcError>;

    /// Writes an image out as files of its owner's. Broken off, it leaves nothing.
    ///
    /// # Errors
    /// Where there is no such image, or it cannot be written.
    async fn get(&self, id: &ImageId, export: &Export) -> Result<ImageFiles, RpcError>;

    /// What differs between two images. Broken off, it leaves nothing.
    ///
    /// # Errors
    /// Where one is not there, or no testbed of it can be had.
    async fn diff(&self, from: &ImageId, to: &ImageId) -> Result<ImageDifference, RpcError>;

    /// Removes an image. The caller has made sure that no ticket uses it.
    ///
    /// # Errors
    /// Where there is no such image, or it cannot be removed.
    async fn remove(&self, id: &ImageId) -> Result<(), RpcError>;

    /// How a base image was made, for another machine; none of other images, and of one that is there no more.
    ///
    /// # Errors
    /// Where the cache cannot be read.
    async fn facts(&self, _id: &ImageId) -> Result<Option<BaseFacts>, RpcError> {
        Ok(None)
    }

    /// Whether a job must make a series' base images before anything else.
    ///
    /// # Errors
    /// [`preflight_protocol::error::ErrorCode::InvalidParams`] where there is no recipe for the series.
    async fn missing(&self, series: &Series) -> Result<bool, RpcError>;
}

/// An image that another one is to be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuildBase {
    /// Its series.
    pub series: Series,
    /// The image; none where the newest base image for tests of its series is meant.
    pub image: Option<ImageId>,
    /// Where its apt gets packages from.
    pub sources: PackageSources,
    /// Where it has what those name of other tickets' repositories.
    pub repositories: Option<PathBuf>,
}

/// What is known of an image beside its record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AboutImage {
    /// What people call it.
    pub names: Vec<ImageName>,
    /// What makes it more than its base image.
    pub rebuilt: Option<RebuiltImage>,
}

/// Knows images that are made for themselves, and what people call images.
#[async_trait]
pub trait RebuiltImages: Send + Sync {
    /// The image that is meant by a series, an image's own name, or what its owner calls it.
    ///
    /// # Errors
    /// Where there is none, or nothing can be made of it.
    async fn base(&self, word: &str) -> Result<RebuildBase, RpcError>;

    /// Whether an image may be called so.
    ///
    /// # Errors
    /// [`preflight_protocol::error::ErrorCode::InvalidParams`] with what is wrong.
    async fn name(&self, name: &str) -> Result<ImageName, RpcError>;

    /// The image that such a ticket would make, where it is there; it has the name then that was asked for.
    ///
    /// # Errors
    /// Where the options name no packages, or the cache cannot be read.
    async fn find(&self, series: &Series, options: &Options) -> Result<Option<ImageId>, RpcError>;

    /// An image's own name.
    ///
    /// # Errors
    /// Where there is no such image.
    async fn own_name(&self, name: &ImageId) -> Result<ImageId, RpcError>;

    /// What is known of an image beside its record, by its own name.
    ///
    /// # Errors
    /// Where the cache cannot be read.
    async fn about(&self, image: &ImageId) -> Result<AboutImage, RpcError>;
}

/// The host in a few words, for `daemon/status`; no more than what is known without waiting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostDescription {
    /// `kvm`, `tcg`, or `unknown` before the probe.
    pub accelerator: String,
    /// libvirt's URI.
    pub hypervisor: String,
    /// Machines that run now.
    pub machines: u32,
    /// What is wrong, for the owner.
    pub warnings: Vec<String>,
}

/// How often whatever runs gives a sign of life, on a host with working hardware acceleration.
pub const HEARTBEAT: Duration = Duration::from_secs(3);

/// Looks at the host.
#[async_trait]
pub trait HostDoctor: Send + Sync {
    /// What Preflight needs and how it was found. `fresh` probes again, whatever is remembered.
    async fn checks(&self, fresh: bool) -> Vec<Check>;

    /// The host as far as it is known now.
    fn describe(&self) -> HostDescription;

    /// How often whatever runs gives a sign of life on this host: 3 s, times its measured slowness.
    fn heartbeat(&self) -> Duration {
        HEARTBEAT
    }
}
