//! The disk budget of a daemon with scripted jobs: what `disk/usage` and `disk/free` say and do with files of known
//! sizes, in which order they go, what never goes, and what the state says afterwards.
#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

mod going;
mod names;
mod room;
#[expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what fails in a test's helper fails the test"
)]
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../support/mod.rs"]
mod support;
mod world;
