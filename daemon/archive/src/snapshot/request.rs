//! What a snapshot is asked to hold. A value; who makes it knows recipes and configuration.

use std::time::SystemTime;

use crate::session::Mirror;

/// A snapshot to take.
#[derive(Debug, Clone)]
pub struct SnapshotRequest {
    /// What it is a snapshot of: the recipe's name (`debian-bookworm`). It becomes part of the snapshot's name.
    pub series: String,
    /// The Debian architecture whose binary packages are wanted, beside those for all.
    pub architecture: String,
    /// The release and its pockets.
    pub suites: Vec<SuiteSpec>,
    /// The moment that names it: now.
    pub at: SystemTime,
}

/// A suite and how much of it.
#[derive(Debug, Clone)]
pub struct SuiteSpec {
    /// Where it is, and who may sign it.
    pub mirror: Mirror,
    /// As apt's sources name it: `bookworm-updates` below `dists/`; or, ending in a slash, a folder that holds the
    /// release file itself (`./`, a flat repository).
    pub suite: String,
    /// Its components (`main`); none for a flat repository.
    pub components: Vec<String>,
    /// Whether a mirror may be without it: then it is left out, and named. Only a mirror that says so itself is without it.
    pub optional: bool,
}

impl SuiteSpec {
    /// Whether it is a flat repository, without `dists/` and components.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.suite.ends_with('/')
    }

    /// The folder of its release file, below the mirror's URL.
    pub(crate) fn folder(&self) -> String {
        if self.is_flat() {
            self.suite.clone()
        } else {
            format!("dists/{}", self.suite)
        }
    }
}
