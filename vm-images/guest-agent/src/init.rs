//! The agent as the initrd's `/init`: drivers, root disk, then systemd with the agent as its first service; or, where the
//! host wants that, the disk's own kernel, whose init is the agent once more. A guest that can't start says why on the
//! console and powers off, so that the host need not wait for a time-out.

mod command_line;
mod drivers;
mod handover;
mod kernel_release;
mod own_kernel;
mod root;
mod unit;

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use nix::sys::reboot::{RebootMode, reboot};

use crate::console::say;
pub(crate) use command_line::is_own_kernel;

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
    let started = if own_kernel::is_its_init() {
        own_kernel::go_on()
    } else {
        start()
    };
    match started {
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
    let new_root = Path::new(handover::NEW_ROOT);
    if options.prefers_own_kernel
        && let Some(kernel) = own_kernel::newest(new_root)
    {
        return own_kernel::start(&kernel, new_root, &options, &device);
    }
    if options.leaves_agent {
        unit::leave_agent(new_root)?;
    }
    handover::switch(&options.init)
}
