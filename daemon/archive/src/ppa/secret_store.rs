//! Credentials on disk: one file a PPA, mode 0600, in a folder that only the owner enters. Written aside and renamed; a
//! file that others can read is refused.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::ArchiveError;
use crate::ppa::credentials::Credentials;
use crate::ppa::definition::PpaName;

const LONGEST_FILE: u64 = 8 * 1024;

/// The folder of credentials.
#[derive(Debug, Clone)]
pub struct SecretStore {
    folder: PathBuf,
}

impl SecretStore {
    /// Opens or makes the folder, with mode 0700.
    pub fn open(folder: &Path) -> Result<Self, ArchiveError> {
        let make = || {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        };
        make().map_err(ArchiveError::io(folder))?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Keeps a PPA's credentials in place of those that it had.
    pub fn put(&self, ppa: &PpaName, credentials: &Credentials) -> Result<(), ArchiveError> {
        let path = self.path(ppa);
        let write = || {
            // Made with mode 0600, and removed where the rest fails.
            let mut aside = tempfile::Builder::new().prefix(".aside-").tempfile_in(&self.folder)?;
            write!(aside, "{}:{}", credentials.user, credentials.token.expose())?;
            aside.as_file().sync_all()?;
            aside.persist(&path)?;
            fs::File::open(&self.folder)?.sync_all()
        };
        write().map_err(ArchiveError::io(&path))
    }

    /// A PPA's credentials.
    pub fn get(&self, ppa: &PpaName) -> Result<Option<Credentials>, ArchiveError> {
        let path = self.path(ppa);
        let read = || {
            let file = fs::File::open(&path)?;
            if file.metadata()?.permissions().mode() & 0o077 != 0 {
                return Err(io::Error::other(
                    "others can read these credentials: set the file's mode to 0600",
                ));
            }
            let mut text = String::new();
            file.take(LONGEST_FILE).read_to_string(&mut text)?;
            text.parse().map_err(io::Error::other)
        };
        match read() {
            Ok(credentials) => Ok(Some(credentials)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ArchiveError::io(&path)(error)),
        }
    }

    /// Forgets a PPA's credentials, if there are any.
    pub fn remove(&self, ppa: &PpaName) -> Result<(), ArchiveError> {
        let path = self.path(ppa);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ArchiveError::io(&path)(error)),
            _ => Ok(()),
        }
    }

    /// Forgets all but these, and what a dead daemon has left half written.
    pub fn keep_only(&self, ppas: &BTreeSet<PpaName>) -> Result<(), ArchiveError> {
        let kept: BTreeSet<PathBuf> = ppas.iter().map(|ppa| self.path(ppa)).collect();
        let sweep = || {
            for entry in fs::read_dir(&self.folder)? {
                let path = entry?.path();
                if !kept.contains(&path) {
                    fs::remove_file(path)?;
                }
            }
            Ok(())
        };
        sweep().map_err(ArchiveError::io(&self.folder))
    }

    fn path(&self, ppa: &PpaName) -> PathBuf {
        self.folder.join(format!("ppa-{}", ppa.file_stem()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_kept_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = SecretStore::open(&folder.path().join("secrets")).unwrap();
        let ppa: PpaName = "jane/tools".parse().unwrap();
        assert_eq!(store.get(&ppa).unwrap(), None);
        store.remove(&ppa).unwrap();
        for token in ["hush", "changed:twice"] {
            let credentials = Credentials::new("jane", token).unwrap();
            store.put(&ppa, &credentials).unwrap();
            assert_eq!(store.get(&ppa).unwrap(), Some(credentials));
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let path = store.path(&ppa);
        assert_eq!((mode(&path), mode(&store.folder)), (0o600, 0o700));
        assert_eq!(fs::read_dir(&store.folder).unwrap().count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let told = store.get(&ppa).unwrap_err().to_string();
        assert!(told.contains("0600") && !told.contains("changed"), "{told}");
        store.remove(&ppa).unwrap();
        assert_eq!(store.get(&ppa).unwrap(), None);

        let other: PpaName = "joe/tools".parse().unwrap();
        let credentials = Credentials::new("jane", "hush").unwrap();
        store.put(&ppa, &credentials).unwrap();
        store.put(&other, &credentials).unwrap();
        fs::write(store.folder.join(".aside-x"), "jane:hu").unwrap();
        store.keep_only(&BTreeSet::from([other.clone()])).unwrap();
        assert_eq!(store.get(&other).unwrap(), Some(credentials));
        assert_eq!(fs::read_dir(&store.folder).unwrap().count(), 1);
    }
}
