//! The trait that stands between the rooms that want machines and whatever makes them. It says what happens to
//! machines and nothing of how; libvirt's words stay below it.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::sync::broadcast;

use crate::machine::{Accelerator, MachineError, MachineId, MachineSpec};
use crate::reach::ReachError;
use crate::start::{Frozen, Method};

/// Something that runs machines. All methods may be called at once; a slow start does not hold up a destroy.
#[async_trait]
pub trait Hypervisor: Send + Sync {
    /// Starts a machine and returns when its processors run and its sockets can be connected to. After an error there
    /// is no such machine, or [`destroy`](Self::destroy) takes away what is left of it.
    async fn start(&self, spec: &MachineSpec) -> Result<(), HypervisorError>;

    /// Holds a machine's processors; everything else of it stays as it is.
    async fn hold(&self, id: &MachineId) -> Result<(), HypervisorError>;

    /// Lets a machine that is held run on.
    async fn resume(&self, id: &MachineId) -> Result<(), HypervisorError>;

    /// Freezes a machine: its memory and its devices' state are in files then, and the machine has ended, told as
    /// [`EndReason::Frozen`]. What is in its disk is flushed. Nobody may be connected to its sockets.
    ///
    /// With [`Method::SharedMemory`] it must have been started with a memory file, which is the frozen machine's from then
    /// on; [`Method::SaveImage`] takes any machine. After an error the machine is to be destroyed.
    async fn freeze(&self, id: &MachineId, method: Method, state: &Path) -> Result<Frozen, HypervisorError>;

    /// How machines can be frozen on this host as far as it says itself, the fastest first; whether it is true is proven by
    /// a clone.
    fn methods(&self) -> Vec<Freezing>;

    /// Ends a machine at once, as if its power were cut, within 3 s. A machine that does not exist is no error.
    async fn destroy(&self, id: &MachineId) -> Result<(), HypervisorError>;

    /// The machines of this installation that exist now.
    async fn list(&self) -> Result<Vec<MachineInfo>, HypervisorError>;

    /// What happens from now on. A receiver that lags has missed events, and has to [`list`](Self::list).
    fn events(&self) -> broadcast::Receiver<HypervisorEvent>;

    /// What machines run on.
    fn host(&self) -> HostDescription;
}

/// Whether machines can be frozen in some way here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freezing {
    /// The way.
    pub method: Method,
    /// Why not, for people; without a reason it can be tried.
    pub hindrance: Option<String>,
}

/// A machine that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineInfo {
    /// Its name.
    pub id: MachineId,
    /// Who it works for; empty when the machine does not say.
    pub label: String,
    /// What it does.
    pub state: MachineState,
}

/// What an existing machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineState {
    /// Its processors run.
    Running,
    /// Its processors are held.
    Paused,
    /// It is on its way out, or in a state that machines of ours don't have.
    Ending,
}

/// Something that happened, whether we caused it or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HypervisorEvent {
    /// A machine has ended; told once for each machine that was started or found.
    Ended {
        /// The machine.
        id: MachineId,
        /// Why.
        reason: EndReason,
    },
    /// The hypervisor can't be reached; machines go on, and what ends meanwhile is told after the next event.
    ConnectionClosed,
    /// The hypervisor can be reached again.
    ConnectionRestored,
}

/// Why a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The guest powered itself off or rebooted.
    Shutdown,
    /// It was frozen; its clones go on.
    Frozen,
    /// It was destroyed, by us or by somebody with `virsh`.
    Destroyed,
    /// The guest's kernel panicked.
    Panicked,
    /// QEMU died.
    Failed,
    /// The guest wrote more to its console than any honest one does, and was destroyed.
    ConsoleFlood,
    /// It ended while the hypervisor could not be reached.
    WhileDisconnected,
}

/// What machines run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostDescription {
    /// How libvirt is reached.
    pub uri: String,
    /// libvirt's version, as `9.0.0`.
    pub libvirt_version: String,
    /// QEMU's version, as `7.2.22`.
    pub qemu_version: String,
    /// QEMU's program.
    pub emulator: PathBuf,
    /// The machine type that all machines get, by its pinned name.
    pub machine_type: String,
    /// The accelerator to ask for, as far as it has been proven.
    pub accelerator: Accelerator,
}

/// Why the hypervisor did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum HypervisorError {
    /// A machine that could not exist.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// A file that QEMU's user can't use.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// A machine of that name is there.
    #[error("the machine {0} exists already")]
    Exists(MachineId),
    /// The machine did not start.
    #[error("the machine {id} did not start: {message}")]
    Start {
        /// The machine.
        id: MachineId,
        /// What libvirt and QEMU say.
        message: String,
    },
    /// The machine could not be frozen.
    #[error("the machine {id} could not be frozen: {message}")]
    Freeze {
        /// The machine.
        id: MachineId,
        /// What libvirt and QEMU say.
        message: String,
    },
    /// The machine did not end.
    #[error("the machine {id} could not be destroyed: {message}")]
    Destroy {
        /// The machine.
        id: MachineId,
        /// What libvirt says.
        message: String,
    },
    /// Nobody answers.
    #[error("libvirt does not answer: {0}")]
    Disconnected(String),
    /// There is no libvirt that could be used.
    #[error("no usable libvirt: {message}; {hint}")]
    Unavailable {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// libvirt refused something.
    #[error("libvirt: {0}")]
    Libvirt(String),
    /// A file of a machine's folder.
    #[error("{what}: {source}")]
    File {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}
