//! Where snapshots stand: a folder with one file each, written aside and renamed, so that there is never half a
//! snapshot. It finds them again by name or by the beginning of one.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::archive::{Archive, unpoisoned};
use crate::error::ArchiveError;

use super::error::SnapshotError;
use super::name::SnapshotName;
use super::record::Snapshot;

const SUFFIX: &str = ".json";
const ASIDE: &str = "aside-";

/// The folder of snapshots.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    /// Whoever compares with the newest one and then adds one does both under it.
    adding: Mutex<()>,
}

impl Shelf {
    /// Opens or makes it, and removes what a killed process was writing.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(ASIDE) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self {
            folder,
            adding: Mutex::new(()),
        })
    }

    fn path_of(&self, name: &SnapshotName) -> PathBuf {
        self.folder.join(format!("{name}{SUFFIX}"))
    }

    /// All files that are named as snapshots are, in the order of their names.
    fn names(&self) -> io::Result<Vec<SnapshotName>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let file = entry?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(SUFFIX));
            names.extend(name.and_then(|name| name.parse().ok()));
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, name: &SnapshotName) -> Result<Option<Snapshot>, SnapshotError> {
        let path = self.path_of(name);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(ArchiveError::io(&path))?,
        };
        let snapshot = Snapshot::from_json(&path, &text)?;
        if snapshot.name == *name {
            Ok(Some(snapshot))
        } else {
            Err(SnapshotError::Damaged {
                path,
                reason: format!("it says that it is {}", snapshot.name),
            })
        }
    }

    fn write(&self, snapshot: &Snapshot) -> Result<(), ArchiveError> {
        let path = self.path_of(&snapshot.name);
        let text = snapshot.to_json().map_err(|error| ArchiveError::Format {
            what: "a snapshot",
            reason: error.to_string(),
        })?;
        self.write_whole(&path, &text).map_err(ArchiveError::io(&path))
    }

    fn write_whole(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        let mut aside = tempfile::Builder::new().prefix(ASIDE).tempfile_in(&self.folder)?;
        aside.write_all(text)?;
        aside.as_file().sync_all()?;
        // A snapshot never changes: one that stands is not written over.
        aside.persist_noclobber(path).map_err(|error| error.error)?;
        File::open(&self.folder)?.sync_all()
    }

    pub(super) fn remove(&self, name: &SnapshotName) -> Result<(), ArchiveError> {
        let path = self.path_of(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(ArchiveError::io(&path)),
        }
    }
}

impl Archive {
    /// All snapshots, oldest first. One whose file can't be read is left out, with a warning.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>, SnapshotError> {
        let shelf = &self.inner.snapshots;
        let names = shelf.names().map_err(ArchiveError::io(&shelf.folder))?;
        let mut snapshots: Vec<Snapshot> = names
            .iter()
            .filter_map(|name| {
                let read = shelf.read(name);
                read.inspect_err(|error| tracing::warn!(%name, %error, "a snapshot is left out"))
                    .ok()?
            })
            .collect();
        snapshots.sort_by(|left, right| (left.taken_at, &left.name).cmp(&(right.taken_at, &right.name)));
        Ok(snapshots)
    }

    /// The newest snapshot of a series for an architecture.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn newest_snapshot(&self, series: &str, architecture: &str) -> Result<Option<Snapshot>, SnapshotError> {
        let of_series = |snapshot: &Snapshot| snapshot.series() == series && snapshot.architecture == architecture;
        Ok(self.snapshots()?.into_iter().rev().find(of_series))
    }

    /// The snapshot of that name, or the one whose name starts so: `debian-bookworm@2026-11-20` is enough where there
    /// is but one of that day.
    ///
    /// # Errors
    /// There is none, there are several, or its file is damaged.
    pub fn snapshot(&self, asked: &str) -> Result<Snapshot, SnapshotError> {
        let shelf = &self.inner.snapshots;
        let names = shelf.names().map_err(ArchiveError::io(&shelf.folder))?;
        let none = |newest: Option<&SnapshotName>| SnapshotError::NoSuchSnapshot {
            asked: asked.chars().take(128).collect(),
            newest: newest.cloned(),
        };
        let matching: Vec<&SnapshotName> = names
            .iter()
            .filter(|name| !asked.is_empty() && name.as_str().starts_with(asked))
            .collect();
        match matching.as_slice() {
            [name] => shelf.read(name)?.ok_or_else(|| none(None)),
            [] => {
                let series = asked.split('@').next().unwrap_or_default();
                let of_series = names.iter().rev().find(|name| name.series() == series);
                Err(none(of_series.or(names.last())))
            }
            several => Err(SnapshotError::Ambiguous {
                asked: asked.to_owned(),
                matching: several.iter().map(|name| (*name).clone()).collect(),
            }),
        }
    }

    /// The snapshot that holds the same as `taken`, where that is the newest of its series; else `taken`, which is one
    /// from now on. Its name's time is moved on by seconds where another one has that name.
    pub(super) fn keep_snapshot(&self, mut taken: Snapshot) -> Result<(Snapshot, bool), SnapshotError> {
        let shelf = &self.inner.snapshots;
        let _adding = unpoisoned(&shelf.adding);
        if let Some(newest) = self.newest_snapshot(taken.series(), &taken.architecture)?
            && newest.holds_the_same(&taken)
        {
            return Ok((newest, false));
        }
        let mut at = taken.taken_at;
        while shelf.path_of(&taken.name).exists() {
            at += std::time::Duration::from_secs(1);
            taken.name = SnapshotName::new(taken.series(), at, taken.state)?;
        }
        shelf.write(&taken)?;
        Ok((taken, true))
    }

    /// All snapshots, for whoever decides what may be removed: it must not do so while one of them can't be read.
    pub(crate) fn every_snapshot(&self) -> Result<Vec<Snapshot>, SnapshotError> {
        let shelf = &self.inner.snapshots;
        let names = shelf.names().map_err(ArchiveError::io(&shelf.folder))?;
        let mut snapshots = Vec::with_capacity(names.len());
        for name in &names {
            snapshots.extend(shelf.read(name)?);
        }
        Ok(snapshots)
    }
}
