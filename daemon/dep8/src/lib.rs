//! dep8: what a source package's `debian/tests/control` asks for, and how one of its tests is run.
//!
//! [`control`] reads, [`plan`](mod@plan) decides, [`prepare`](mod@prepare) makes a [`machine::TestMachine`] ready for all
//! tests that ask for the same, [`run`](mod@run) carries out one test on it, and [`outcome`] says what came of it in autopkgtest's words and exit codes. Nothing here knows of tickets, images,
//! hypervisors or logs: whoever leases a testbed brings the machine and takes the events.

pub mod arch;
pub mod control;
pub mod dependency;
pub mod dialect;
mod install;
pub mod log;
pub mod machine;
pub mod name;
pub mod outcome;
pub mod plan;
mod preamble;
pub mod prepare;
pub mod reboot;
pub mod restriction;
pub mod run;
mod script;
pub mod source;
mod stanza;
pub mod verdict;
