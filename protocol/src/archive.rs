//! What a job has fetched from the archive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{JobId, Sha256};

/// One fetch of a job: an entry of its lock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct LockEntry {
    /// The canonical URL.
    pub url: String,
    /// The digest of what was answered.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
}

/// A job's lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lock {
    /// The job.
    pub job: JobId,
    /// All that it fetched, sorted by URL.
    pub entries: Vec<LockEntry>,
}
