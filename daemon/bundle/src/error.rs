//! Why a bundle cannot be written or read.

use std::io;

use crate::document::FORMAT;

/// Why a bundle cannot be written or read. Nothing of what was read counts then.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It is damaged or cut off, or it never was one.
    #[error("the file is damaged or cut off, or was not written by `preflight export`: {0}")]
    Damaged(String),
    /// A newer release wrote it.
    #[error(
        "the file has format {format}, and this release reads up to {FORMAT}: Preflight {release}, which wrote it, can read it"
    )]
    TooNew {
        /// The file's format.
        format: u32,
        /// The release that wrote it.
        release: String,
    },
    /// What it says of the ticket cannot be.
    #[error("the file contradicts itself: {0}")]
    Incoherent(String),
    /// It holds more than the reader takes.
    #[error("the file holds {what}: {found}, and no more than {most} are taken")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// How much is taken.
        most: u64,
    },
    /// What is to be carried is not as the document says; it was changed meanwhile.
    #[error("{name} was changed while it was being exported")]
    Changed {
        /// The carried file's name.
        name: String,
    },
    /// What was read cannot be kept, or what is written cannot be stored.
    #[error("{0}")]
    Store(io::Error),
}
