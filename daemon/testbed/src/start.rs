//! How a machine comes to be: a kernel that boots, or a machine that was frozen and goes on. Says what a frozen machine
//! is on disk; how it is frozen and brought back is the hypervisor's matter.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How machines are frozen and brought back, the fastest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The guest's memory is a file that all clones map and none writes to; the devices' state is a small file beside it,
    /// made by a migration that leaves out shared memory (`x-ignore-shared`).
    SharedMemory,
    /// libvirt's own save image: memory and devices in one stream, read anew by each clone.
    SaveImage,
}

impl Method {
    /// All methods, the fastest first.
    pub const ALL: [Self; 2] = [Self::SharedMemory, Self::SaveImage];
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SharedMemory => "shared memory",
            Self::SaveImage => "save image",
        })
    }
}

/// How QEMU calls the guest's memory: part of a frozen machine's state, so that its clones must call it the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryName {
    /// As libvirt has it.
    Usual,
    /// By an object of ours, which can be a file.
    Ours,
}

/// A machine that was frozen: files that nobody writes to any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// How.
    pub method: Method,
    /// How its memory is called.
    pub memory_name: MemoryName,
    /// Its devices' state; with [`Method::SaveImage`], its memory too.
    pub state: PathBuf,
    /// Its memory; with [`Method::SharedMemory`] only.
    pub memory: Option<PathBuf>,
}

/// The way in which a machine is started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Start {
    /// Kernel and initrd are booted.
    #[default]
    Boot,
    /// It is a clone that goes on where this one was frozen. Its processors, its memory's size, its devices and all that it
    /// boots must be the frozen machine's.
    Clone(Frozen),
}

/// Whom a machine works for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// Nobody waits for it: everything else on the host goes first.
    #[default]
    Background,
    /// A person sits before it.
    Interactive,
}
