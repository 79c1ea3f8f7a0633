//! The agent as the initrd's `/init`: drivers, root disk, then systemd with the agent as its first service. A guest that
//! can't start says why on the console and powers off, so that the host need not wait for a time-out.

mod command_line;
mod drivers;
mod handover;
mod root;
mod unit;

use std::convert::Infallible;
use std::io;
use std::process::ExitCode;

use nix::sys::reboot::{RebootMode, reboot};

use crate::console::say;

/// Why a guest can't start.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error(
        "the kernel's command line does not name the root disk; it needs preflight.root=/dev/… or preflight.root=PARTLABEL=…"
    )]
    NoRoot,
    #[error("the root disk {0} did not appear; is its driver in the initrd?")]
    NoDisk(String),
}

impl InitError {
    fn io<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Io {
            what,
            source: source.into(),
        }
    }
}

/// Starts the guest; returns only if even powering off fails, and the kernel then panics.
pub fn run() -> ExitCode {
    match start() {
        Ok(never) => match never {},
        Err(error) => {
            say(&format!("FAILED: {error}"));
            eprintln!("preflight: FAILED: {error}");
            nix::unistd::sync();
            let _ = reboot(RebootMode::RB_POWER_OFF);
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<Infallible, InitError> {
    handover::mount_kernel_file_systems()?;
    let options = command_line::read()?;
    drivers::load_all()?;
    let device = root::wait_for(&options.root)?;
    handover::mount_root(&device, &options)?;
    if options.leaves_agent {
        unit::leave_agent(std::path::Path::new(handover::NEW_ROOT))?;
    }
    handover::switch(&options.init)
}
