//! What changed between two snapshots: versions by suite, component, package and architecture. Indices that both share
//! are not even opened.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use preflight_debian::{Architecture, PackageName, Version};

use crate::archive::Archive;

use super::error::SnapshotError;
use super::name::SnapshotName;
use super::record::{FileRole, Snapshot, SnapshotFile, SnapshotSuite};

/// What changed from one snapshot to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotDiff {
    /// The snapshot before.
    pub from: SnapshotName,
    /// The snapshot after.
    pub to: SnapshotName,
    /// By suite, component, package and architecture.
    pub changes: Vec<PackageChange>,
}

/// A package whose versions differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageChange {
    /// The suite.
    pub suite: String,
    /// Its component; empty in a flat repository.
    pub component: String,
    /// The package, or the source package.
    pub package: PackageName,
    /// Its architecture; `source` for a source package.
    pub architecture: Architecture,
    /// The versions that were there before, oldest first; an index may list several.
    pub before: Vec<Version>,
    /// The versions that are there after.
    pub after: Vec<Version>,
}

/// In which way a package changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// There was none.
    Added,
    /// There is none any more.
    Removed,
    /// The newest version is newer than the newest one before.
    Upgraded,
    /// It is older.
    Downgraded,
    /// The newest one is the same, but there are others beside it.
    Others,
}

impl PackageChange {
    /// In which way it changed.
    #[must_use]
    pub fn change(&self) -> Change {
        match (self.before.last(), self.after.last()) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            (Some(before), Some(after)) => match after.cmp(before) {
                Ordering::Greater => Change::Upgraded,
                Ordering::Less => Change::Downgraded,
                Ordering::Equal => Change::Others,
            },
        }
    }
}

type Key = (PackageName, Architecture);

/// Before and after, each sorted and without repetitions.
type Versions = BTreeMap<Key, [Vec<Version>; 2]>;

impl Archive {
    /// Compares the packages of two snapshots, suite by suite. It unpacks all indices that differ: seconds for a whole
    /// distribution, so not on a thread that others wait for.
    ///
    /// # Errors
    /// An index was removed from the store, or is malformed.
    pub fn diff_snapshots(&self, from: &Snapshot, to: &Snapshot) -> Result<SnapshotDiff, SnapshotError> {
        let (before, after) = (parts(from), parts(to));
        let mut changes = Vec::new();
        let none = Vec::new();
        let mut keys: Vec<&(&str, &str, bool)> = before.keys().chain(after.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let (left, right) = (before.get(key).unwrap_or(&none), after.get(key).unwrap_or(&none));
            if digests(left) == digests(right) {
                continue;
            }
            let mut versions = Versions::new();
            for (at, snapshot, files) in [(0, from, left), (1, to, right)] {
                for (suite, file) in files {
                    self.each_listing(snapshot, suite, file, |listing| {
                        let entry = versions.entry((listing.package, listing.architecture)).or_default();
                        if let Err(place) = entry[at].binary_search(&listing.version) {
                            entry[at].insert(place, listing.version);
                        }
                    })?;
                }
            }
            let (suite, component, _) = *key;
            for ((package, architecture), [before, after]) in versions {
                if before != after {
                    changes.push(PackageChange {
                        suite: suite.to_owned(),
                        component: component.to_owned(),
                        package,
                        architecture,
                        before,
                        after,
                    });
                }
            }
        }
        changes.sort_by(|left, right| order(left).cmp(&order(right)));
        Ok(SnapshotDiff {
            from: from.name.clone(),
            to: to.name.clone(),
            changes,
        })
    }
}

fn order(change: &PackageChange) -> (&str, &str, &PackageName, &Architecture) {
    (&change.suite, &change.component, &change.package, &change.architecture)
}

type Parts<'a> = BTreeMap<(&'a str, &'a str, bool), Vec<(&'a SnapshotSuite, &'a SnapshotFile)>>;

/// The indices by what may be listed in any of them: suite, component, and whether they list sources.
fn parts(snapshot: &Snapshot) -> Parts<'_> {
    let mut parts = Parts::new();
    for suite in &snapshot.suites {
        for file in &suite.files {
            let (component, sources) = match &file.role {
                FileRole::Packages(component) => (component, false),
                FileRole::Sources(component) => (component, true),
                FileRole::Release => continue,
            };
            let part = parts
                .entry((suite.suite.as_str(), component.as_str(), sources))
                .or_default();
            part.push((suite, file));
        }
    }
    parts
}

fn digests<'a>(files: &[(&'a SnapshotSuite, &'a SnapshotFile)]) -> Vec<&'a preflight_debian::Sha256Digest> {
    files.iter().map(|(_, file)| &file.sha256).collect()
}
