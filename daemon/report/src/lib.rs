//! Reports: what tests and jobs came to, in the formats that others read.
//!
//! [`subunit`] streams results while they happen, [`summary`] is autopkgtest's summary file, and
//! [`findings`] finds the line of a log that says what went wrong. What was recorded of a [`run`] becomes autopkgtest's
//! [`output_directory`], [`debci`]'s or [`ubuntu`]'s layout, [`junit`], [`subunit1`] or [`pyunit`] text. Nothing here runs a
//! test or stores a result.

pub mod debci;
pub mod divergence;
pub mod findings;
pub mod junit;
pub mod output_directory;
pub mod packages;
pub mod pyunit;
pub mod run;
pub mod subunit;
pub mod subunit1;
pub mod summary;
pub mod testinfo;
pub mod tree;
pub mod ubuntu;
