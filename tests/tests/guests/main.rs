//! Whole checks in real guests, under whatever acceleration works here. All share one home (see the harness's `shared`) and
//! take turns, since some kill the daemon or cut its network.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod baseline;
mod check;
mod clones;
mod crash;
#[cfg(feature = "differential")]
mod differential;
mod doctor;
mod failures;
mod kept;
mod own_archive;
mod ppas;
mod prefetch;
mod reboot;
mod rebuild;
mod replay;
mod rerun;
mod snapshots;
mod two_sources;
mod uefi;
mod upstream;
mod verbs;
mod whole;
