//! Prefetching: a ticket that puts into the content store what will be needed without a network, and what came of it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::TicketId;
use crate::package_sources::AskedSources;

/// Fetch what checks will need without a network: packages with all that they depend on, what sources need to be built and
/// tested, or what a ticket has fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchivePrefetch {
    /// The series; what the sources say, the configured one, or the host's own, where it is missing. Not with `ticket`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// Binary packages: `NAME`, or `NAME=VERSION`. Not with `ticket`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Sources as `ticket/create` takes them. Not with `ticket`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<PathBuf>,
    /// The ticket whose locks are to be whole in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketId>,
    /// Where packages come from. Not with `ticket`, which has its own.
    #[serde(default)]
    pub package_sources: AskedSources,
    /// Fetch nothing: only say what is missing.
    #[serde(default)]
    pub offline: bool,
}

/// The ticket that prefetches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchivePrefetching {
    /// Its number.
    pub ticket: TicketId,
    /// What the owner should know.
    pub warnings: Vec<String>,
}

/// What a ticket has prefetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchivePrefetched {
    /// The ticket.
    pub ticket: TicketId,
}

/// What came of prefetching.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PrefetchResult {
    /// What was fetched now.
    pub fetched: FileCount,
    /// What the host had already.
    pub there: FileCount,
    /// What is still missing; all is there where it is empty.
    pub missing: Vec<Missing>,
    /// What nobody could know, for the owner.
    pub notes: Vec<String>,
}

/// Files and how large they are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileCount {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Something that is missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    /// A file, a package that was asked for, or what apt cannot satisfy.
    pub what: String,
    /// Why.
    pub reason: String,
}
