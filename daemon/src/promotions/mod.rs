//! What links want, from the owner's files, and what tickets' repositories have on the disk. Whether a link may move is
//! core's matter.

mod criteria_file;
mod error;
mod folder;
mod generation;

pub use error::CriteriaError;
pub use folder::CriteriaFolder;
pub(crate) use generation::{current_generation, has_generation};
