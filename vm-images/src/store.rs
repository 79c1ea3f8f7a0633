//! The folder of base images: listing, publication and removal. Images appear and vanish whole, by a rename; what an
//! interrupted build or removal has left is swept when the store is opened.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::identity::ImageId;
use crate::image::{BaseImage, ImageError};
use crate::recipe::{RecipeName, Variant};
use crate::workshop::remove_tree;
use crate::workshop_error::WorkshopError;

/// Folders that are being filled or emptied; the rest of the name is random.
const BUILDING: &str = ".building-";
const REMOVING: &str = ".removing-";
/// Locked as long as the builder lives.
const LOCK: &str = "lock";

/// The folder of base images.
#[derive(Debug, Clone)]
pub struct ImageStore {
    folder: PathBuf,
}

/// Why the store refuses or fails.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be used.
    #[error("the image folder {folder}: {source}")]
    Folder {
        /// The folder or file.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An image is still in use.
    #[error("the image {id} is in use by {users}; remove those first")]
    InUse {
        /// The image.
        id: ImageId,
        /// Who uses it, with commas.
        users: String,
    },
    /// There is no such image.
    #[error("there is no image {id}")]
    Unknown {
        /// What was asked for.
        id: String,
    },
    /// An image is damaged.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Leftovers cannot be removed.
    #[error(transparent)]
    Leftover(#[from] WorkshopError),
}

impl ImageStore {
    /// Opens the folder, makes it where it is missing, and sweeps leftovers. A build that runs in another process is
    /// left alone.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be made or read; leftovers that resist are only warned of.
    pub async fn open(folder: PathBuf) -> Result<Self, StoreError> {
        let store = Self { folder };
        fs::create_dir_all(&store.folder).map_err(|source| store.failure(source))?;
        for path in store.entries()? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let leftover = name.starts_with(REMOVING) || (name.starts_with(BUILDING) && !is_locked(&path));
            if leftover && let Err(error) = remove_tree(path.clone()).await {
                tracing::warn!(%error, path = %path.display(), "a leftover of the image folder stays");
            }
        }
        Ok(store)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All images, the newest first. A damaged one is left out with a warning.
    ///
    /// # Errors
    /// [`StoreError::Folder`] when the folder cannot be read.
    pub fn list(&self) -> Result<Vec<BaseImage>, StoreError> {
        let mut images = Vec::new();
        for path in self.entries()? {
            if path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'))
            {
                continue;
            }
            match BaseImage::open(path) {
                Ok(image) => images.push(image),
                Err(error) => tracing::warn!(%error, "an image is left out"),
            }
        }
        images.sort_by(|a, b| (b.metadata.created_at, &a.metadata.id).cmp(&(a.metadata.created_at, &b.metadata.id)));
        Ok(images)
    }

    /// The newest image of a recipe's variant.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub fn newest(&self, recipe: &RecipeName, variant: Variant) -> Result<Option<BaseImage>, StoreError> {
        let mut images = self.list()?.into_iter();
        Ok(images.find(|image| image.metadata.recipe == *recipe && image.metadata.variant == variant))
    }

    /// The image of that name.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], or what is wrong with it.
    pub fn get(&self, id: &str) -> Result<BaseImage, StoreError> {
        let unknown = || StoreError::Unknown {
            id: id.chars().take(200).collect(),
        };
        if id.is_empty() || id.starts_with('.') || id.contains('/') || !self.folder.join(id).is_dir() {
            return Err(unknown());
        }
        Ok(BaseImage::open(self.folder.join(id))?)
    }

    /// Removes an image. `users` are names, for people, of all that still use it.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while there are users.
    pub async fn remove(&self, id: &ImageId, users: &[String]) -> Result<(), StoreError> {
        if !users.is_empty() {
            return Err(StoreError::InUse {
                id: id.clone(),
                users: users.join(", "),
            });
        }
        let path = self.get(id.as_str())?.folder;
        let aside = self.aside(REMOVING)?;
        fs::rename(&path, aside.join("image")).map_err(|source| self.failure(source))?;
        Ok(remove_tree(aside).await?)
    }

    /// A folder to build in, on the same file system, and the lock that keeps it from being swept.
    pub(crate) fn building(&self) -> Result<Building, StoreError> {
        let folder = self.aside(BUILDING)?;
        let lock = File::create(folder.join(LOCK))
            .and_then(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno.into()))
            .map_err(|source| StoreError::Folder {
                folder: folder.clone(),
                source,
            })?;
        Ok(Building { folder, _lock: lock })
    }

    /// Gives a finished folder its name. An image that is there already stays, since it has the same contents.
    pub(crate) fn publish(&self, finished: &Path, id: &ImageId) -> Result<BaseImage, StoreError> {
        let target = self.folder.join(id.as_str());
        if !target.exists() {
            fs::rename(finished, &target).map_err(|source| self.failure(source))?;
            File::open(&self.folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|source| self.failure(source))?;
        }
        Ok(BaseImage::open(target)?)
    }

    fn aside(&self, prefix: &str) -> Result<PathBuf, StoreError> {
        let made = tempfile::Builder::new().prefix(prefix).tempdir_in(&self.folder);
        Ok(made.map_err(|source| self.failure(source))?.keep())
    }

    fn entries(&self) -> Result<Vec<PathBuf>, StoreError> {
        let entries = fs::read_dir(&self.folder).map_err(|source| self.failure(source))?;
        entries
            .filter_map(|entry| match entry {
                Ok(entry) if entry.file_type().is_ok_and(|kind| kind.is_dir()) => Some(Ok(entry.path())),
                Ok(_) => None,
                Err(source) => Some(Err(self.failure(source))),
            })
            .collect()
    }

    fn failure(&self, source: io::Error) -> StoreError {
        StoreError::Folder {
            folder: self.folder.clone(),
            source,
        }
    }
}

/// A folder that is being filled.
#[derive(Debug)]
pub(crate) struct Building {
    pub(crate) folder: PathBuf,
    _lock: Flock<File>,
}

fn is_locked(building: &Path) -> bool {
    File::open(building.join(LOCK)).is_ok_and(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::metadata;
    use pretty_assertions::assert_eq;

    fn publish(store: &ImageStore, variant: Variant, state: &str, created_at: &str) -> BaseImage {
        let building = store.building().unwrap();
        let finished = building.folder.join("made");
        fs::create_dir(&finished).unwrap();
        let metadata = metadata(variant, state, created_at.parse().unwrap());
        fs::write(finished.join("image.json"), serde_json::to_vec(&metadata).unwrap()).unwrap();
        store.publish(&finished, &metadata.id).unwrap()
    }

    #[tokio::test]
    async fn the_newest_of_a_variant_is_found_and_used_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::open(folder.path().join("images")).await.unwrap();
        let old = publish(&store, Variant::Test, "a", "2026-01-01T00:00:00Z");
        let new = publish(&store, Variant::Test, "b", "2026-02-01T00:00:00Z");
        let build = publish(&store, Variant::Build, "b", "2026-03-01T00:00:00Z");
        assert_eq!(store.list().unwrap(), [build, new.clone(), old.clone()]);
        let recipe = &old.metadata.recipe;
        assert_eq!(store.newest(recipe, Variant::Test).unwrap(), Some(new.clone()));
        let users = ["template 7".to_owned()];
        let refused = store.remove(new.id(), &users).await.unwrap_err().to_string();
        assert!(refused.contains("template 7"), "{refused}");
        store.remove(new.id(), &[]).await.unwrap();
        assert_eq!(store.newest(recipe, Variant::Test).unwrap(), Some(old));
        assert!(matches!(store.get(new.id().as_str()), Err(StoreError::Unknown { .. })));
        for odd in ["..", "../x", ".", "", "a/b"] {
            assert!(matches!(store.get(odd), Err(StoreError::Unknown { .. })), "{odd:?}");
        }
    }

    #[tokio::test]
    async fn publishing_the_same_again_keeps_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::open(folder.path().to_owned()).await.unwrap();
        let first = publish(&store, Variant::Test, "a", "2026-01-01T00:00:00Z");
        assert_eq!(publish(&store, Variant::Test, "a", "2026-02-01T00:00:00Z"), first);
    }

    #[tokio::test]
    async fn opening_sweeps_what_nobody_works_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = ImageStore::open(folder.path().to_owned()).await.unwrap();
        let at_work = store.building().unwrap();
        let dead = store.building().unwrap().folder;
        let half_removed = store.aside(REMOVING).unwrap();
        fs::write(half_removed.join("file"), "x").unwrap();
        fs::create_dir(folder.path().join("damaged")).unwrap();
        let store = ImageStore::open(folder.path().to_owned()).await.unwrap();
        assert!(at_work.folder.exists());
        assert!(!dead.exists() && !half_removed.exists());
        assert_eq!(store.list().unwrap(), []);
    }
}
