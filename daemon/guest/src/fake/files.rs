//! A fake guest's files, in memory: what a test puts there before and looks at afterwards. Directories exist by what is
//! in them.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A file of a fake guest's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FakeFile {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner by name; root without one.
    pub owner: Option<String>,
}

impl FakeFile {
    /// A file of root's that all may read.
    pub fn plain(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            mode: 0o644,
            owner: None,
        }
    }
}

/// All files of a fake guest. Clones show the same files.
#[derive(Clone, Debug, Default)]
pub struct FakeFiles(Arc<Mutex<BTreeMap<PathBuf, FakeFile>>>);

impl FakeFiles {
    /// The file of this path.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<FakeFile> {
        self.lock().get(path.as_ref()).cloned()
    }

    /// Makes or replaces a file.
    pub fn write(&self, path: impl Into<PathBuf>, file: FakeFile) {
        self.lock().insert(path.into(), file);
    }

    /// The paths of all files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.lock().keys().cloned().collect()
    }

    /// A directory as a tar archive; `None` if nothing is in it.
    pub(super) fn pack(&self, folder: &Path) -> io::Result<Option<Vec<u8>>> {
        let files = self.lock();
        let mut builder = tar::Builder::new(Vec::new());
        let mut is_empty = true;
        for (path, file) in files.iter() {
            let Ok(relative) = path.strip_prefix(folder) else {
                continue;
            };
            is_empty = false;
            let mut header = tar::Header::new_gnu();
            header.set_mode(file.mode);
            header.set_size(file.bytes.len() as u64);
            builder.append_data(&mut header, relative, file.bytes.as_slice())?;
        }
        let archive = builder.into_inner()?;
        Ok((!is_empty).then_some(archive))
    }

    /// Unpacks the regular files of a tar archive.
    pub(super) fn unpack(&self, folder: &Path, archive: &[u8], owner: Option<&String>) -> io::Result<()> {
        for entry in tar::Archive::new(archive).entries()? {
            let mut entry = entry?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = folder.join(entry.path()?);
            let mode = entry.header().mode()?;
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            self.write(
                path,
                FakeFile {
                    bytes,
                    mode,
                    owner: owner.cloned(),
                },
            );
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, FakeFile>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
