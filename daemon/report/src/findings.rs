//! Findings: what a job's log reveals: the lines that matter, with file and line, and of them the one that a maintainer wants to
//! see first. Reads bytes of any size and any encoding; knows no ticket and no store.

mod collect;
mod first_error;
mod follow;
mod judge;
mod lines;
mod patterns;
mod places;

pub use collect::{MOST_FINDINGS, Reading, log_findings};
pub use first_error::{Ending, FirstError, JobKind, first_error};
pub use lines::{MAX_TEXT, harmless};
pub use patterns::Category;
pub use places::SourceFiles;
