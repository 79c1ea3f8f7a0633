//! The numbers that name a session, a stream and a frame. They know nothing of what they name.

use std::fmt;

/// One connection of a daemon to an agent: drawn at random by the daemon, the same on both ports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SessionId(u64);

impl SessionId {
    /// The session with this (random) number.
    pub const fn new(random: u64) -> Self {
        Self(random)
    }

    /// The number as frames carry it.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One stream of a session: a command, a transfer or a tunnel connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StreamId(u32);

impl StreamId {
    /// Set in the ids of streams that the agent opens.
    pub const GUEST_BIT: u32 = 0x8000_0000;
    /// The session itself: hello, beat, clock.
    pub const SESSION: Self = Self(0);

    /// The stream with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The `counter`th stream that the agent opens.
    pub const fn of_guest(counter: u32) -> Self {
        Self(counter | Self::GUEST_BIT)
    }

    /// Whether the agent opened it.
    pub const fn is_of_guest(self) -> bool {
        self.0 & Self::GUEST_BIT != 0
    }

    /// The number as frames carry it.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A frame's place in what one side sent over one port in one session; the hello is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Sequence(u64);

impl Sequence {
    /// The hello's.
    pub const FIRST: Self = Self(0);

    /// The sequence with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number as frames carry it.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
