//! Preflight's daemon.
//!
//! The [`dispatcher`] is the only writer of state, the [`server`] the only room that knows the clients' socket, and
//! [`services`] holds the traits by which both meet what does the work. [`bootstrap`] puts them together.

pub mod assembly;
mod baseline_record;
pub mod beats;
pub mod bootstrap;
mod capacity;
pub mod config;
mod convert;
pub mod diagnostics;
pub mod disk;
pub mod dispatcher;
pub mod executor;
pub mod folders;
pub mod host;
pub mod images;
pub mod loans;
mod manifest;
mod mounted;
mod output_file;
pub mod package_places;
pub mod pipeline;
pub mod ppa_pool;
pub mod ppas;
pub mod prefetch;
pub mod promotions;
mod replay;
mod reports;
mod repositories;
mod result_export;
pub mod room;
pub mod server;
pub mod services;
pub mod shells;
pub mod snapshots;
mod staging;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transfer;
mod verdicts;
