//! What is left of a testbed when its job is over, and how it is taken away: the machine first, then its files, and never
//! the files of a machine that may still run.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use preflight_testbed::{Disk, Hypervisor, HypervisorError, MachineId, MiB};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::workshop::BootImage;

/// Between two attempts to destroy a machine.
const DESTROY_AGAIN: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// The machines that somebody has leased; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Leases(Arc<Mutex<Vec<Remains>>>);

impl Leases {
    /// Takes on a machine, before anything of it exists.
    pub(super) fn add(&self, remains: Remains) {
        self.list().push(remains);
    }

    /// Takes on a machine that boots another one's disk, before anything of it exists: the disk goes with the later one.
    pub(super) fn add_heir(&self, before: &MachineId, mut remains: Remains) {
        let mut list = self.list();
        let overlay = list.iter_mut().find(|one| one.machine == *before);
        remains.overlay = overlay.and_then(|before| before.overlay.take());
        list.push(remains);
    }

    /// Gives up a machine: somebody else sees to it now.
    pub(super) fn take(&self, machine: &MachineId) -> Option<Remains> {
        let mut list = self.list();
        let place = list.iter().position(|one| one.machine == *machine)?;
        Some(list.remove(place))
    }

    /// What is known of a machine.
    pub(super) fn facts(&self, machine: &MachineId) -> Option<Facts> {
        let list = self.list();
        let found = list.iter().find(|one| one.machine == *machine)?;
        Some(found.facts.clone())
    }

    /// A machine of whose guest nothing was heard for too long.
    pub(super) fn silent(&self) -> Option<MachineId> {
        let list = self.list();
        let found = list.iter().find(|one| one.facts.silent.load(Ordering::Relaxed))?;
        Some(found.machine.clone())
    }

    /// Takes down all of them, side by side.
    pub async fn clear(&self, hypervisor: Option<&Arc<dyn Hypervisor>>) {
        let all = std::mem::take(&mut *self.list());
        let mut clearing = JoinSet::new();
        for one in all {
            let hypervisor = hypervisor.cloned();
            clearing.spawn(async move { one.clear(hypervisor.as_ref()).await });
        }
        while clearing.join_next().await.is_some() {}
    }

    fn list(&self) -> MutexGuard<'_, Vec<Remains>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left of a testbed when its job is over, whichever way: taken away by [`Remains::clear`].
#[derive(Debug, Clone)]
pub(super) struct Remains {
    pub(super) machine: MachineId,
    /// Its sockets and its console.
    pub(super) folder: PathBuf,
    /// Its disk, where that goes with it.
    pub(super) overlay: Option<PathBuf>,
    /// Closed once the machine's start is no longer under way.
    pub(super) start: watch::Receiver<()>,
    pub(super) facts: Facts,
}

/// What has to be known of a machine to keep it.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) image: BootImage,
    pub(super) disk: Disk,
    pub(super) memory: MiB,
    pub(super) cpus: u16,
    folder: PathBuf,
    /// Set once its guest was given up because nothing was heard of it.
    pub(super) silent: Arc<AtomicBool>,
}

impl Facts {
    /// Of a machine with this folder.
    pub(super) fn new(image: &BootImage, disk: &Disk, memory: MiB, cpus: u16, folder: &Path) -> Self {
        Self {
            image: image.clone(),
            disk: disk.clone(),
            memory,
            cpus,
            folder: folder.to_owned(),
            silent: Arc::default(),
        }
    }

    /// Where the machine's console is logged.
    pub(super) fn console(&self) -> PathBuf {
        self.folder.join("console.log")
    }
}

impl Remains {
    /// Destroys the machine and removes its files. Nothing that is there no more is an error.
    pub(super) async fn clear(&self, hypervisor: Option<&Arc<dyn Hypervisor>>) {
        if let Some(hypervisor) = hypervisor {
            let mut start = self.start.clone();
            let was_starting = start.has_changed().is_ok();
            let mut destroyed = destroy(hypervisor, &self.machine).await;
            if was_starting {
                // It may not have been there yet to be destroyed.
                while start.changed().await.is_ok() {}
                destroyed = destroy(hypervisor, &self.machine).await;
            }
            if let Err(error) = destroyed {
                tracing::error!(machine = %self.machine, %error, "a machine is left behind");
                return;
            }
        }
        if let Err(error) = remove_machine_folder(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "a machine's folder is left behind");
        }
        if let Some(overlay) = &self.overlay
            && let Err(error) = std::fs::remove_file(overlay)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(overlay = %overlay.display(), %error, "an overlay is left behind");
        }
    }
}

/// Destroys a machine, and asks again where libvirt is just away: nobody else would until the next daemon's start.
pub(super) async fn destroy(hypervisor: &Arc<dyn Hypervisor>, machine: &MachineId) -> Result<(), HypervisorError> {
    for pause in DESTROY_AGAIN {
        match hypervisor.destroy(machine).await {
            Ok(()) => return Ok(()),
            Err(error) => tracing::warn!(%machine, %error, "a machine resists; it is destroyed again"),
        }
        tokio::time::sleep(pause).await;
    }
    hypervisor.destroy(machine).await
}

fn remove_machine_folder(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
