//! Why results cannot be read. Nothing of them counts then.

use std::io;
use std::path::Path;

/// Why results cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// What is named cannot be read, or what it holds cannot be kept.
    #[error("{what}: {source}")]
    Io {
        /// The file or folder.
        what: String,
        /// The system's error.
        source: io::Error,
    },
    /// It holds more than is taken.
    #[error("{what}: {found} are too many; no more than {most} are taken")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much there is; where that is not known, one more than is taken.
        found: u64,
        /// How much is taken.
        most: u64,
    },
    /// It is none of the formats that are read.
    #[error(
        "{0} holds no results: no output directory of autopkgtest, no result.tar, no log, no subunit stream and no JUnit"
    )]
    Unknown(String),
    /// It is damaged, or not of the format that it should be of.
    #[error("{format}: {why}")]
    Damaged {
        /// The format.
        format: &'static str,
        /// What is wrong, and where.
        why: String,
    },
    /// It does not say of which source package it is.
    #[error("the results do not say of which source package they are")]
    NoSource,
}

impl ResultsError {
    pub(crate) fn io(what: &Path, source: io::Error) -> Self {
        Self::Io {
            what: what.display().to_string(),
            source,
        }
    }

    pub(crate) fn damaged(format: &'static str, why: impl Into<String>) -> Self {
        Self::Damaged {
            format,
            why: why.into(),
        }
    }
}

/// Refuses what there is too much of.
pub(crate) fn no_more(what: &'static str, found: u64, most: u64) -> Result<(), ResultsError> {
    if found <= most {
        Ok(())
    } else {
        Err(ResultsError::TooMuch { what, found, most })
    }
}
