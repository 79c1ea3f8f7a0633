//! Machines on the libvirt of this host, whichever it is.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod bench;
mod freeze;
mod life;
mod priority;
mod save_image;
