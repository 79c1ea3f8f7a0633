//! The harness of the end-to-end tests: the real programs in a home of their own, the real hypervisor, and ways to wait
//! for what is awaited. The tests themselves are in `tests/`; what they check is in `fixtures/`.
//!
//! The programs are those beside the tests, in `target/<profile>`, or those of the folder that `PREFLIGHT_PROGRAMS` names.
//! `make test` builds them first.

#![expect(clippy::unwrap_used, reason = "a harness fails as a test does")]

pub mod finished;
pub mod fixture;
pub mod home;
pub mod machines;
pub mod programs;
pub mod progress;
pub mod repository;
pub mod running;
pub mod schema;
pub mod shared;
pub mod wait;
