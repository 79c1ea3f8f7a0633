//! The terminal of one command: the pty, its size, and what is typed. Owns how typing ends without hanging anything; what
//! the command writes is passed on by [`crate::exec`] like any output.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use preflight_guest_protocol::message::TerminalSize;

use crate::stream::Stream;
use crate::sys;

/// The agent's end of a pty. The command's end hangs up when the last of its clones is dropped.
#[derive(Debug)]
pub(crate) struct Terminal(OwnedFd);

impl Terminal {
    /// A fresh terminal of this size, and the command's end of it.
    pub(crate) fn open(size: TerminalSize) -> io::Result<(Self, OwnedFd)> {
        // Each descriptor is closed on exec from the first: commands that start meanwhile must not inherit it.
        let ours = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let theirs = nix::fcntl::open(
            ptsname_r(&ours)?.as_str(),
            OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC,
            nix::sys::stat::Mode::empty(),
        )?;
        // What is typed may find the terminal full; see `feed`.
        fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))?;
        let terminal = Self(ours.into());
        terminal.resize(size)?;
        Ok((terminal, theirs))
    }

    /// Gives it another size.
    pub(crate) fn resize(&self, size: TerminalSize) -> io::Result<()> {
        sys::resize(self.0.as_fd(), size.rows, size.cols)
    }

    /// The same end once more.
    pub(crate) fn another(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// As a plain descriptor, to read from.
    pub(crate) fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// Types what the daemon sends, until it has sent all, the terminal hangs up, or `over` hangs up. What nobody takes any
    /// more is dropped, so that the daemon's sender ends. The end of the daemon's data types nothing: only a person's
    /// Ctrl-D, a byte like others, ends what a program reads from a terminal.
    pub(crate) fn feed(self, stream: &Stream, over: &OwnedFd) {
        let terminal = File::from(self.0);
        let mut open = true;
        while let Ok(Some(bytes)) = stream.receive() {
            open = open && type_in(&terminal, &bytes, over).is_ok();
        }
    }
}

fn type_in(mut terminal: &File, mut bytes: &[u8], over: &OwnedFd) -> io::Result<()> {
    while !bytes.is_empty() {
        match io::Write::write(&mut terminal, bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for_room(terminal, over)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wait_for_room(terminal: &File, over: &OwnedFd) -> io::Result<()> {
    let mut fds = [
        PollFd::new(terminal.as_fd(), PollFlags::POLLOUT),
        PollFd::new(over.as_fd(), PollFlags::empty()),
    ];
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let is_over = fds[1].any() == Some(true);
    let hung_up = fds[0]
        .revents()
        .is_some_and(|events| events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR));
    if is_over || hung_up {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    Ok(())
}
