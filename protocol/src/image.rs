//! Base images and images.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ImageId, Moment, Series, TicketId};

/// What an image was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// A series' pristine image, which tests start from.
    Base,
    /// The base image with a compiler and the packaging tools, which builds start from.
    BaseBuild,
    /// A ticket's image.
    Ticket,
}

/// An image in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageInfo {
    /// Its name.
    pub id: ImageId,
    /// The series.
    pub series: Series,
    /// What it was made from.
    pub kind: ImageKind,
    /// Bytes that it takes on disk, sparse blocks not counted.
    pub size: u64,
    /// When it was made.
    pub created_at: Moment,
    /// The tickets that use it.
    pub users: Vec<TicketId>,
    /// The disk's file.
    pub path: PathBuf,
}

/// Where `image get` has put an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageFiles {
    /// The disk: qcow2 without a backing file.
    pub disk: PathBuf,
    /// Its kernel.
    pub kernel: PathBuf,
    /// Its initrd.
    pub initrd: PathBuf,
    /// The kernel command line that boots it.
    pub command_line: String,
}
