//! One cgroup (v2) a command, below the agent's own, so that every process that a command started can be killed,
//! wherever it went. Without cgroup v2 there is none, and the process group must do.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Rounds of killing where the kernel has no `cgroup.kill` (before 5.14): each catches what the last one's victims forked.
const ROUNDS: usize = 100;

/// A command's cgroup.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
}

/// Whether commands get cgroups here.
pub(crate) fn available() -> bool {
    own().is_some_and(|own| nix::unistd::access(&own, nix::unistd::AccessFlags::W_OK).is_ok())
}

/// Tells the kernel (6.0 or later) that processes are often moved into cgroups. Otherwise it waits, at the start of each
/// command, until every CPU was idle once: 10 to 90 ms under emulation. Older ones refuse; then it takes that time.
pub(crate) fn prefer_quick_moves() {
    let _ = Command::new("mount")
        .args(["-o", "remount,favordynmods", "/sys/fs/cgroup"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

fn own() -> Option<PathBuf> {
    let lines = fs::read_to_string("/proc/self/cgroup").ok()?;
    let relative = lines.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let path = Path::new("/sys/fs/cgroup").join(relative);
    path.join("cgroup.procs").exists().then_some(path)
}

impl Cgroup {
    /// Makes a cgroup of this name; `None` where there can't be one.
    pub(crate) fn create(name: &str) -> Option<Self> {
        let path = own()?.join(name);
        fs::create_dir(&path).ok()?;
        Some(Self { path })
    }

    /// What a process writes itself into to join.
    pub(crate) fn procs(&self) -> Option<OwnedFd> {
        Some(
            File::options()
                .write(true)
                .open(self.path.join("cgroup.procs"))
                .ok()?
                .into(),
        )
    }

    /// Kills every process in it.
    pub(crate) fn kill(&self) {
        if fs::write(self.path.join("cgroup.kill"), "1").is_ok() {
            return;
        }
        for _ in 0..ROUNDS {
            let procs = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
            if procs.is_empty() {
                return;
            }
            for pid in procs.lines().filter_map(|line| line.parse().ok()) {
                // A process that is gone already is what was wanted.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

impl Cgroup {
    /// Removes it once those that were killed are gone, which takes the kernel a moment. Leftovers that live keep theirs.
    pub(crate) fn remove(self) {
        for _ in 0..ROUNDS {
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => crate::port::pause(),
                _ => return,
            }
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Leftovers that were to be kept keep their cgroup too; so the kernel's refusal is no error.
        let _ = fs::remove_dir(&self.path);
    }
}
