//! Taking a snapshot: all suites whole, then a state, then the snapshot's file. What an interrupted one has fetched
//! stays in the store, and the next one goes on from there.

use crate::archive::Archive;
use crate::error::{ArchiveError, RefusalKind, Refused};
use crate::state;
use crate::url::CanonicalUrl;

use super::error::SnapshotError;
use super::meter::{Meter, SnapshotProgressCallback};
use super::name::SnapshotName;
use super::record::Snapshot;
use super::request::SnapshotRequest;
use super::whole_suite::{Taken, WholeSuite, take_whole};

/// What came of taking a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenSnapshot {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// False: the newest snapshot of the series holds the same, and it is this one.
    pub is_new: bool,
    /// Optional suites that their mirrors do not have: the URLs of their folders.
    pub absent: Vec<CanonicalUrl>,
}

impl Archive {
    /// Takes a snapshot of a series as its mirrors have it now. Nothing is published unless all of it is here.
    ///
    /// # Errors
    /// A mirror can't be reached; a release file's signature, `Valid-Until` or `Date` is bad; an index is not to be had
    /// although its suite was taken three times; the disk is full.
    pub async fn take_snapshot(
        &self,
        request: SnapshotRequest,
        progress: Option<SnapshotProgressCallback>,
    ) -> Result<TakenSnapshot, SnapshotError> {
        if request.suites.is_empty()
            || request
                .suites
                .iter()
                .any(|suite| !suite.is_flat() && suite.components.is_empty())
        {
            return Err(SnapshotError::NothingToTake { series: request.series });
        }
        let taken = take_whole(self, &request.suites, &request.architecture, &Meter::new(progress)).await?;
        let archive = self.clone();
        tokio::task::spawn_blocking(move || archive.publish_snapshot(&request, taken))
            .await
            .map_err(|error| Refused::new(RefusalKind::Internal, error.to_string()))?
    }

    fn publish_snapshot(&self, request: &SnapshotRequest, taken: Taken) -> Result<TakenSnapshot, SnapshotError> {
        let Taken { suites, absent } = taken;
        let release_files = suites
            .iter()
            .map(|whole| (whole.suite.folder.clone(), whole.suite.record()))
            .collect();
        let state = state::store(self.store(), &release_files)?;
        let snapshot = Snapshot {
            name: SnapshotName::new(&request.series, request.at, state)?,
            architecture: request.architecture.clone(),
            taken_at: request.at,
            state,
            suites: suites.iter().map(WholeSuite::record).collect(),
        };
        let (snapshot, is_new) = self.keep_snapshot(snapshot)?;
        for whole in &suites {
            self.inner
                .advance_head(&whole.suite)
                .map_err(ArchiveError::io(&self.inner.heads))?;
        }
        Ok(TakenSnapshot {
            snapshot,
            is_new,
            absent,
        })
    }
}
