//! Failed testbeds that are kept: frozen as the failure left them, in the ticket's folder, and independent of every template,
//! so that a look at them is possible for as long as their base image is there. Each look gets a clone: the evidence stays.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use preflight_core::{KeepFailed, Purpose, Rerun};
use preflight_testbed::overlay::rebase;
use preflight_testbed::{DiskFormat, Frozen, MachineId, MemoryName, Method, MiB};
use preflight_vm_images::BaseImage;
use serde::{Deserialize, Serialize};

use super::context::JobContext;
use super::failure::StepFailure;
use super::remains::Facts;
use super::testbed::Testbed;
use super::workshop::{BootImage, Workshop};
use crate::services::JobReport;

/// Bytes that a failed testbed takes on the disk, mostly its memory.
const USUAL_SIZE: u64 = 512 << 20;
const FORMAT: u32 = 1;
const RECORD: &str = "kept.json";
const DISK: &str = "disk.qcow2";
const STATE: &str = "state";
const CONSOLE: &str = "console.log";

/// Where and as whom the command ran that failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Its working directory.
    pub cwd: Option<String>,
    /// Its user; root where it is missing.
    pub user: Option<String>,
    /// Its environment, beyond the agent's basic one.
    pub env: Vec<(String, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    base: String,
    /// The ticket's image, where it ran one.
    image: Option<String>,
    memory_mib: u32,
    cpus: u16,
    memory_name: MemoryName,
    scene: Scene,
}

/// A failed testbed that is kept.
#[derive(Debug, Clone)]
pub struct KeptTestbed {
    folder: PathBuf,
    /// The base image that its disk is an overlay of.
    pub base: BaseImage,
    /// The ticket's image, where it ran one.
    pub image: Option<String>,
    /// Its memory.
    pub memory: MiB,
    /// Its processors.
    pub cpus: u16,
    /// Where it failed.
    pub scene: Scene,
    memory_name: MemoryName,
}

impl KeptTestbed {
    /// Reads what was kept in a folder.
    ///
    /// # Errors
    /// It is not there, of another release, or its base image is gone.
    pub fn open(folder: &Path, workshop: &Workshop) -> io::Result<Self> {
        let text = fs::read(folder.join(RECORD))?;
        let record: Record = serde_json::from_slice(&text)?;
        if record.format != FORMAT {
            let message = format!("it has format {}, and this release reads {FORMAT}", record.format);
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        let base = workshop.images.get(&record.base).map_err(io::Error::other)?;
        Ok(Self {
            folder: folder.to_owned(),
            base,
            image: record.image,
            memory: MiB(record.memory_mib),
            cpus: record.cpus,
            scene: record.scene,
            memory_name: record.memory_name,
        })
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The frozen machine.
    #[must_use]
    pub fn frozen(&self) -> Frozen {
        Frozen {
            method: Method::SaveImage,
            memory_name: self.memory_name,
            state: self.folder.join(STATE),
            memory: None,
        }
    }

    /// Its disk, an overlay of the base image's.
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.folder.join(DISK)
    }

    /// The image that it runs.
    #[must_use]
    pub fn boot_image(&self) -> BootImage {
        BootImage {
            id: self.image.clone(),
            ..BootImage::of_base(self.base.clone())
        }
    }
}

impl Scene {
    /// The environment as a command takes it.
    pub fn environment(&self) -> impl Iterator<Item = (OsString, OsString)> + '_ {
        self.env.iter().map(|(name, value)| (name.into(), value.into()))
    }
}

impl JobContext {
    /// Gives back a testbed in which something has failed: it is kept where the ticket's owner wants that, once a job.
    pub async fn keep_failed(&self, testbed: Testbed, scene: Scene) {
        let machine = testbed.machine().clone();
        // The agent is to wait for somebody else when the testbed goes on.
        drop(testbed);
        self.keep(&machine, scene).await;
        self.release_remains(&machine);
    }

    /// Keeps a testbed of this job that nobody can talk to any more.
    pub(super) async fn keep_lost(&self) {
        if let Some(machine) = self.leases.silent() {
            self.keep(&machine, Scene::default()).await;
        }
    }

    async fn keep(&self, machine: &MachineId, scene: Scene) {
        // Nobody looks into runs that were made to judge another one.
        let asked = |rerun: &Rerun| rerun.purpose == Purpose::Asked;
        let is_wanted =
            self.order.ticket.options.keep_failed != KeepFailed::Never && self.order.rerun.as_ref().is_none_or(asked);
        if !is_wanted || !self.may_keep() {
            return;
        }
        let Some(facts) = self.leases.facts(machine) else {
            return;
        };
        match self.freeze_failed(machine, &facts, scene).await {
            Ok(bytes) => {
                self.log.say(&format!(
                    "preflight: the failed testbed is kept ({} MiB): preflight shell {} --job {}",
                    bytes >> 20,
                    self.order.ticket.id,
                    self.order.job
                ));
                self.report(JobReport::Kept { bytes });
            }
            Err(failure) => {
                self.log
                    .say(&format!("preflight: the failed testbed cannot be kept: {failure}"));
            }
        }
    }

    async fn freeze_failed(&self, machine: &MachineId, facts: &Facts, scene: Scene) -> Result<u64, StepFailure> {
        let broken = |error: io::Error| StepFailure::Testbed(error.to_string());
        let all = self.order.folder.all_kept();
        let place = self.order.folder.kept(self.order.job, self.order.attempt);
        let aside = all.join(format!(".{}", machine.number()));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(&aside)
            .map_err(broken)?;
        let room = self.workshop.folders.budget.make_room_at(&all, USUAL_SIZE).await;
        let _room = room.map_err(|error| StepFailure::Testbed(error.to_string()))?;
        let kept = async {
            let hypervisor = self.workshop.hypervisor().await?;
            let frozen = hypervisor
                .freeze(machine, Method::SaveImage, &aside.join(STATE))
                .await
                .map_err(|error| StepFailure::Testbed(error.to_string()))?;
            let base = facts.image.base.disk();
            rebase(&facts.disk, &base, DiskFormat::Raw)
                .await
                .map_err(|error| StepFailure::Testbed(error.to_string()))?;
            take(&facts.disk.path, &aside.join(DISK)).map_err(broken)?;
            let _ = fs::copy(facts.console(), aside.join(CONSOLE));
            let record = Record {
                format: FORMAT,
                base: facts.image.base.id().to_string(),
                image: facts.image.id.clone(),
                memory_mib: facts.memory.0,
                cpus: facts.cpus,
                memory_name: frozen.memory_name,
                scene,
            };
            let text = serde_json::to_vec_pretty(&record).map_err(|error| broken(error.into()))?;
            fs::write(aside.join(RECORD), text).map_err(broken)?;
            // The state is not synced: what a crash of the host tears is found out when it is looked at.
            fs::rename(&aside, &place).map_err(broken)?;
            Ok(size_on_disk(&place))
        }
        .await;
        if kept.is_err() {
            let _ = fs::remove_dir_all(&aside);
        }
        kept
    }
}

/// Takes over a disk that libvirt gave to QEMU's user.
fn take(disk: &Path, to: &Path) -> io::Result<()> {
    if fs::rename(disk, to).is_err() {
        fs::copy(disk, to)?;
    }
    std::os::unix::fs::chown(to, Some(nix::unistd::geteuid().as_raw()), None)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o444))
}

fn size_on_disk(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some(entry.metadata().ok()?.blocks() * 512))
        .sum()
}
