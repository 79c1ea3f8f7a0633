//! Prefetching, as far as requests and the job both know of it: what is wanted, and what came of it. Both are files in the
//! ticket's folder; fetching is the pipeline's matter.

mod result;
mod wanted;

pub use result::{read_result, write_result};
pub use wanted::{Wanted, WantedFile, WantedLock, WantedSource};
