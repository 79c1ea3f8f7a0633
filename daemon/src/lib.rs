//! Preflight's daemon.
//!
//! [`services`] holds the traits by which the dispatcher and the server meet what does the work.

pub mod beats;
pub mod config;
mod reports;
pub mod services;
mod staging;
