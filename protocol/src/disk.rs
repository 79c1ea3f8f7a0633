//! What takes the disk, and what was freed. Sizes are bytes on disk: blocks, as `du` counts them, holes left out and
//! each hard-linked file counted once.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::Moment;

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiskKind {
    /// A series' image.
    BaseImage,
    /// A ticket's image.
    TicketImage,
    /// A booted testbed, frozen.
    Template,
    /// A template above another one: dependencies are installed.
    Layer,
    /// A failed testbed that was kept, frozen.
    KeptTestbed,
    /// A ticket's evidence: logs, results, what its tests have left.
    Ticket,
    /// What a ticket's builds have made, and its repository.
    Artifacts,
    /// A ticket's sources as they were submitted, and unpacked.
    StagedSources,
    /// A file of an archive.
    ArchiveObject,
    /// A composed initrd.
    Initrd,
    /// A source as a testbed has unpacked it, for whoever needs the same.
    UnpackedSource,
    /// The disk of a running testbed.
    Overlay,
    /// The database.
    Database,
    /// What a private libvirt has learnt.
    HypervisorCache,
    /// Keys, logs of the daemon, bookkeeping, what is just being made.
    Other,
}

/// One thing that takes disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiskItem {
    /// What it is.
    pub kind: DiskKind,
    /// Its name among those of its kind.
    pub name: String,
    /// Bytes on disk.
    pub size: u64,
    /// When it was last used, as far as is known.
    pub last_used: Option<Moment>,
    /// Who uses it, in words.
    pub used_by: Vec<String>,
    /// Whether it can be made again.
    pub remakeable: bool,
    /// Why it cannot be freed now; none where it can.
    pub stays: Option<String>,
}

/// All items of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KindUsage {
    /// The kind.
    pub kind: DiskKind,
    /// How many.
    pub items: u64,
    /// Bytes on disk.
    pub size: u64,
    /// Bytes of those that can be freed.
    pub freeable: u64,
}

/// A file system that the daemon's folders are on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileSystem {
    /// The daemon's folders that are on it.
    pub folders: Vec<PathBuf>,
    /// Its bytes.
    pub size: u64,
    /// Bytes that the daemon could still write.
    pub free: u64,
    /// Bytes that the daemon leaves free.
    pub reserve: u64,
}

/// What takes the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Bytes that all may take together.
    pub budget: u64,
    /// Bytes that all take together.
    pub used: u64,
    /// Bytes that are promised to what is just being made.
    pub promised: u64,
    /// The file systems.
    pub file_systems: Vec<FileSystem>,
    /// By kind, the largest first.
    pub kinds: Vec<KindUsage>,
    /// The largest items, the largest first.
    pub items: Vec<DiskItem>,
}

/// An item that was freed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FreedItem {
    /// What it is.
    pub kind: DiskKind,
    /// Its name among those of its kind.
    pub name: String,
    /// Bytes on disk.
    pub size: u64,
    /// When it was last used, as far as is known.
    pub last_used: Option<Moment>,
    /// Why it and not another.
    pub reason: String,
}

/// What was freed, or would be, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Freed {
    /// Whether nothing was freed, but only said what would be.
    pub dry_run: bool,
    /// Bytes that all may take together.
    pub budget: u64,
    /// Bytes that were used before.
    pub before: u64,
    /// Bytes that are used now, or would be.
    pub after: u64,
    /// The items.
    pub items: Vec<FreedItem>,
    /// Bytes that should have been freed besides, and could not be.
    pub short: u64,
    /// What could not be freed although it was chosen, and why.
    pub failed: Vec<String>,
}
