//! Machines by libvirt: the only room that knows it.

mod access;
mod capabilities;
mod console_watch;
mod events;
mod hypervisor;
mod known;
mod memory;
mod migration;
mod priority;
mod save_image;
mod worker;
mod xml;

pub use access::Configuration;
pub use hypervisor::LibvirtHypervisor;
