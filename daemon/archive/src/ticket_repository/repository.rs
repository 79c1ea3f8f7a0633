//! A handle on a ticket repository's folder: which generations there are, which one is current, how two differ. Reading
//! needs no lock: whatever a reader has found stays.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::difference::PackageChanges;
use super::generation::GenerationId;
use super::history::{self, HistoryEntry};
use super::index;
use super::publish::{CURRENT, RepositoryWriter};
use crate::error::ArchiveError;

/// A repository, which need not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRepository {
    folder: PathBuf,
}

impl TicketRepository {
    /// The repository in this folder; what `TicketMount` wants too.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a generation's files are, whether or not it is there.
    #[must_use]
    pub fn folder_of(&self, generation: GenerationId) -> PathBuf {
        self.folder.join(generation.folder_name())
    }

    /// Becomes the only one who writes, and makes the folder where it is missing. Blocks while another one writes.
    ///
    /// # Errors
    /// The system's.
    pub fn writer(&self) -> Result<RepositoryWriter<'_>, ArchiveError> {
        RepositoryWriter::new(self)
    }

    /// The generation that is served to whoever names none; none before the first publishing.
    ///
    /// # Errors
    /// The link cannot be read, or is none of ours.
    pub fn current(&self) -> Result<Option<GenerationId>, ArchiveError> {
        let link = self.folder.join(CURRENT);
        let target = match fs::read_link(&link) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(ArchiveError::io(&link))?,
        };
        let generation = target.to_str().and_then(GenerationId::of_folder_name);
        generation.map(Some).ok_or_else(|| ArchiveError::Format {
            what: "a ticket repository's link",
            reason: format!("{} leads to {}", link.display(), target.display()),
        })
    }

    /// All publishings, the oldest first. A generation can have been published twice. Who dies before it is the current one
    /// has published it all the same.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn history(&self) -> Result<Vec<HistoryEntry>, ArchiveError> {
        let mut entries = history::read(&self.folder)?;
        if let Some(current) = self.current()?
            && !entries.iter().any(|entry| entry.generation == current)
        {
            entries.push(self.unrecorded(current)?);
        }
        Ok(entries)
    }

    /// A generation, as it was published last.
    ///
    /// # Errors
    /// [`ArchiveError::NoSuchGeneration`]
    pub fn generation(&self, generation: GenerationId) -> Result<HistoryEntry, ArchiveError> {
        let found = self
            .history()?
            .into_iter()
            .rfind(|entry| entry.generation == generation);
        found
            .filter(|_| self.folder_of(generation).is_dir())
            .ok_or_else(|| self.none(&generation.to_string()))
    }

    /// The generation whose digest begins so.
    ///
    /// # Errors
    /// [`ArchiveError::NoSuchGeneration`] and [`ArchiveError::AmbiguousGeneration`].
    pub fn find(&self, beginning: &str) -> Result<HistoryEntry, ArchiveError> {
        let wanted = beginning.to_ascii_lowercase();
        let mut found: Option<HistoryEntry> = None;
        for entry in self.history()? {
            if wanted.is_empty() || !entry.generation.to_string().starts_with(&wanted) {
                continue;
            }
            match &found {
                Some(other) if other.generation != entry.generation => {
                    return Err(ArchiveError::AmbiguousGeneration {
                        beginning: beginning.chars().take(64).collect(),
                        first: other.generation,
                        second: entry.generation,
                    });
                }
                _ => found = Some(entry),
            }
        }
        found
            .filter(|entry| self.folder_of(entry.generation).is_dir())
            .ok_or_else(|| self.none(beginning))
    }

    /// What the second generation has that the first one has not, and the other way round.
    ///
    /// # Errors
    /// [`ArchiveError::NoSuchGeneration`]
    pub fn diff(&self, first: GenerationId, second: GenerationId) -> Result<PackageChanges, ArchiveError> {
        let (first, second) = (self.generation(first)?, self.generation(second)?);
        Ok(PackageChanges::between(&first.packages, &second.packages))
    }

    /// The folder of a generation, or of the current one where none is named.
    pub(crate) fn mounted(&self, generation: Option<GenerationId>) -> Result<PathBuf, ArchiveError> {
        let found = match generation {
            Some(_) => generation,
            None => self.current()?,
        };
        let folder = found.map(|id| self.folder_of(id)).filter(|folder| folder.is_dir());
        folder.ok_or_else(|| match generation {
            Some(id) => self.none(&id.to_string()),
            None => self.none(CURRENT),
        })
    }

    fn none(&self, wanted: &str) -> ArchiveError {
        ArchiveError::NoSuchGeneration {
            folder: self.folder.clone(),
            wanted: wanted.chars().take(64).collect(),
        }
    }

    /// What was published by a Preflight that kept no journal.
    fn unrecorded(&self, generation: GenerationId) -> Result<HistoryEntry, ArchiveError> {
        let folder = self.folder_of(generation);
        let read = || -> io::Result<(String, std::time::SystemTime)> {
            let text = fs::read_to_string(folder.join("Packages"))?;
            Ok((text, fs::metadata(folder.join("Release"))?.modified()?))
        };
        let (text, at) = read().map_err(ArchiveError::io(&folder))?;
        Ok(HistoryEntry {
            generation,
            at,
            by: String::new(),
            packages: index::packages(&text)?,
        })
    }
}
