//! The archive: its snapshots, and what a job has fetched from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ImageId, JobId, Moment, Series, Sha256, TicketId};

/// One fetch of a job: an entry of its lock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct LockEntry {
    /// The canonical URL.
    pub url: String,
    /// The digest of what was answered.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// Of a package, the URL of the folder of the suite that it came from, such as `…/dists/bookworm-proposed-updates`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// A job's lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lock {
    /// The job.
    pub job: JobId,
    /// What it started from, and what it was done for; missing before that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<LockHead>,
    /// All that it fetched, sorted by URL.
    pub entries: Vec<LockEntry>,
}

/// What a job's lock says beside the fetched files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockHead {
    /// The base image that its testbeds started from.
    pub base: ImageId,
    /// The archive state that the base image was made of, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_state: Option<Sha256>,
    /// The ticket's image on top of it, where the testbeds started from that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageId>,
    /// The states that packages came from in the place of the base image's, or beside it: the snapshot's, the
    /// PPAs', and those of other tickets' repositories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<NamedState>,
    /// The source package: its `.dsc`, then the files that this names.
    pub sources: Vec<SourceFile>,
}

/// A state of an archive by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamedState {
    /// The snapshot's name, the PPA's, or which ticket's repository it is.
    pub name: String,
    /// The digest of the set of its release files.
    pub state: Sha256,
}

/// A file of a source package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceFile {
    /// Its name.
    pub name: String,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
}

/// A series' archive at one moment: release files and indices, all by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchiveSnapshot {
    /// Its name: `SERIES@TIME-DIGEST`.
    pub name: String,
    /// The series.
    pub series: Series,
    /// When it was taken.
    pub taken_at: Moment,
    /// The digest of the set of its release files.
    pub state: Sha256,
    /// Its suites, pockets included.
    pub suites: Vec<SnapshotSuite>,
    /// Bytes of its indices, as they were fetched.
    pub size: u64,
    /// The tickets that are pinned to it.
    pub users: Vec<TicketId>,
}

/// A suite of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotSuite {
    /// Its name, such as `bookworm-security`.
    pub suite: String,
    /// The archive's URL, without `dists/…`.
    pub uri: String,
    /// Its components.
    pub components: Vec<String>,
    /// The date of its release file, where that has one.
    pub date: Option<Moment>,
}

/// What differs between two snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotDiff {
    /// The name of the first.
    pub from: String,
    /// The name of the second.
    pub to: String,
    /// Packages of which only the second has one, of which only the first, and of which both have another version; by
    /// suite and name.
    pub changes: Vec<PackageChange>,
}

/// A package that differs between two snapshots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct PackageChange {
    /// The suite.
    pub suite: String,
    /// The package's name.
    pub package: String,
    /// Its architecture; `source` for a source package.
    pub architecture: String,
    /// The first snapshot's version; none where that has no such package.
    pub before: Option<String>,
    /// The second's.
    pub after: Option<String>,
}

/// Take a snapshot of a series' archive as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchiveUpdate {
    /// The series; the configured one, or the host's own, where it is missing.
    pub series: Option<String>,
}

/// The ticket that takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchiveUpdating {
    /// Its number.
    pub ticket: TicketId,
}

/// All snapshots, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchiveList {
    /// Only those of this series.
    pub series: Option<String>,
}

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchiveShow {
    /// Its name, or the beginning of it.
    pub name: String,
}

/// What differs between two snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchiveDiff {
    /// The first's name, or the beginning of it.
    pub from: String,
    /// The second's.
    pub to: String,
}

/// Forget snapshots. Those that a kept ticket, or one that is not done, is pinned to stay, and so do the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchivePrune {
    /// How many of each series stay at least.
    pub keep: u32,
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// What was forgotten, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchivePruned {
    /// The names of those that went, or would.
    pub gone: Vec<String>,
    /// The names of those that stay, and why.
    pub stay: Vec<SnapshotStays>,
}

/// A snapshot that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotStays {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: String,
}
