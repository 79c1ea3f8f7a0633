//! Clock and random seed of the guest: what a clone of a template needs before its first command.

use std::fs::File;
use std::io;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use preflight_guest_protocol::message::FailureKind;

use crate::failure::Refusal;

/// Sets the real-time clock.
pub(crate) fn set(seconds: u64, nanoseconds: u32) -> Result<(), Refusal> {
    let seconds = i64::try_from(seconds)
        .map_err(|_| Refusal::plain(FailureKind::Unsuitable, "the clock does not reach that far"))?;
    clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::new(seconds, nanoseconds.into()))
        .map_err(io::Error::from)
        .map_err(Refusal::io("setting the clock"))
}

/// Adds the bytes to the kernel's random pool and derives new keys from it.
pub(crate) fn seed(bytes: &[u8]) -> Result<(), Refusal> {
    let random = File::options()
        .write(true)
        .open("/dev/random")
        .map_err(Refusal::io("/dev/random"))?;
    crate::sys::add_entropy(&random, bytes).map_err(Refusal::io("adding to the random pool"))?;
    crate::sys::reseed(&random).map_err(Refusal::io("reseeding the random generator"))
}
