//! The content-addressed store: immutable objects named by their SHA-256. An object appears whole or not at all
//! (written aside, synced, renamed) and is read-only from then on. Knows nothing of where content comes from.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use preflight_debian::Sha256Digest;

/// A store in a folder of its own, which one process uses at a time.
#[derive(Debug, Clone)]
pub struct ContentStore {
    folder: PathBuf,
}

/// An object that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub sha256: Sha256Digest,
    /// Bytes.
    pub size: u64,
    /// Its file, read-only; valid for as long as the object is not removed.
    pub path: PathBuf,
}

impl ContentStore {
    /// Opens or makes the store in `folder`.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let store = Self {
            folder: folder.to_owned(),
        };
        fs::create_dir_all(folder.join("objects"))?;
        fs::create_dir_all(folder.join("partial"))?;
        // What a killed process was writing; pieces of fetches stay, since they are resumed.
        for entry in fs::read_dir(folder.join("partial"))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("put-") {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(store)
    }

    /// Where the object is, whether or not it is there.
    #[must_use]
    pub fn path_of(&self, sha256: Sha256Digest) -> PathBuf {
        let name = sha256.to_string();
        // 256 folders keep each one small enough for any file system.
        self.folder.join("objects").join(&name[..2]).join(&name[2..])
    }

    /// The object, if the store has it.
    pub fn get(&self, sha256: Sha256Digest) -> io::Result<Option<Object>> {
        let path = self.path_of(sha256);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(Object {
                sha256,
                size: metadata.len(),
                path,
            })),
            Ok(_) => Err(io::Error::other(format!("{} is not a regular file", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The object's bytes, compared with its name; for the small ones that are parsed.
    pub fn read(&self, sha256: Sha256Digest) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path_of(sha256)) {
            Ok(bytes) if Sha256Digest::of(&bytes) == sha256 => Ok(Some(bytes)),
            Ok(_) => Err(io::Error::other(format!("the stored object {sha256} is damaged"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores bytes.
    pub fn put(&self, bytes: &[u8]) -> io::Result<Object> {
        let sha256 = Sha256Digest::of(bytes);
        if let Some(object) = self.get(sha256)? {
            return Ok(object);
        }
        let mut aside = tempfile::Builder::new()
            .prefix("put-")
            .tempfile_in(self.folder.join("partial"))?;
        aside.write_all(bytes)?;
        let (file, path) = aside.into_parts();
        self.publish(&file, &path, sha256)
    }

    /// Stores a copy of a file of unknown digest.
    pub fn put_file(&self, source: &Path) -> io::Result<Object> {
        let mut aside = tempfile::Builder::new()
            .prefix("put-")
            .tempfile_in(self.folder.join("partial"))?;
        io::copy(&mut File::open(source)?, aside.as_file_mut())?;
        let (sha256, _) = Sha256Digest::of_file(aside.path())?;
        if let Some(object) = self.get(sha256)? {
            return Ok(object);
        }
        let (file, path) = aside.into_parts();
        self.publish(&file, &path, sha256)
    }

    /// Stores a copy of a file that may be what is wanted; none where it is not, or is not to be read.
    pub(crate) fn put_copy(&self, source: &Path, sha256: Sha256Digest, size: u64) -> io::Result<Option<Object>> {
        // A pipe would never end, and opening one would wait for its writer.
        if !fs::metadata(source).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size) {
            return Ok(None);
        }
        let Ok(source) = File::open(source) else {
            return Ok(None);
        };
        let mut aside = tempfile::Builder::new()
            .prefix("put-")
            .tempfile_in(self.folder.join("partial"))?;
        io::copy(&mut source.take(size.saturating_add(1)), aside.as_file_mut())?;
        if Sha256Digest::of_file(aside.path())? != (sha256, size) {
            return Ok(None);
        }
        let (file, path) = aside.into_parts();
        self.publish(&file, &path, sha256).map(Some)
    }

    /// Compares the object's content with its name; a damaged object is removed, so that it is fetched again.
    /// Returns whether a good one is there.
    pub fn verify(&self, sha256: Sha256Digest) -> io::Result<bool> {
        let path = self.path_of(sha256);
        match Sha256Digest::of_file(&path) {
            Ok((found, _)) if found == sha256 => Ok(true),
            Ok(_) => fs::remove_file(&path).map(|()| false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn objects_folder(&self) -> PathBuf {
        self.folder.join("objects")
    }

    /// Where the pieces of an object are gathered while it is fetched; they outlive the process and are resumed.
    pub(crate) fn partial_path(&self, sha256: Sha256Digest) -> PathBuf {
        self.folder.join("partial").join(sha256.to_string())
    }

    /// Makes a whole file, whose digest the caller has verified, an object.
    pub(crate) fn publish(&self, file: &File, aside: &Path, sha256: Sha256Digest) -> io::Result<Object> {
        let path = self.path_of(sha256);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        file.set_permissions(fs::Permissions::from_mode(0o444))?;
        file.sync_all()?;
        fs::rename(aside, &path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        let size = file.metadata()?.len();
        Ok(Object { sha256, size, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_whole_read_only_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = ContentStore::open(folder.path()).unwrap();
        let object = store.put(b"content").unwrap();
        assert_eq!(
            object,
            ContentStore::open(folder.path())
                .unwrap()
                .get(object.sha256)
                .unwrap()
                .unwrap()
        );
        assert_eq!(object.size, 7);
        assert!(fs::metadata(&object.path).unwrap().permissions().readonly());
        assert_eq!(store.put(b"content").unwrap(), object);
        assert_eq!(store.read(object.sha256).unwrap().unwrap(), b"content");
        assert_eq!(fs::read_dir(folder.path().join("partial")).unwrap().count(), 0);
        assert_eq!(store.get(Sha256Digest::of(b"other")).unwrap(), None);
    }

    #[test]
    fn a_damaged_object_is_noticed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = ContentStore::open(folder.path()).unwrap();
        let object = store.put(b"content").unwrap();
        assert!(store.verify(object.sha256).unwrap());
        fs::remove_file(&object.path).unwrap();
        fs::write(&object.path, b"c0ntent").unwrap();
        assert!(store.read(object.sha256).is_err());
        assert!(!store.verify(object.sha256).unwrap());
        assert_eq!(store.get(object.sha256).unwrap(), None);
    }
}
