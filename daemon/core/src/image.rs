//! Images as tickets know them: names and what they were made from, never their bytes.

use std::path::PathBuf;

use crate::ids::{ImageId, Moment, Series};

/// What an image was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageKind {
    /// A series' pristine image, which tests start from.
    Base,
    /// The base image with a compiler and the packaging tools, which builds start from.
    BaseBuild,
    /// A ticket's image.
    Ticket,
}

/// An image in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRecord {
    /// Its name.
    pub id: ImageId,
    /// The series.
    pub series: Series,
    /// What it was made from.
    pub kind: ImageKind,
    /// The image that its disk is an overlay of, if any; it must not be removed before this one.
    pub parent: Option<ImageId>,
    /// Bytes that it takes on disk, sparse blocks not counted.
    pub size: u64,
    /// When it was made.
    pub created_at: Moment,
    /// The disk's file.
    pub path: PathBuf,
}
