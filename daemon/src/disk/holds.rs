//! Who holds what: a folder that somebody holds is not freed, and one that is being freed cannot be held. For what no
//! state tells of, such as the kept testbed under a shell; it knows paths and nothing else.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Counts = BTreeMap<PathBuf, usize>;

/// Who holds what; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Holds(Arc<Mutex<Counts>>);

/// As long as it lives, its folder stays.
#[derive(Debug)]
#[must_use = "the folder may go as soon as nobody holds it"]
pub struct Hold {
    path: PathBuf,
    holds: Holds,
}

/// The folder is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held;

impl Holds {
    /// Holds a folder: an image's, or a kept testbed's; a template is held by its own value.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where it is there no more.
    pub fn hold(&self, path: &Path) -> io::Result<Hold> {
        let mut counts = self.lock();
        // Under the lock: what is there now stays there until this is counted.
        std::fs::symlink_metadata(path)?;
        *counts.entry(path.to_owned()).or_default() += 1;
        Ok(Hold {
            path: path.to_owned(),
            holds: self.clone(),
        })
    }

    /// Whether somebody holds a folder.
    #[must_use]
    pub fn is_held(&self, path: &Path) -> bool {
        self.lock().contains_key(path)
    }

    /// Does something to a folder that nobody holds, and lets nobody hold it meanwhile.
    pub(super) fn unless_held<T>(&self, paths: &[PathBuf], act: impl FnOnce() -> T) -> Result<T, Held> {
        let counts = self.lock();
        if paths.iter().any(|path| counts.contains_key(path)) {
            return Err(Held);
        }
        Ok(act())
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        *self.holds.lock().entry(self.path.clone()).or_default() += 1;
        Self {
            path: self.path.clone(),
            holds: self.holds.clone(),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut counts = self.holds.lock();
        if let Some(count) = counts.get_mut(&self.path) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_stays_until_the_last_has_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("template");
        let holds = Holds::default();
        assert_eq!(holds.hold(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::create_dir(&path).unwrap();
        let first = holds.hold(&path).unwrap();
        let second = first.clone();
        let remove = || std::fs::remove_dir_all(&path);
        drop(first);
        assert!(matches!(
            holds.unless_held(std::slice::from_ref(&path), remove),
            Err(Held)
        ));
        drop(second);
        assert!(!holds.is_held(&path));
        assert!(matches!(
            holds.unless_held(std::slice::from_ref(&path), remove),
            Ok(Ok(()))
        ));
        assert!(holds.hold(&path).is_err());
    }
}
