//! The desk at which tickets are handed over: what an export or an import needs of the daemon.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use preflight_archive::{Archive, ContentStore};
use preflight_core::{ImageRecord, JobId, LockEntry, LockHead, Ticket};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_store::TicketsFolder;

use super::export;
use super::import::{self, Unpacked};
use super::unpack::Objects;
use crate::disk::Budget;
use crate::services::Images;

/// The desk at which tickets are handed over; clones share it.
#[derive(Clone)]
pub struct Transfer {
    /// Where tickets' files are.
    pub tickets: TicketsFolder,
    /// What jobs have fetched.
    pub archive: Archive,
    /// What is known of images.
    pub images: Arc<dyn Images>,
    /// How much of the disk an import may take.
    pub budget: Budget,
}

/// A ticket that was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The file's size in bytes.
    pub size: u64,
    /// How many files of the ticket it carries.
    pub files: usize,
    /// How many objects of the archive it carries.
    pub objects: usize,
    /// What could not be carried, in words.
    pub left_out: Vec<String>,
}

/// A ticket that is to be exported, as the state and the store have it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The ticket; it has ended.
    pub ticket: Ticket,
    /// What its jobs' newest attempts have fetched.
    pub locks: Vec<(JobId, Vec<LockEntry>)>,
    /// What those locks say beside.
    pub heads: Vec<(JobId, LockHead)>,
    /// The images that there are.
    pub images: Vec<ImageRecord>,
}

impl Transfer {
    /// Writes a ticket to `file`, which appears whole or not at all.
    ///
    /// # Errors
    /// The ticket's files cannot be read, or the file cannot be written.
    pub async fn export(&self, outgoing: Outgoing, file: PathBuf, with_packages: bool) -> Result<Exported, RpcError> {
        let mut facts = Vec::new();
        for image in export::images(&outgoing) {
            let base = self.images.facts(&image.id).await?;
            facts.push((image.clone(), base));
        }
        let desk = self.clone();
        blocking(move || export::write(&desk, &outgoing, &facts, &file, with_packages)).await
    }

    /// Reads a file and unpacks it aside, where it goes with the answer unless a ticket adopts it.
    ///
    /// # Errors
    /// The file is no export, damaged, or of a newer release; there is no room; the disk cannot be written to.
    pub async fn unpack(&self, file: PathBuf) -> Result<Unpacked, RpcError> {
        let desk = self.clone();
        let runtime = tokio::runtime::Handle::current();
        blocking(move || import::unpack(&desk, &runtime, &file)).await
    }

    /// Puts the objects that came with a ticket into the store, those that it has left out. To be called before the ticket
    /// is there, so that none is without them, and once more after it: what no lock names may be freed at any time.
    ///
    /// # Errors
    /// The store cannot be written to.
    pub async fn keep_objects(&self, objects: &Arc<Objects>) -> Result<(), RpcError> {
        let (store, objects) = (self.store().clone(), Arc::clone(objects));
        blocking(move || import::keep(&store, &objects)).await
    }

    pub(super) fn store(&self) -> &ContentStore {
        self.archive.store()
    }
}

/// Work that reads and writes files, away from the threads that must never wait.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(RpcError::new(ErrorCode::Internal, error.to_string())),
    }
}

/// What the host says of a file.
pub(super) fn at(path: &Path, error: &dyn std::fmt::Display) -> RpcError {
    RpcError::new(ErrorCode::Host, format!("{}: {error}", path.display()))
}
