//! What other tickets have built, as a ticket or an image that uses it has it: each state of a repository that it names, in a
//! folder of its own, by second names of files that are never changed. What becomes of the other ticket changes nothing.

use std::path::{Path, PathBuf};

use preflight_archive::{ArchiveError, GenerationId, TicketMount, TicketRepository};
use preflight_core::{PackageSources, RepositoryUse};
use preflight_debian::Sha256Digest;

/// The folder, in an image's or in what is staged; a ticket's is called so too.
pub(crate) const FOLDER: &str = "repositories";
/// How many digits of a generation's digest guests see.
const DIGITS: usize = 16;

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct MountedRepositories(TicketRepository);

impl MountedRepositories {
    /// At a ticket's [`preflight_store::TicketFolder::repositories`], or where [`FOLDER`] is in another folder.
    pub(crate) fn at(folder: impl Into<PathBuf>) -> Self {
        Self(TicketRepository::at(folder))
    }

    /// Takes all states that the sources name and that `from` has.
    ///
    /// # Errors
    /// The system's; what has been taken stays.
    pub(crate) fn take(&self, sources: &PackageSources, from: &TicketRepository) -> Result<(), ArchiveError> {
        let generations = sources.repositories.iter().map(generation);
        for generation in generations.filter(|id| from.folder_of(*id).is_dir()) {
            from.share(generation, &self.0)?;
        }
        Ok(())
    }

    /// The first state of which there are no files.
    pub(crate) fn missing<'a>(&self, sources: &'a PackageSources) -> Option<&'a RepositoryUse> {
        let mut uses = sources.repositories.iter();
        uses.find(|used| !self.0.folder_of(generation(used)).is_dir())
    }

    /// What a session with these sources serves.
    pub(crate) fn mounts(&self, sources: &PackageSources) -> Vec<TicketMount> {
        let mount = |used: &RepositoryUse| TicketMount {
            path: path(used),
            folder: self.folder().to_owned(),
            generation: Some(generation(used)),
        };
        sources.repositories.iter().map(mount).collect()
    }

    /// Who has signed a state, armored.
    ///
    /// # Errors
    /// It is not there, or has no key.
    pub(crate) fn key(&self, used: &RepositoryUse) -> Result<String, ArchiveError> {
        self.0.key(generation(used))
    }

    fn folder(&self) -> &Path {
        self.0.folder()
    }
}

fn generation(used: &RepositoryUse) -> GenerationId {
    GenerationId::new(Sha256Digest::from_bytes(used.generation.0))
}

/// Where guests find it, below [`preflight_archive::MOUNTED_HOST`]: by what it is, so that the same is at one place whoever uses
/// it, and what else is mounted makes no difference.
pub(crate) fn path(used: &RepositoryUse) -> String {
    used.generation.to_string().chars().take(DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use preflight_archive::{Publication, RepositoryLabels, SigningKey};
    use preflight_core::{Sha256, TicketId};

    use super::*;

    #[test]
    fn states_are_taken_from_wherever_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(&folder.path().join("key")).unwrap();
        let labels = |label: &str| RepositoryLabels {
            origin: "Preflight".to_owned(),
            label: label.to_owned(),
        };
        let published = |name: &str| {
            let repository = TicketRepository::at(folder.path().join(name));
            let publication = Publication {
                debs: &[],
                labels: &labels(name),
                key: &key,
                at: SystemTime::now(),
                by: "a test",
            };
            let generation = repository.writer().unwrap().publish(&publication).unwrap().generation;
            let used = RepositoryUse {
                ticket: TicketId(1),
                generation: Sha256(*generation.digest().as_bytes()),
                link: None,
            };
            (repository, used)
        };
        let ((first, one), (second, two)) = (published("first"), published("second"));
        let sources = PackageSources {
            repositories: vec![one.clone(), two.clone()],
            ..PackageSources::default()
        };
        let mounted = MountedRepositories::at(folder.path().join("1").join(FOLDER));
        mounted.take(&sources, &first).unwrap();
        assert_eq!(mounted.missing(&sources), Some(&two));
        mounted.take(&sources, &second).unwrap();
        assert_eq!(mounted.missing(&sources), None);
        std::fs::remove_dir_all(first.folder()).unwrap();
        assert!(mounted.key(&one).unwrap().contains("PUBLIC KEY"));
        let paths: Vec<String> = mounted.mounts(&sources).into_iter().map(|mount| mount.path).collect();
        assert_eq!(paths, [path(&one), path(&two)]);
        // Whoever is given it on has all of it.
        let next = MountedRepositories::at(folder.path().join("2").join(FOLDER));
        next.take(&sources, &TicketRepository::at(mounted.folder())).unwrap();
        assert_eq!(next.missing(&sources), None);
    }
}
