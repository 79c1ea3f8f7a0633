//! The daemon with scripted services behind it and real clients before it, over its socket. One file an idea.

mod asking;
mod ends;
mod life;
#[expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]
mod mounted;
#[expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]
mod pool;
#[expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]
mod promotions;
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails in a test's helper fails the test"
)]
mod replays;
mod reruns;
mod steps;
mod subscribing;

#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails in a test's helper fails the test"
)]
#[path = "../support/mod.rs"]
mod support;
