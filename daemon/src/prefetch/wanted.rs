//! What a ticket is to prefetch, as it was asked for: a file that is staged before there is a ticket, so that a daemon that
//! goes on after another's death is told the same. Nothing is resolved here.

use std::io;
use std::path::{Path, PathBuf};

use preflight_core::LockEntry;
use serde::{Deserialize, Serialize};

/// In the ticket's folder.
const FILE: &str = "prefetch.json";

/// What is to be in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Binary packages as apt names them, with all that they depend on.
    pub packages: Vec<String>,
    /// Sources that are to be built and tested.
    pub sources: Vec<WantedSource>,
    /// What a ticket has fetched.
    pub lock: Option<WantedLock>,
}

/// A source that was staged with the ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedSource {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where its files are, relative to the ticket's folder.
    pub staged: PathBuf,
    /// Whether it is a folder rather than a source package.
    pub is_folder: bool,
}

/// What a ticket needs to run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedLock {
    /// That ticket's number.
    pub ticket: u64,
    /// The base images that its jobs started from.
    pub images: Vec<String>,
    /// All that its jobs have fetched.
    pub files: Vec<WantedFile>,
    /// Why it cannot run again though all that is there.
    pub obstacles: Vec<String>,
}

/// A file of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedFile {
    /// The canonical URL.
    pub url: String,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// The URL of the folder of the suite that it came from, where that is known.
    pub origin: Option<String>,
}

impl From<LockEntry> for WantedFile {
    fn from(entry: LockEntry) -> Self {
        Self {
            sha256: entry.sha256.to_string(),
            url: entry.url,
            size: entry.size,
            origin: entry.origin,
        }
    }
}

impl Wanted {
    /// Writes it into what will be a ticket's folder.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        std::fs::write(folder.join(FILE), serde_json::to_vec(self)?)
    }

    /// Reads what [`Wanted::write`] wrote.
    ///
    /// # Errors
    /// The system's, or that the file is not in its format.
    pub fn read(folder: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(folder.join(FILE))?)?)
    }
}
