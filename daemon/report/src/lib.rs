//! Reports: what tests and jobs came to, in the formats that others read.
//!
//! [`subunit`] streams results while they happen, [`summary`] is autopkgtest's summary file, [`text`] is for people,
//! and [`findings`] finds the line of a log that says what went wrong. Nothing here runs a test or stores a result.

pub mod findings;
pub mod subunit;
pub mod summary;
pub mod text;
