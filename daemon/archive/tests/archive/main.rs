//! The archive against misbehaving mirrors and against Debian's own tools. One binary, so that it is linked once.

#![expect(clippy::unwrap_used, reason = "a helper of tests may panic as a test may")]

mod apt;
mod distribution;
mod meanwhile;
mod mounted;
mod places;
mod ppa;
mod repository;
mod session;
mod snapshot;
mod snapshots_kept;
mod support;
