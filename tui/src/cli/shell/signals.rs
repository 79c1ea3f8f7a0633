//! The signals that a shell's client hears: what the command is to get, and what ends the client.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The terminal has another size.
    Resized,
    /// A signal of this number.
    Signal(u8),
}

/// Signals, heard from when this is made: none of them ends the process by itself any more. SIGQUIT is left alone: with
/// it an owner ends a client whose command does not answer.
#[derive(Debug)]
pub(crate) struct Signals {
    resized: Signal,
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
}

const HANGUP: u8 = 1;
const INTERRUPT: u8 = 2;
const USER1: u8 = 10;
const USER2: u8 = 12;
const TERMINATE: u8 = 15;

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// Where the system refuses.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// The next one. Losing the future loses nothing.
    pub(crate) async fn next(&mut self) -> Heard {
        tokio::select! {
            Some(()) = self.resized.recv() => Heard::Resized,
            Some(()) = self.interrupt.recv() => Heard::Signal(INTERRUPT),
            Some(()) = self.terminate.recv() => Heard::Signal(TERMINATE),
            Some(()) = self.hangup.recv() => Heard::Signal(HANGUP),
            Some(()) = self.user1.recv() => Heard::Signal(USER1),
            Some(()) = self.user2.recv() => Heard::Signal(USER2),
            else => std::future::pending().await,
        }
    }
}

/// Whether a signal ends the client whatever the command does with it: its terminal is gone.
#[must_use]
pub(crate) fn ends_us(number: u8) -> bool {
    number == HANGUP
}
