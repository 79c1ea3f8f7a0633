//! What the store holds, and which of it the archive's own bookkeeping names: the states that images were built from,
//! snapshots, and the newest release file of each suite. What tickets' locks name is their keeper's to say, and what may go too.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use preflight_debian::Sha256Digest;

use crate::archive::Archive;
use crate::content::{ContentStore, Object};
use crate::error::ArchiveError;
use crate::snapshot::{Snapshot, SnapshotError, SnapshotName};
use crate::state::{self, ArchiveStateId, SuiteRecord};

impl ContentStore {
    /// All objects, in the order of their names. Files that are none are left out.
    ///
    /// # Errors
    /// The system's.
    pub fn objects(&self) -> io::Result<Vec<Object>> {
        let mut objects = Vec::new();
        for folder in fs::read_dir(self.objects_folder())? {
            let folder = folder?;
            if !folder.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                let file = file?;
                let name = format!(
                    "{}{}",
                    folder.file_name().to_string_lossy(),
                    file.file_name().to_string_lossy()
                );
                let Ok(sha256) = name.parse() else { continue };
                // One that goes meanwhile is no error.
                objects.extend(self.get(sha256)?);
            }
        }
        objects.sort_by_key(|object| object.sha256);
        Ok(objects)
    }

    /// Removes an object; one that is not there is no error. Who is being sent it gets the whole.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(&self, sha256: Sha256Digest) -> io::Result<()> {
        match fs::remove_file(self.path_of(sha256)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

impl Archive {
    /// The digests that a state names: its own, its release files', and those of all indices that these list. Most of
    /// the indices were never fetched.
    ///
    /// # Errors
    /// The state is gone, or damaged.
    pub fn named_by_state(&self, id: ArchiveStateId) -> Result<BTreeSet<Sha256Digest>, ArchiveError> {
        let suites = state::load(self.store(), id)?;
        let mut named = BTreeSet::from([id.digest()]);
        for record in suites.values() {
            self.name(record, &mut named);
        }
        Ok(named)
    }

    /// The digests that the newest release files name, from which guests are served where there is no network.
    ///
    /// # Errors
    /// The system's.
    pub fn named_by_heads(&self) -> io::Result<BTreeSet<Sha256Digest>> {
        let mut named = BTreeSet::new();
        for entry in fs::read_dir(&self.inner.heads)? {
            let text = fs::read(entry?.path())?;
            if let Ok(record) = serde_json::from_slice(&text) {
                self.name(&record, &mut named);
            }
        }
        Ok(named)
    }

    /// The digests that each snapshot names.
    ///
    /// # Errors
    /// A snapshot can't be read: what it names is not known then.
    pub fn named_by_snapshots(&self) -> Result<Vec<(SnapshotName, BTreeSet<Sha256Digest>)>, SnapshotError> {
        let named = |snapshot: Snapshot| {
            let objects = snapshot.objects();
            (snapshot.name, objects)
        };
        Ok(self.every_snapshot()?.into_iter().map(named).collect())
    }

    fn name(&self, record: &SuiteRecord, named: &mut BTreeSet<Sha256Digest>) {
        named.extend(
            record
                .files
                .values()
                .filter_map(|text| text.parse::<Sha256Digest>().ok()),
        );
        if let Ok(suite) = self.inner.recorded_suite(record) {
            named.extend(suite.release.files.values().map(|listed| listed.sha256));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::archive::{ArchiveConfig, ValidUntil};
    use crate::fetch::HttpTimeouts;

    #[test]
    fn a_state_and_a_head_name_release_files_and_indices_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(ArchiveConfig {
            folder: folder.path().to_owned(),
            keyrings: vec![],
            http: HttpTimeouts::default(),
            valid_until: ValidUntil::Ignore,
        })
        .unwrap();
        let store = archive.store();
        let index = store.put(b"Package: hello\n").unwrap();
        let release = format!("Suite: sid\nSHA256:\n {} {} main/Packages\n", index.sha256, index.size);
        let release = store.put(release.as_bytes()).unwrap();
        let stray = store.put(b"nobody's").unwrap();
        let record = SuiteRecord {
            folder: "http://mirror.example/debian/dists/sid".to_owned(),
            files: BTreeMap::from([("Release".to_owned(), release.sha256.to_string())]),
        };
        let suites = BTreeMap::from([(record.folder.parse().unwrap(), record.clone())]);
        let state = state::store(store, &suites).unwrap();
        let by_state = archive.named_by_state(state).unwrap();
        assert_eq!(by_state, BTreeSet::from([state.digest(), release.sha256, index.sha256]));
        assert_eq!(archive.named_by_heads().unwrap(), BTreeSet::new());
        fs::write(folder.path().join("heads/x.json"), serde_json::to_vec(&record).unwrap()).unwrap();
        assert_eq!(
            archive.named_by_heads().unwrap(),
            BTreeSet::from([release.sha256, index.sha256])
        );

        let all: BTreeSet<Sha256Digest> = store.objects().unwrap().iter().map(|object| object.sha256).collect();
        assert_eq!(all, by_state.iter().copied().chain([stray.sha256]).collect());
        store.remove(stray.sha256).unwrap();
        store.remove(stray.sha256).unwrap();
        assert_eq!(store.objects().unwrap().len(), 3);
        store.remove(release.sha256).unwrap();
        assert!(archive.named_by_state(state).is_err());
    }
}
