//! Which snapshots go: those that nobody names and that are not among the newest of their series. Their objects stay in
//! the store until the disk's budget wants their room.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::Archive;

use super::error::SnapshotError;
use super::name::SnapshotName;
use super::record::Snapshot;

/// What pruning leaves alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSnapshots {
    /// Those that a kept ticket, an image or a promotion names.
    pub named: BTreeSet<SnapshotName>,
    /// How many of the newest of each series and architecture.
    pub newest: usize,
}

impl KeptSnapshots {
    /// Of `snapshots`, oldest first, those that go, oldest first.
    fn leaves(&self, snapshots: Vec<Snapshot>) -> Vec<Snapshot> {
        let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut going: Vec<Snapshot> = snapshots
            .into_iter()
            .rev()
            .filter(|snapshot| {
                let newer = seen
                    .entry((snapshot.series().to_owned(), snapshot.architecture.clone()))
                    .or_default();
                *newer += 1;
                *newer > self.newest && !self.named.contains(&snapshot.name)
            })
            .collect();
        going.reverse();
        going
    }
}

impl Archive {
    /// The snapshots that [`Self::prune_snapshots`] would remove, oldest first.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn prunable_snapshots(&self, kept: &KeptSnapshots) -> Result<Vec<Snapshot>, SnapshotError> {
        Ok(kept.leaves(self.snapshots()?))
    }

    /// Removes snapshots, oldest first, and says which. Only their files go: what they hold goes when room is needed,
    /// and only what nobody else names.
    ///
    /// # Errors
    /// The folder can't be read or written.
    pub fn prune_snapshots(&self, kept: &KeptSnapshots) -> Result<Vec<Snapshot>, SnapshotError> {
        let going = self.prunable_snapshots(kept)?;
        for snapshot in &going {
            self.inner.snapshots.remove(&snapshot.name)?;
        }
        Ok(going)
    }
}
