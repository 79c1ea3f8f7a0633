//! Logs: bytes in files, which a client on the same host reads by itself.
//!
//! A log's side file `<log>.idx` is a sequence of 24-byte little-endian records, one for each piece of output as it
//! arrived: byte offset (u64), nanoseconds since the epoch (i64), stream (u32: 0 Preflight's own words, 1 stdout,
//! 2 stderr), length (u32).

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Attempt, JobId};

/// A log's name within its ticket, such as `2-build-hello.1.log`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LogName(pub String);

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where a log is and how long it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogInfo {
    /// Its name.
    pub name: LogName,
    /// The job that writes it.
    pub job: JobId,
    /// The attempt that writes it.
    pub attempt: Attempt,
    /// The file, for a client on the same host.
    pub path: PathBuf,
    /// Its side file.
    pub index: PathBuf,
    /// Its length in bytes now.
    pub size: u64,
    /// Whether it may still grow.
    pub growing: bool,
}

/// A piece of a log, for a client that cannot read the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogRange {
    /// The byte that it starts at.
    pub offset: u64,
    /// The bytes, in base64 (RFC 4648, padded).
    pub base64: String,
    /// The log's length in bytes when it was read.
    pub size: u64,
}
