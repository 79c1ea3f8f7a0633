//! A process by file descriptor, so that a signal can't reach another process that got the same number. It only
//! signals and waits; whom to choose is decided elsewhere.
#![expect(
    unsafe_code,
    reason = "no safe wrapper of pidfd_open, pidfd_send_signal and process_mrelease among our dependencies"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A running (or already ended) process.
#[derive(Debug)]
pub(crate) struct PidFd(OwnedFd);

impl PidFd {
    /// Opens the process that has this number now.
    pub(crate) fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: the call takes two integers and returns a new descriptor, closed on exec, or -1.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = i32::try_from(fd).map_err(io::Error::other)?;
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sends a signal to this very process.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) -> io::Result<()> {
        // SAFETY: a null siginfo is allowed and makes the kernel fill it as kill(2) does.
        let done = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal as i32,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        if done == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Takes the memory of a killed process at our own expense, where the kernel can (Linux 5.15). A process of the lowest
    /// priority on a busy host takes seconds to do so itself: 2.8 s for 256 MiB became 0.3 s.
    pub(crate) fn release_memory(&self) {
        // SAFETY: the call takes two integers. It refuses a process that is not dying.
        unsafe { libc::syscall(libc::SYS_process_mrelease, self.0.as_raw_fd(), 0) };
    }

    /// Waits until the process has ended (it may still be a zombie); false when the time ran out.
    pub(crate) fn wait(&self, longest: Duration) -> bool {
        let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut fds, timeout), Ok(ready) if ready > 0)
    }
}
