//! What came of a ticket's tests, in the formats of others: gathers what the daemon knows and what was recorded, lets the
//! report room say it, and writes that to where a client wants it.

mod gather;
mod write;

pub(crate) use gather::{Wanted, gather};
pub(crate) use write::{ExportFailure, write};
