//! Snapshots of series' archives as clients ask for them, and as tickets are pinned to them. Taking one is a job's matter.

mod pinning;

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use preflight_archive::{Archive, KeptSnapshots, PackageChange, Snapshot, SnapshotError, SnapshotName, SnapshotSuite};
use preflight_core::{AptSuite, Series, Sha256};
use preflight_debian::Version;
use preflight_protocol::archive as wire;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids;
use preflight_protocol::package_sources::AskedPocket;
use preflight_vm_images::Catalogue;

use crate::pipeline::intake::host_series;

pub use pinning::Pinned;

/// The snapshots that there are.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// The series that is meant: as asked for, else as configured, else the host's own.
    ///
    /// # Errors
    /// There is no such recipe, or nothing says which is meant.
    fn series(&self, asked: Option<&str>) -> Result<Series, RpcError>;

    /// The snapshot of that name, or the only one whose name begins so.
    ///
    /// # Errors
    /// There is none, or there are several.
    async fn show(&self, asked: &str) -> Result<wire::ArchiveSnapshot, RpcError>;

    /// All, newest first; nobody uses them here.
    ///
    /// # Errors
    /// The cache cannot be read.
    async fn list(&self, series: Option<&Series>) -> Result<Vec<wire::ArchiveSnapshot>, RpcError>;

    /// What differs between two.
    ///
    /// # Errors
    /// One of them is not there, or an index of theirs is not.
    async fn diff(&self, from: &str, to: &str) -> Result<wire::SnapshotDiff, RpcError>;

    /// Forgets all that nobody names, except the newest of each series; answers with the names of those that went, or would.
    ///
    /// # Errors
    /// The cache cannot be read or written.
    async fn prune(&self, named: BTreeSet<String>, newest: usize, dry_run: bool) -> Result<Vec<String>, RpcError>;

    /// A snapshot as a ticket of this series is pinned to it, and the pockets that the ticket asks for. Where no snapshot is
    /// named, it is the newest that has all of them: whatever a ticket uses is pinned.
    ///
    /// # Errors
    /// There is no such snapshot, it is of another series, or it or the series lacks a pocket.
    async fn pin(&self, series: &Series, asked: Option<&str>, pockets: &[AskedPocket]) -> Result<Pinned, RpcError>;
}

/// The archive's snapshots.
#[derive(Debug)]
pub struct ArchiveSnapshots {
    /// The archive.
    pub archive: Archive,
    /// The series that there are.
    pub catalogue: Catalogue,
    /// The series that is meant where nobody says.
    pub default_series: Option<String>,
}

impl ArchiveSnapshots {
    /// Away from the threads that must never wait: files are read, and indices of tens of megabytes.
    async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Archive) -> Result<T, SnapshotError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let archive = self.archive.clone();
        match tokio::task::spawn_blocking(move || read(&archive)).await {
            Ok(done) => done.map_err(|error| refused(&error)),
            Err(error) => Err(RpcError::new(ErrorCode::Internal, error.to_string())),
        }
    }
}

#[async_trait]
impl Snapshots for ArchiveSnapshots {
    fn series(&self, asked: Option<&str>) -> Result<Series, RpcError> {
        let own = host_series();
        let name = asked
            .or(self.default_series.as_deref())
            .or(own.as_deref())
            .ok_or_else(|| {
                RpcError::new(ErrorCode::InvalidParams, "nothing says which series is meant")
                    .with_hint("name one, or set `series` in the configuration")
            })?;
        let found = self.catalogue.find(name);
        let recipe = found.map_err(|error| RpcError::new(ErrorCode::InvalidParams, error.to_string()))?;
        Ok(Series(recipe.name().to_string()))
    }

    async fn show(&self, asked: &str) -> Result<wire::ArchiveSnapshot, RpcError> {
        let asked = asked.to_owned();
        self.reading(move |archive| archive.snapshot(&asked).map(|found| info(&found)))
            .await
    }

    async fn list(&self, series: Option<&Series>) -> Result<Vec<wire::ArchiveSnapshot>, RpcError> {
        let series = series.cloned();
        let is_wanted = move |snapshot: &Snapshot| match &series {
            Some(series) => snapshot.series() == series.as_str(),
            None => true,
        };
        self.reading(move |archive| {
            let all = archive.snapshots()?;
            Ok(all.iter().rev().filter(|one| is_wanted(one)).map(info).collect())
        })
        .await
    }

    async fn diff(&self, from: &str, to: &str) -> Result<wire::SnapshotDiff, RpcError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.reading(move |archive| {
            let (from, to) = (archive.snapshot(&from)?, archive.snapshot(&to)?);
            let found = archive.diff_snapshots(&from, &to)?;
            Ok(wire::SnapshotDiff {
                from: from.name.to_string(),
                to: to.name.to_string(),
                changes: found.changes.into_iter().map(change).collect(),
            })
        })
        .await
    }

    async fn prune(&self, named: BTreeSet<String>, newest: usize, dry_run: bool) -> Result<Vec<String>, RpcError> {
        self.reading(move |archive| {
            let named: BTreeSet<SnapshotName> = named.iter().filter_map(|name| name.parse().ok()).collect();
            let kept = KeptSnapshots { named, newest };
            let gone = match dry_run {
                true => archive.prunable_snapshots(&kept)?,
                false => archive.prune_snapshots(&kept)?,
            };
            Ok(gone.iter().map(|snapshot| snapshot.name.to_string()).collect())
        })
        .await
    }

    async fn pin(&self, series: &Series, asked: Option<&str>, pockets: &[AskedPocket]) -> Result<Pinned, RpcError> {
        let recipe = self
            .catalogue
            .find(series.as_str())
            .map_err(|error| RpcError::new(ErrorCode::InvalidParams, error.to_string()))?;
        let wanted = pinning::wanted(recipe, pockets)?;
        let Some(asked) = asked.map(str::to_owned) else {
            let all = self.reading(Archive::snapshots).await?;
            return pinning::pin(recipe, pinning::newest(series, &all, &wanted)?, wanted);
        };
        let found = self.reading(move |archive| archive.snapshot(&asked)).await?;
        pinning::pin(recipe, &found, wanted)
    }
}

fn refused(error: &SnapshotError) -> RpcError {
    let code = match error {
        SnapshotError::NoSuchSnapshot { .. } => ErrorCode::NotFound,
        SnapshotError::Ambiguous { .. } => ErrorCode::InvalidParams,
        _ => ErrorCode::Host,
    };
    let answer = RpcError::new(code, error.to_string());
    match error {
        SnapshotError::NoSuchSnapshot { .. } => answer
            .with_hint("`preflight archive list` shows those that there are, `preflight archive update` takes one"),
        _ => answer,
    }
}

fn moment(at: SystemTime) -> ids::Moment {
    crate::convert::moment(preflight_core::Moment(
        at.duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| i64::try_from(since.as_micros()).ok())
            .unwrap_or_default(),
    ))
}

/// A suite as apt's sources name it.
pub(crate) fn apt_suite(suite: &SnapshotSuite) -> AptSuite {
    AptSuite {
        uri: uri(suite),
        suite: suite.suite.clone(),
        components: suite.components.clone(),
    }
}

/// The archive's URL: what is before `dists/` in that of the suite's folder.
fn uri(suite: &SnapshotSuite) -> String {
    let folder = suite.folder.as_str().trim_end_matches('/');
    let tail = format!("/dists/{}", suite.suite);
    folder.strip_suffix(&tail).unwrap_or(folder).to_owned()
}

fn info(snapshot: &Snapshot) -> wire::ArchiveSnapshot {
    wire::ArchiveSnapshot {
        name: snapshot.name.to_string(),
        series: ids::Series(snapshot.series().to_owned()),
        taken_at: moment(snapshot.taken_at),
        state: crate::convert::digest(Sha256(*snapshot.state.digest().as_bytes())),
        suites: snapshot
            .suites
            .iter()
            .map(|suite| wire::SnapshotSuite {
                suite: suite.suite.clone(),
                uri: uri(suite),
                components: suite.components.clone(),
                date: suite.date.map(moment),
            })
            .collect(),
        size: snapshot.size(),
        users: vec![],
    }
}

fn change(change: PackageChange) -> wire::PackageChange {
    let newest = |versions: &[Version]| versions.last().map(|version| version.as_str().to_owned());
    wire::PackageChange {
        before: newest(&change.before),
        after: newest(&change.after),
        suite: change.suite,
        package: change.package.as_str().to_owned(),
        architecture: change.architecture.as_str().to_owned(),
    }
}
