//! What the daemon keeps: the database of tickets, jobs and events, and the log files.
//!
//! [`Store`] owns the only connection that writes, in a thread of its own; SQL lives nowhere else. [`LogWriter`]
//! appends to a log and its side file; [`TicketsFolder`] and [`TicketFolder`] name where files are.

mod folder;
mod log;

pub use folder::{TicketFolder, TicketsFolder};
pub use log::{INDEX_RECORD, LogStream, LogWriter};
