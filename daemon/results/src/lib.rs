//! Results of tests that others have run: autopkgtest's output directory, debci's and Ubuntu's layouts, subunit, JUnit.
//!
//! [`gather`] copies and unpacks what is named into a folder, with bounds; [`read`] makes a [`Run`] of that folder. All of it
//! is a stranger's: no size, count or name of it is believed. Nothing here stores a ticket or asks a network.

mod archive;
mod autopkgtest;
mod case;
mod compose;
mod error;
mod format;
mod gather;
mod identity;
mod junit;
pub mod limits;
mod log;
mod name;
mod outcome;
mod run;
mod subunit1;
mod subunit2;
mod subunit_status;

pub use case::{Attachment, Case};
pub use error::ResultsError;
pub use format::Format;
pub use gather::{Material, gather};
pub use identity::Identity;
pub use log::{LogFacts, parse as parse_log};
pub use name::is_file_name;
pub use run::{KeptFile, Run, read};
pub use {junit::parse as parse_junit, subunit1::parse as parse_subunit1, subunit2::parse as parse_subunit2};
