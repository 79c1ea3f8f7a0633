//! `preflight doctor`: what this host has of what Preflight needs, what is missing, and what to do about it.

mod account;
mod check;
mod host;
mod programs;
mod report;

pub use check::{Check, CheckState};
pub use report::{Patient, doctor};
