//! Why the database cannot be used.

use std::path::PathBuf;
use std::sync::Arc;

/// Why the database cannot be used. After a failed commit the daemon must stop, lest it diverge from what is stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A newer daemon has made it.
    #[error(
        "the database {path:?} has version {found}, and this preflightd knows none newer than {known}: install a newer preflightd, or start with another state folder"
    )]
    TooNew {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that is known here.
        known: usize,
    },
    /// It cannot be brought to the newest version.
    #[error("the database {path:?} cannot be brought to the newest version: {why}")]
    Migration {
        /// The database.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// What is in it makes no sense.
    #[error("the database has {found:?} as {what}, which is none that is known here")]
    Nonsense {
        /// What should be there.
        what: &'static str,
        /// What is there.
        found: String,
    },
    /// SQLite's own error.
    #[error("the database fails: {0}")]
    Sqlite(Arc<rusqlite::Error>),
    /// A file or folder.
    #[error("{path:?}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: Arc<std::io::Error>,
    },
    /// The writer's thread is gone.
    #[error("the database's writer has ended")]
    Gone,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}
