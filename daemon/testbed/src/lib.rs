//! Machines: the throw-away guests in which jobs run, behind the trait [`Hypervisor`].
//!
//! *Invariants.* Only the room `libvirt` knows libvirt; the rooms above see [`Hypervisor`] alone. A domain that does
//! not carry this installation's name is never touched. QEMU never runs as root. No disk's format is ever probed.

pub mod doctor;
#[cfg(feature = "fake")]
pub mod fake;
pub mod hypervisor;
pub mod keeper;
pub mod libvirt;
pub mod machine;
pub mod overlay;
pub mod probe;
pub mod reach;
pub mod start;
pub mod template;

pub use hypervisor::{
    EndReason, Freezing, HostDescription, Hypervisor, HypervisorError, HypervisorEvent, MachineInfo, MachineState,
};
pub use machine::{Accelerator, Disk, DiskFormat, InstallationId, Label, MachineFolder, MachineId, MachineSpec, MiB};
pub use start::{Frozen, MemoryName, Method, Priority, Start};
