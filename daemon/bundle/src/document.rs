//! What `preflight.json` says: where the ticket comes from, the ticket, what it was run on, what it fetched, and which
//! files follow. Types of the format's own: a release that changes the daemon's types does not change the file.

use jiff::Timestamp;
use preflight_debian::Sha256Digest;
use serde::{Deserialize, Serialize};

use crate::name::EntryName;
use crate::ticket::Ticket;

/// The newest format that this release reads, and the one that it writes.
pub const FORMAT: u32 = 1;
/// The name of the first entry.
pub const ROOT: &str = "preflight.json";

/// What `preflight.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The format's number. It and `release` mean the same in every format.
    pub format: u32,
    /// The release of Preflight that wrote the file, such as `0.1.0`.
    pub release: String,
    /// Where the ticket comes from.
    pub origin: Origin,
    /// The ticket, with the numbers that it had there.
    pub ticket: Ticket,
    /// What it was run on, by name; no image is carried.
    pub images: Vec<Image>,
    /// What its jobs have fetched: of each job its newest attempt's lock.
    pub locks: Vec<Lock>,
    /// The archive states that its images and package sources name.
    pub states: Vec<ArchiveState>,
    /// What follows, in this order.
    pub files: Vec<CarriedFile>,
}

/// Where a ticket comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The name of the host.
    pub host: String,
    /// The number that the ticket has there.
    pub ticket: u64,
    /// When it was exported.
    pub exported_at: Timestamp,
}

/// An image that the ticket was run on, or may have started from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its name.
    pub id: String,
    /// What it is.
    pub kind: ImageKind,
    /// The series.
    pub series: String,
    /// The image that its disk is an overlay of.
    pub parent: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// How it was made, for a base image that is still there.
    pub base: Option<BaseFacts>,
}

/// What an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// A series' pristine image.
    Base,
    /// The same with what builds need.
    BaseBuild,
    /// A ticket's.
    Ticket,
}

/// How a base image was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseFacts {
    /// The recipe's name.
    pub recipe: String,
    /// Debian's name of the architecture.
    pub architecture: String,
    /// The digest over recipe, variant, architecture and archive state.
    #[serde(with = "crate::digest")]
    pub digest: Sha256Digest,
    /// apt's sources as they stand in the image.
    pub sources_list: String,
    /// The archive state that it was built from, where that is known.
    #[serde(with = "crate::digest::optional")]
    pub state: Option<Sha256Digest>,
}

/// What a job has fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The job's number.
    pub job: u64,
    /// What it started from, where that was written down.
    pub head: Option<LockHead>,
    /// All that it fetched.
    pub entries: Vec<LockEntry>,
}

/// What a job started from, and what it was done for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockHead {
    /// The base image.
    pub base: String,
    /// The archive state that it was made of.
    #[serde(with = "crate::digest::optional")]
    pub archive_state: Option<Sha256Digest>,
    /// The ticket's image on top of it.
    pub image: Option<String>,
    /// The files of the source package.
    pub sources: Vec<SourceFile>,
}

/// A file of a source package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Its name.
    pub name: String,
    /// Its digest.
    #[serde(with = "crate::digest")]
    pub sha256: Sha256Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// One fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockEntry {
    /// The canonical URL.
    pub url: String,
    /// The digest of what was answered.
    #[serde(with = "crate::digest")]
    pub sha256: Sha256Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Of a package, the URL of the folder of the suite that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// The release files of a set of suites at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveState {
    /// The digest of the set.
    #[serde(with = "crate::digest")]
    pub digest: Sha256Digest,
    /// What names it: a snapshot, a PPA or an image.
    pub named_by: String,
}

/// A file that follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarriedFile {
    /// Its name.
    pub name: EntryName,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    #[serde(with = "crate::digest")]
    pub sha256: Sha256Digest,
}
