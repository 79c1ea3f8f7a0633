//! What all jobs share: images, the archive, the hypervisor, and where their files go. It answers "which image" and "which
//! archive"; what a job does with them is the pipeline's matter.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use preflight_archive::{Archive, Network, SigningKey};
use preflight_core::{ImageId, Series, TestPattern, Ticket};
use preflight_store::{LogWriter, TicketFolder};
use preflight_testbed::template::{TemplateId, TemplateStore};
use preflight_testbed::{DiskFormat, Hypervisor, InstallationId, MachineId, MiB};
use preflight_vm_images::{
    BaseImage, BootOptions, Catalogue, ImageStore, Mirrors, Recipe, RecipeName, Variant, compose_initrd,
    kernel_command_line,
};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::failure::StepFailure;
use super::log::JobLog;
use super::pool::Pool;
use super::templates::Templates;
use super::ticket_image::TicketImages;
use super::unpacked::UnpackedSources;
use crate::disk::Budget;

/// What guests call the ticket's repository: the same in all tickets.
pub(crate) const REPOSITORY: &str = "packages";

/// What the configuration says about jobs.
#[derive(Debug, Clone)]
pub struct JobSettings {
    /// Virtual processors of a testbed.
    pub cpus: u16,
    /// Memory of a testbed; the recipe's where it is missing.
    pub memory: Option<MiB>,
    /// Whether anything may be fetched.
    pub network: Network,
    /// Mirrors by recipe.
    pub mirrors: BTreeMap<String, Mirrors>,
    /// How long things may take.
    pub limits: Limits,
    /// How long tests may take, where that is not as for all; scaled as `limits` are.
    pub test_limits: Vec<(TestPattern, Duration)>,
    /// The static agent that every guest runs.
    pub agent: PathBuf,
    /// How many clones may be made ahead and held.
    pub pool: usize,
}

/// How long things may take under working hardware acceleration; [`Workshop::limit`] scales it for this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until a guest's agent answers, and until a guest has powered itself off.
    pub boot: Duration,
    /// A command that should take no time at all.
    pub short: Duration,
    /// Copying or unpacking.
    pub copy: Duration,
    /// Installing packages.
    pub install: Duration,
    /// One test.
    pub test: Duration,
    /// A build.
    pub build: Duration,
}

/// Where jobs' files go.
#[derive(Debug, Clone)]
pub struct JobFolders {
    /// A folder a machine: sockets and console.
    pub machines: PathBuf,
    /// Disks of testbeds, gone with them.
    pub overlays: PathBuf,
    /// Composed initrds, which can be made again.
    pub initrds: PathBuf,
    /// Sources as testbeds have unpacked them, which can be unpacked again.
    pub unpacked: UnpackedSources,
    /// How much of the disk they may take.
    pub budget: Budget,
}

/// Connects to the hypervisor when the first job needs it, so that a daemon starts on a host that lacks one.
#[async_trait]
pub trait HypervisorSource: Send + Sync {
    /// Connects, and starts what has to be started.
    ///
    /// # Errors
    /// What is missing and what to do, for people.
    async fn connect(&self) -> Result<Arc<dyn Hypervisor>, String>;

    /// The hypervisor, if it was connected to.
    fn connected(&self) -> Option<Arc<dyn Hypervisor>>;

    /// How many times slower guests are here than under working hardware acceleration; 1 or more.
    fn slowness(&self) -> f64;
}

/// What all jobs share.
pub struct Workshop {
    /// The base images.
    pub images: ImageStore,
    /// The tickets' images.
    pub ticket_images: TicketImages,
    /// The templates from which testbeds are cloned.
    pub templates: Templates,
    /// Machines that are being taken down although nobody waits for it.
    pub(super) tidying: TaskTracker,
    pub(super) pool: Pool,
    /// Whether what an earlier daemon left is gone: what is made before that would go with it.
    swept: watch::Sender<bool>,
    /// The recipes.
    pub catalogue: Catalogue,
    /// Where packages come from.
    pub archive: Archive,
    /// Signs ticket repositories.
    pub key: SigningKey,
    /// What the configuration says.
    pub settings: JobSettings,
    /// Where files go.
    pub folders: JobFolders,
    hypervisor_source: Arc<dyn HypervisorSource>,
    installation: InstallationId,
    next_machine: AtomicU64,
    /// Composed initrds by base image: agent and modules stay what they are while the daemon runs.
    known_initrds: Mutex<HashMap<String, PathBuf>>,
}

/// An image as a testbed boots it.
#[derive(Debug, Clone)]
pub struct BootImage {
    /// The ticket's image, where it is one.
    pub id: Option<String>,
    /// Its disk, which no machine writes to.
    pub disk: PathBuf,
    /// The disk's format.
    pub format: DiskFormat,
    /// What the disk is an overlay of.
    pub backing: Vec<(PathBuf, DiskFormat)>,
    /// The base image that it is, or is made of.
    pub base: BaseImage,
    /// A template that was frozen in the making of this image.
    pub template: Option<TemplateId>,
}

impl BootImage {
    pub(crate) fn of_base(base: BaseImage) -> Self {
        Self {
            id: None,
            template: None,
            disk: base.disk(),
            format: DiskFormat::Raw,
            backing: Vec::new(),
            base,
        }
    }

    /// The unprivileged user's name.
    #[must_use]
    pub fn user(&self) -> &str {
        self.base.metadata.user.name.as_str()
    }

    /// Debian's name of its architecture.
    #[must_use]
    pub fn architecture(&self) -> &str {
        self.base.metadata.architecture.as_str()
    }
}

impl Workshop {
    /// Puts the parts together.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "called once, where everything is put together")]
    pub fn new(
        images: ImageStore,
        ticket_images: TicketImages,
        templates: TemplateStore,
        catalogue: Catalogue,
        archive: Archive,
        key: SigningKey,
        settings: JobSettings,
        folders: JobFolders,
        installation: InstallationId,
        hypervisor_source: Arc<dyn HypervisorSource>,
    ) -> Self {
        // A machine's number must not come back while an earlier daemon's machine of that number may live.
        let start = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs() % 100_000_000);
        Self {
            images,
            ticket_images,
            templates: Templates::new(templates),
            tidying: TaskTracker::new(),
            pool: Pool::default(),
            swept: watch::Sender::new(false),
            catalogue,
            archive,
            key,
            settings,
            folders,
            hypervisor_source,
            installation,
            next_machine: AtomicU64::new(start * 100),
            known_initrds: Mutex::default(),
        }
    }

    /// The hypervisor, connected to by the first who asks.
    ///
    /// # Errors
    /// What the host lacks.
    pub async fn hypervisor(&self) -> Result<Arc<dyn Hypervisor>, StepFailure> {
        self.hypervisor_source.connect().await.map_err(StepFailure::Testbed)
    }

    /// The hypervisor, if somebody has connected.
    #[must_use]
    pub fn connected(&self) -> Option<Arc<dyn Hypervisor>> {
        self.hypervisor_source.connected()
    }

    /// A time-out as it is meant for hardware acceleration, for this host.
    #[must_use]
    pub fn scaled(&self, limit: Duration) -> Duration {
        Duration::try_from_secs_f64(limit.as_secs_f64() * self.slowness()).unwrap_or(Duration::MAX)
    }

    /// One of the configured limits, for this host.
    #[must_use]
    pub fn limit(&self, choose: impl FnOnce(&Limits) -> Duration) -> Duration {
        self.scaled(choose(&self.settings.limits))
    }

    /// How many times slower guests are here than under working hardware acceleration.
    #[must_use]
    pub fn slowness(&self) -> f64 {
        self.hypervisor_source.slowness().max(1.0)
    }

    /// What an earlier daemon left is gone.
    pub(super) fn set_swept(&self) {
        self.swept.send_replace(true);
    }

    /// Waits until what an earlier daemon left is gone.
    pub(crate) async fn until_swept(&self) {
        // It fails only when this value is gone, and nobody waits then.
        let _ = self.swept.subscribe().wait_for(|swept| *swept).await;
    }

    /// A log for what no job does, gone with the folder that holds it.
    pub(super) fn scratch_log(&self, prefix: &str) -> Result<(JobLog, TempDir), StepFailure> {
        let broken = |error: std::io::Error| StepFailure::Testbed(format!("a testbed's log: {error}"));
        let scratch = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(&self.folders.overlays)
            .map_err(broken)?;
        let log = LogWriter::create(&scratch.path().join("log"), &scratch.path().join("index")).map_err(broken)?;
        Ok((JobLog::section(log).0, scratch))
    }

    /// A name that no machine of this installation has.
    pub fn new_machine(&self) -> MachineId {
        MachineId::new(
            self.installation.clone(),
            self.next_machine.fetch_add(1, Ordering::Relaxed),
        )
    }

    /// The recipe of a series.
    ///
    /// # Errors
    /// There is none (any more).
    pub fn recipe(&self, series: &Series) -> Result<&Recipe, StepFailure> {
        self.catalogue
            .find(series.as_str())
            .map_err(|error| StepFailure::Testbed(error.to_string()))
    }

    /// The newest base image of a series.
    ///
    /// # Errors
    /// There is none, or the store cannot be read.
    pub fn base(&self, series: &Series, variant: Variant) -> Result<BootImage, StepFailure> {
        let name: RecipeName = self.recipe(series)?.name();
        match self.images.newest(&name, variant) {
            Ok(Some(image)) => Ok(BootImage::of_base(image)),
            Ok(None) => Err(StepFailure::Testbed(format!(
                "there is no base image of {series} ({variant}): run `preflight image build {series}`"
            ))),
            Err(error) => Err(StepFailure::Testbed(error.to_string())),
        }
    }

    /// A base image by its name.
    ///
    /// # Errors
    /// It is gone.
    pub fn base_named(&self, id: &ImageId) -> Result<BootImage, StepFailure> {
        match self.images.get(id.as_str()) {
            Ok(image) => Ok(BootImage::of_base(image)),
            Err(error) => Err(StepFailure::Testbed(format!(
                "the base image {id} cannot be used: {error}"
            ))),
        }
    }

    /// The image that a ticket's tests run on.
    ///
    /// # Errors
    /// It is gone, or the base image that it is made of is.
    pub fn ticket_image(&self, ticket: &Ticket) -> Result<BootImage, StepFailure> {
        let gone = |error: String| StepFailure::Testbed(format!("the ticket's image cannot be used: {error}"));
        let id = ticket.image.as_ref().ok_or_else(|| gone("none was made".into()))?;
        let image = self
            .ticket_images
            .get(id.as_str())
            .map_err(|error| gone(error.to_string()))?;
        let base = self.images.get(&image.base).map_err(|error| gone(error.to_string()))?;
        Ok(BootImage {
            id: Some(image.id),
            template: image.template,
            disk: image.disk,
            format: DiskFormat::Qcow2,
            backing: vec![(base.disk(), DiskFormat::Raw)],
            base,
        })
    }

    /// The initrd with which an image boots: its modules and this release's agent.
    ///
    /// # Errors
    /// The agent is missing, or the disk is full.
    pub fn initrd(&self, image: &BaseImage) -> Result<PathBuf, StepFailure> {
        let mut known = self.known_initrds.lock().unwrap_or_else(PoisonError::into_inner);
        let id = image.id().to_string();
        if let Some(initrd) = known.get(&id).filter(|initrd| initrd.is_file()) {
            return Ok(initrd.clone());
        }
        let initrd = compose_initrd(image, &self.settings.agent, &self.folders.initrds)
            .map_err(|error| StepFailure::Testbed(error.to_string()))?;
        known.insert(id, initrd.clone());
        Ok(initrd)
    }

    /// The kernel command line with which an image boots.
    #[must_use]
    pub fn command_line(image: &BaseImage, emulated: bool) -> String {
        kernel_command_line(
            image,
            BootOptions {
                emulated,
                verbose: false,
            },
        )
    }
}

/// Where a ticket's repository is published.
pub(crate) fn repository(folder: &TicketFolder) -> PathBuf {
    folder.root().join("repository")
}
