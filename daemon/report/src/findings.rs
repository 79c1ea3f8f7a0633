//! Findings: what a job's log reveals. So far the one line that a maintainer wants to see first; later also file and
//! line of every warning. Reads bytes of any size and any encoding; knows no ticket and no store.

mod first_error;
mod lines;
mod patterns;

pub use first_error::{Ending, FirstError, JobKind, first_error};
pub use lines::{MAX_TEXT, harmless};
pub use patterns::Category;
