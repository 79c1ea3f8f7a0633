//! Executor and pipeline from end to end behind a daemon's socket, with a hypervisor without machines and guests that
//! play what the test says: every way in which a job can go wrong, and that nothing is ever left behind.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails in a test's helper fails the test"
)]

mod baselines;
mod cancelling;
mod chaos;
mod client;
mod clones;
mod dep8_options;
mod dying;
mod exported;
mod failing;
mod findings;
mod guest;
mod hostile;
mod images;
mod intake;
mod lab;
mod lent;
mod log_findings;
mod machines;
mod mounted;
mod passing;
mod places;
mod pooled;
mod prefetching;
mod rebooting;
mod rebuild;
mod replays;
mod side_by_side;
mod source;
mod stage;
mod testbeds;
mod tests;

/// The archive's own tests have a mirror.
#[expect(dead_code, reason = "they need more of it")]
#[path = "../../archive/tests/archive/support.rs"]
mod mirror;
