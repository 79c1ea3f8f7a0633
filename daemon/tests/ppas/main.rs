//! PPAs over the daemon's socket: the real archive, a repository made by apt-ftparchive and gpg, and a server that plays
//! Launchpad. The archive's own tests have both; they are shared.

mod adding;
#[expect(dead_code, reason = "the archive's tests need more of it")]
mod ppa;
#[expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]
mod refreshing;
mod secrets;
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails in a test's helper fails the test"
)]
mod world;

#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails in a test's helper fails the test; other tests need more of it"
)]
#[path = "../support/mod.rs"]
mod house;

#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails in a test's helper fails the test; the archive's tests need more of it"
)]
#[path = "../../archive/tests/archive/support.rs"]
mod support;
