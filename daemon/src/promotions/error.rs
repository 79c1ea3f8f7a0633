//! Why a link's criteria cannot be used: what is wrong, where, and what to do.

use std::path::PathBuf;

use crate::config::Place;

/// A file of criteria that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CriteriaError {
    /// It cannot be read.
    #[error("the criteria {path:?} cannot be read: {source}")]
    Unreadable {
        /// The file, or its folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It is no TOML, or has a key or a value that nobody knows.
    #[error("{place}: {message}")]
    Malformed {
        /// Where.
        place: Place,
        /// What is wrong, the field included.
        message: String,
    },
    /// A field's value makes no sense beside the others.
    #[error("{place}: `{field}` {message}")]
    Field {
        /// Where.
        place: Place,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

impl CriteriaError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "make it a file that you may read, or remove it",
            Self::Malformed { .. } | Self::Field { .. } => "`preflight promote --help` shows what such a file says",
        }
    }
}
