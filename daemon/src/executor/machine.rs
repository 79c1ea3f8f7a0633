//! A testbed's machine before anybody has talked to it: its folder, its disk, its start, and how its end is heard of. What
//! is in it, and what it is for, is the testbed's matter.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use preflight_guest::ChannelSockets;
use preflight_testbed::machine::DirectBoot;
use preflight_testbed::overlay::create_overlay;
use preflight_testbed::template::Template;
use preflight_testbed::{
    Accelerator, Disk, DiskFormat, EndReason, Hypervisor, HypervisorEvent, Label, MachineFolder, MachineId,
    MachineSpec, MiB, Priority, Start,
};
use preflight_vm_images::preferring_own_kernel;
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;

use super::failure::StepFailure;
use super::kept::KeptTestbed;
use super::remains::{Facts, Leases, Remains};
use super::workshop::{BootImage, Workshop};

/// What a testbed's machine is to be.
pub(super) struct Launch<'a> {
    /// The image that it boots, or that its template was booted from.
    pub(super) image: &'a BootImage,
    /// What it starts from.
    pub(super) ground: Ground<'a>,
    /// Where its disk goes: a file that does not exist yet. Without one it is an overlay that goes with the machine.
    pub(super) disk: Option<PathBuf>,
    /// Where its memory goes, for a machine that is to be frozen.
    pub(super) memory: Option<PathBuf>,
    /// Who it works for, for people who look at the hypervisor.
    pub(super) label: &'a str,
    /// Whom it works for.
    pub(super) priority: Priority,
}

/// What a machine starts from.
#[derive(Clone, Copy)]
pub(super) enum Ground<'a> {
    /// Its image, which boots.
    Image,
    /// A template.
    Template(&'a Arc<Template>),
    /// A failed testbed that was kept.
    Kept(&'a KeptTestbed),
    /// The disk of a machine that has ended, which boots again.
    Again(&'a Launched),
}

impl Ground<'_> {
    fn chain(self, image: &BootImage) -> Vec<(PathBuf, DiskFormat)> {
        match self {
            Self::Image => image.chain(),
            Self::Template(template) => {
                let mut chain = vec![(template.disk(), DiskFormat::Qcow2)];
                chain.extend(template.chain());
                chain
            }
            // Its disk is copied.
            Self::Kept(kept) => vec![(kept.base.disk(), DiskFormat::Raw)],
            Self::Again(before) => before.disk.backing.clone(),
        }
    }

    fn start(self) -> Start {
        match self {
            Self::Image | Self::Again(_) => Start::Boot,
            Self::Template(template) => Start::Clone(template.frozen()),
            Self::Kept(kept) => Start::Clone(kept.frozen()),
        }
    }

    fn beginning(self) -> Beginning {
        match self {
            Self::Image => Beginning::Boot,
            Self::Template(_) | Self::Kept(_) => Beginning::Clone,
            Self::Again(_) => Beginning::Reboot,
        }
    }
}

/// How a machine has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// It has booted its image.
    Boot,
    /// It has not booted but goes on from something.
    Clone,
    /// It has booted again, and is who it was.
    Reboot,
}

/// A machine that runs or is held. Whoever has it has to see to its [`Remains`].
pub(super) struct Launched {
    pub(super) id: MachineId,
    pub(super) hypervisor: Arc<dyn Hypervisor>,
    pub(super) sockets: ChannelSockets,
    pub(super) console: PathBuf,
    pub(super) image: BootImage,
    /// Kept as long as the machine: its files are not to go meanwhile.
    pub(super) template: Option<Arc<Template>>,
    /// How it has begun.
    pub(super) beginning: Beginning,
    /// The disk and what it is an overlay of.
    pub(super) disk: Disk,
    memory: MiB,
    cpus: u16,
    /// Its memory's file, where it has one.
    pub(super) memory_file: Option<PathBuf>,
    /// Who it works for, for people who look at the hypervisor.
    pub(super) label: String,
    pub(super) priority: Priority,
    pub(super) started: Instant,
    /// What it is, in words.
    pub(super) words: String,
    pub(super) ended: watch::Receiver<Option<EndReason>>,
    /// Set once its guest is given up because nothing was heard of it.
    pub(super) silent: Arc<AtomicBool>,
    _tasks: Tasks,
}

impl Launched {
    /// Starts a machine. `leases` is told of what must be cleared before anything of it exists.
    pub(super) async fn start(workshop: &Workshop, launch: Launch<'_>, leases: &Leases) -> Result<Self, StepFailure> {
        let broken = |what: &str, error: &dyn std::fmt::Display| StepFailure::Testbed(format!("{what}: {error}"));
        let hypervisor = workshop.hypervisor().await?;
        let host = hypervisor.host();
        let id = workshop.new_machine();
        let folder = workshop.folders.machines.join(id.number().to_string());
        let overlay = workshop.folders.overlays.join(format!("{id}.qcow2"));
        let disk = launch.disk.clone().unwrap_or_else(|| overlay.clone());
        let image = launch.image;
        let (memory, cpus) = match launch.ground {
            Ground::Kept(kept) => (kept.memory, kept.cpus),
            Ground::Again(before) => (before.memory, before.cpus),
            Ground::Image | Ground::Template(_) => (workshop.memory_of(image), workshop.settings.cpus),
        };
        let disk = Disk {
            path: disk,
            format: DiskFormat::Qcow2,
            backing: launch.ground.chain(image),
        };
        let (starting, start) = watch::channel(());
        let facts = Facts::new(image, &disk, memory, cpus, &folder);
        let silent = Arc::clone(&facts.silent);
        let remains = Remains {
            machine: id.clone(),
            folder: folder.clone(),
            overlay: launch.disk.is_none().then_some(overlay),
            start,
            facts,
        };
        match launch.ground {
            Ground::Again(before) => leases.add_heir(&before.id, remains),
            Ground::Image | Ground::Template(_) | Ground::Kept(_) => leases.add(remains),
        }

        std::fs::create_dir_all(&folder).map_err(|error| broken("the machine's folder", &error))?;
        let disk_failed = |error: &dyn std::fmt::Display| broken("the testbed's disk", error);
        match (launch.ground, disk.backing.first()) {
            (Ground::Kept(kept), _) => copy_disk(kept.disk(), disk.path.clone())
                .await
                .map_err(|error| disk_failed(&error))?,
            // It is there. What was in the memory is not to be.
            (Ground::Again(_), _) => {
                if let Some(memory) = &launch.memory
                    && let Err(error) = std::fs::remove_file(memory)
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    return Err(broken("the testbed's memory", &error));
                }
            }
            (_, Some((below, format))) => create_overlay(below, *format, &disk.path)
                .await
                .map_err(|error| disk_failed(&error))?,
            (_, None) => {}
        }
        let machine_folder = MachineFolder::new(&folder).map_err(|error| broken("the machine's folder", &error))?;
        let mut cmdline = Workshop::command_line(&image.base, host.accelerator == Accelerator::Tcg);
        if launch.ground.beginning() == Beginning::Reboot {
            cmdline = preferring_own_kernel(&cmdline);
        }
        let spec = MachineSpec {
            id: id.clone(),
            label: Label::new(launch.label).map_err(|error| broken("the machine's label", &error))?,
            memory,
            cpus,
            boot: Some(DirectBoot {
                kernel: image.base.kernel(),
                initrd: workshop.initrd(&image.base)?,
                cmdline,
            }),
            disk: Some(disk.clone()),
            folder: machine_folder.clone(),
            accelerator: host.accelerator,
            start: launch.ground.start(),
            memory_file: launch.memory.clone(),
            priority: launch.priority,
        };
        let words = format!(
            "{}, {} CPUs, {} MiB, image {}",
            host.accelerator,
            spec.cpus,
            spec.memory.0,
            image.base.id()
        );
        let started = Instant::now();
        let (end, ended) = watch::channel(None);
        let mut tasks = Tasks::default();
        tasks.spawn(watch_end(hypervisor.events(), id.clone(), end));
        let starter = Arc::clone(&hypervisor);
        // A task of its own: a start that has begun goes on when its job is cancelled, and must not be lost sight of.
        let start = tokio::spawn(async move {
            let started = starter.start(&spec).await;
            drop(starting);
            started
        });
        match start.await {
            Ok(started) => started.map_err(|error| StepFailure::Testbed(error.to_string()))?,
            Err(error) => return Err(broken("starting the machine", &error)),
        }
        let template = match launch.ground {
            Ground::Template(template) => {
                template.touch();
                Some(Arc::clone(template))
            }
            Ground::Again(before) => before.template.clone(),
            Ground::Image | Ground::Kept(_) => None,
        };
        Ok(Self {
            id,
            hypervisor,
            sockets: ChannelSockets {
                control: machine_folder.control_socket(),
                bulk: machine_folder.bulk_socket(),
            },
            console: machine_folder.console_log(),
            image: image.clone(),
            template,
            beginning: launch.ground.beginning(),
            disk,
            memory,
            cpus,
            memory_file: launch.memory,
            label: launch.label.to_owned(),
            priority: launch.priority,
            started,
            words,
            ended,
            silent,
            _tasks: tasks,
        })
    }
}

/// Copies a kept disk: it is small, and lies where QEMU's user has no business.
async fn copy_disk(from: PathBuf, to: PathBuf) -> std::io::Result<()> {
    let copied = tokio::task::spawn_blocking(move || {
        std::fs::copy(from, &to)?;
        std::fs::set_permissions(&to, PermissionsExt::from_mode(0o600))
    });
    copied.await.map_err(std::io::Error::other)?
}

impl Workshop {
    /// How much memory a testbed of an image gets.
    #[must_use]
    pub fn memory_of(&self, image: &BootImage) -> MiB {
        self.settings.memory.unwrap_or(MiB(image.base.metadata.memory_mib))
    }
}

/// Tasks that end with their owner.
#[derive(Default)]
pub(super) struct Tasks(Vec<AbortHandle>);

impl Tasks {
    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.push(tokio::spawn(task).abort_handle());
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

async fn watch_end(
    mut events: broadcast::Receiver<HypervisorEvent>,
    machine: MachineId,
    end: watch::Sender<Option<EndReason>>,
) {
    loop {
        match events.recv().await {
            Ok(HypervisorEvent::Ended { id, reason }) if id == machine => {
                end.send_replace(Some(reason));
                return;
            }
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Waits for a machine's end. For ever where nobody tells of it.
pub(super) async fn end_of(mut ended: watch::Receiver<Option<EndReason>>) -> EndReason {
    let known = ended.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
    match known {
        Some(reason) => reason,
        None => std::future::pending().await,
    }
}

/// A machine's end in words.
pub(super) fn words_of_end(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Shutdown => "the testbed has shut itself down",
        EndReason::Panicked => "the testbed's kernel has panicked",
        EndReason::ConsoleFlood => "the testbed has flooded its console and was destroyed",
        EndReason::Frozen => "the testbed was frozen",
        EndReason::Destroyed => "the testbed was destroyed from outside",
        EndReason::Failed | EndReason::WhileDisconnected => "the testbed's QEMU has died",
    }
}

/// The end of a console's log.
pub(super) fn console_tail(console: &Path, most: u64) -> Vec<u8> {
    use std::io::{Read, Seek, SeekFrom};
    let read = || {
        let mut file = std::fs::File::open(console)?;
        let size = file.metadata()?.len();
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(size.saturating_sub(most)))?;
        file.take(most).read_to_end(&mut tail)?;
        Ok::<_, std::io::Error>(tail)
    };
    read().unwrap_or_default()
}
