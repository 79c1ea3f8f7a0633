//! Why a snapshot can't be taken, found, read or compared, in words for the user.

use std::path::PathBuf;

use crate::error::{ArchiveError, RefusalKind, Refused};

use super::name::{SnapshotName, SnapshotNameError};

/// A call about snapshots failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The archive's folder, or its configuration.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A name that can't be one.
    #[error(transparent)]
    Name(#[from] SnapshotNameError),
    /// Nothing was asked for.
    #[error("a snapshot of {series} needs at least one suite, and each suite a component")]
    NothingToTake {
        /// Of what.
        series: String,
    },
    /// A suite can't be taken: its release file was refused, or one of its indices is not to be had.
    #[error("{reason}")]
    Suite {
        /// What kind of refusal it was.
        kind: RefusalKind,
        /// The URL and what is wrong with it, in one line.
        reason: String,
    },
    /// The release file of a suite does not list what was asked for.
    #[error(
        "{suite}: the release file lists no packages of component {component} for {architecture}; it has {offered}"
    )]
    NoSuchComponent {
        /// The URL of the suite's folder.
        suite: String,
        /// The component that was asked for.
        component: String,
        /// The architecture that was asked for.
        architecture: String,
        /// Components that it does list.
        offered: String,
    },
    /// No snapshot has such a name.
    #[error("there is no snapshot {asked:?}{}", .newest.as_ref().map(|name| format!("; the newest is {name}")).unwrap_or_default())]
    NoSuchSnapshot {
        /// What was asked for.
        asked: String,
        /// The newest of that series, or else of all.
        newest: Option<SnapshotName>,
    },
    /// Several snapshots' names start so.
    #[error("{asked:?} may be any of {} snapshots: {}", .matching.len(), few(.matching))]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// Oldest first.
        matching: Vec<SnapshotName>,
    },
    /// A snapshot's file is not in its format.
    #[error("{}: it is no snapshot of this release: {reason}; if nothing needs it, remove the file", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An index that a snapshot names is gone from the store, or can't be parsed.
    #[error("{snapshot}: the index {path} of {suite} can't be read: {reason}; take a new snapshot")]
    Index {
        /// Which snapshot.
        snapshot: SnapshotName,
        /// The suite.
        suite: String,
        /// The path below the suite's folder.
        path: String,
        /// Why not.
        reason: String,
    },
}

impl From<Refused> for SnapshotError {
    fn from(refused: Refused) -> Self {
        Self::Suite {
            kind: refused.kind,
            reason: refused.reason,
        }
    }
}

fn few(names: &[SnapshotName]) -> String {
    const FEW: usize = 5;
    let mut text = names
        .iter()
        .rev()
        .take(FEW)
        .map(SnapshotName::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > FEW {
        text.push_str(", …");
    }
    text
}
