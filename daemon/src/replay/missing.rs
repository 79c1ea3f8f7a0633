//! What a replay needs and the host no longer has: objects of the archive, and base images. A replay fetches nothing, so
//! that it is asked before anything is made.

use std::collections::BTreeSet;
use std::io;

use preflight_archive::{Archive, ArchiveStateId};
use preflight_core::{ImageId, ImageRecord, PackageSources, TicketId};
use preflight_protocol::error::{ErrorCode, RpcError};

use super::plan::Plan;

/// So many of what is missing are named.
const NAMED: usize = 3;

impl Plan {
    /// Whether the images are there that its jobs start from.
    ///
    /// # Errors
    /// One is not.
    pub(crate) fn images_are_there(&self, images: &[ImageRecord], series: &str) -> Result<(), RpcError> {
        let is_there = |id: &ImageId| images.iter().any(|image| image.id == *id);
        let bases: BTreeSet<&ImageId> = self.record.jobs.iter().map(|(_, replay)| &replay.base).collect();
        if let Some(base) = bases.into_iter().find(|base| !is_there(base)) {
            let message = format!("the base image {base} is no longer there, and no other one has the same packages");
            let error = RpcError::new(ErrorCode::Conflict, message);
            return Err(error.with_hint(format!(
                "check the sources again on a base image of today (`preflight image build {series}`)"
            )));
        }
        match self.image.as_ref().filter(|image| !is_there(image)) {
            Some(image) => {
                let error = RpcError::new(
                    ErrorCode::Conflict,
                    format!("the ticket's image {image} is no longer there"),
                );
                Err(error.with_hint("replay the whole ticket: its image is made anew"))
            }
            None => Ok(()),
        }
    }

    /// Whether the archive's store has all that the locks name, and the states that the ticket's package sources name.
    ///
    /// # Errors
    /// It has not; the first few are named.
    pub(crate) fn objects_are_there(
        &self,
        archive: &Archive,
        sources: &PackageSources,
        ticket: TicketId,
    ) -> Result<(), RpcError> {
        let missing = self
            .missing(archive, sources)
            .map_err(|error| RpcError::new(ErrorCode::Host, format!("the archive's store: {error}")))?;
        if missing.is_empty() {
            return Ok(());
        }
        let mut words = missing.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        if missing.len() > NAMED {
            words.push_str(&format!(" and {} more", missing.len() - NAMED));
        }
        let message = format!("the lock of ticket {ticket} names what the store no longer has: {words}");
        let error = RpcError::new(ErrorCode::Conflict, message);
        Err(error.with_hint(format!(
            "`preflight archive prefetch --ticket {ticket}` fetches what is still to be had"
        )))
    }

    fn missing(&self, archive: &Archive, sources: &PackageSources) -> io::Result<Vec<String>> {
        let mut missing = Vec::new();
        let mut seen = BTreeSet::new();
        let states = sources
            .snapshot
            .iter()
            .map(|pinned| (pinned.state, format!("snapshot {}", pinned.name)));
        let states = states.chain(
            sources
                .ppas
                .iter()
                .map(|used| (used.state, format!("PPA {}", used.name))),
        );
        for (state, words) in states {
            if archive.named_by_state(ArchiveStateId::new(state.0)).is_err() {
                missing.push(format!("the archive state of the {words}"));
            }
        }
        for entry in self.record.jobs.iter().flat_map(|(_, replay)| replay.lock.entries()) {
            if seen.insert(entry.sha256) && archive.store().get(entry.sha256)?.is_none() {
                missing.push(entry.url.to_string());
            }
        }
        Ok(missing)
    }
}
