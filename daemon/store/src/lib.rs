//! What the daemon keeps: the database of tickets, jobs and events, and the log files.
//!
//! [`Store`] owns the only connection that writes, in a thread of its own; SQL lives nowhere else. [`LogWriter`]
//! appends to a log and its side file; [`TicketsFolder`] and [`TicketFolder`] name where files are.

mod error;
mod events;
mod folder;
mod load;
mod log;
mod pool;
mod ppas;
mod promotions;
mod recorded;
mod rows;
mod schema;
mod store;
mod words;

pub use error::StoreError;
pub use folder::{TicketFolder, TicketsFolder};
pub use load::Loaded;
pub use log::{INDEX_RECORD, LogStream, LogWriter};
pub use recorded::{RunFile, TestFolder, TestsFolder};
pub use rows::Written;
pub use rows::package_sources::{read as read_package_sources, write as write_package_sources};
pub use store::Store;
