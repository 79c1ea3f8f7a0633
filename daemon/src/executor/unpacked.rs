//! Sources as a testbed has unpacked them: the tree, packed, and what its tests are planned from. Who needs the same source
//! unpacked in the same way takes it from here. To the host it is bytes.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tempfile::TempDir;

/// Below the folder: what is just being made.
const DRAFT: &str = ".draft-";

/// The folder of unpacked sources; each of them is a folder with files, named by all that it depends on.
#[derive(Debug, Clone)]
pub struct UnpackedSources(Arc<PathBuf>);

impl UnpackedSources {
    /// Opens the folder and sweeps what was being made when a daemon died.
    ///
    /// # Errors
    /// The system's.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(DRAFT) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Self(Arc::new(folder)))
    }

    /// Where the files of one are written before it is published; gone with the value unless it is.
    ///
    /// # Errors
    /// The system's.
    pub fn draft(&self) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix(DRAFT).tempdir_in(&*self.0)
    }

    /// Publishes one. Where another was faster, that one stays: they are equal.
    ///
    /// # Errors
    /// The system's.
    pub fn publish(&self, draft: TempDir, key: &str) -> io::Result<()> {
        let published = fs::rename(draft.path(), self.0.join(key));
        match published {
            Ok(()) => {
                // There is nothing left to clear.
                let _ = draft.keep();
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives a folder the files of one, in place of those that it has; false where there is none of that name.
    ///
    /// # Errors
    /// The system's.
    pub fn place(&self, key: &str, names: &[&str], folder: &Path) -> io::Result<bool> {
        let source = self.0.join(key);
        let used = match fs::File::open(&source) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            opened => opened?.set_modified(SystemTime::now()),
        };
        // That says when it was used last, for the disk's budget, and decides nothing else.
        if let Err(error) = used {
            tracing::debug!(key, %error, "an unpacked source does not say that it was used");
        }
        for name in names {
            let (from, to) = (source.join(name), folder.join(name));
            match fs::remove_file(&to) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            if !from.exists() {
                continue;
            }
            // The folder may be on another file system.
            fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop))?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["tree", "control"];

    fn publish(sources: &UnpackedSources, key: &str, files: &[(&str, &str)]) {
        let draft = sources.draft().unwrap();
        for (name, text) in files {
            fs::write(draft.path().join(name), text).unwrap();
        }
        sources.publish(draft, key).unwrap();
    }

    #[test]
    fn what_was_published_is_placed_whole() {
        let cache = tempfile::tempdir().unwrap();
        let sources = UnpackedSources::open(cache.path().join("sources")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        assert!(!sources.place("a", &NAMES, folder.path()).unwrap());
        publish(&sources, "a", &[("tree", "1"), ("control", "2")]);
        publish(&sources, "b", &[("tree", "3")]);
        assert!(sources.place("a", &NAMES, folder.path()).unwrap());
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        assert_eq!(NAMES.map(read), [Some("1".into()), Some("2".into())]);
        assert!(sources.place("b", &NAMES, folder.path()).unwrap());
        assert_eq!(
            NAMES.map(read),
            [Some("3".into()), None],
            "nothing of another source stays"
        );
    }

    #[test]
    fn the_first_of_two_stays() {
        let cache = tempfile::tempdir().unwrap();
        let sources = UnpackedSources::open(cache.path().to_owned()).unwrap();
        publish(&sources, "a", &[("tree", "first")]);
        publish(&sources, "a", &[("tree", "second")]);
        assert_eq!(fs::read_to_string(cache.path().join("a/tree")).unwrap(), "first");
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn drafts_of_a_dead_daemon_are_swept() {
        let cache = tempfile::tempdir().unwrap();
        let sources = UnpackedSources::open(cache.path().to_owned()).unwrap();
        publish(&sources, "a", &[("tree", "1")]);
        let _ = sources.draft().unwrap().keep();
        let sources = UnpackedSources::open(cache.path().to_owned()).unwrap();
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1);
        assert!(sources.place("a", &NAMES, cache.path()).unwrap());
    }
}
