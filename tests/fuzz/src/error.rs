//! Why nothing can be run. That a property does not hold is no error: the table says it.

use std::io;
use std::path::PathBuf;

/// Why nothing can be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FuzzError {
    /// The system's.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's error.
        source: io::Error,
    },
    /// A folder cannot be read.
    #[error("the sources cannot be read: {0}")]
    Sources(#[from] walkdir::Error),
    /// cargo failed; it has said why.
    #[error("the tests cannot be built")]
    Build,
    /// A file of tests belongs to no package.
    #[error("{0:?} belongs to no package")]
    NoPackage(PathBuf),
    /// There is none of that name.
    #[error("there is no target: no test whose name begins with fuzz_ and holds {0:?}")]
    NoTarget(String),
}

impl FuzzError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }
}
