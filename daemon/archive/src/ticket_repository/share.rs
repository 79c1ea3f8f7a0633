//! Gives a generation to another folder, which then has it whatever becomes of this one: the same files by a second name.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::generation::GenerationId;
use super::publish::{ASIDE, KEY};
use super::repository::TicketRepository;
use crate::error::ArchiveError;

impl TicketRepository {
    /// Gives a generation to `target`, whole or not at all. No history goes with it, and no generation becomes the current one
    /// there: it can be mounted by its name, and given on.
    ///
    /// # Errors
    /// [`ArchiveError::NoSuchGeneration`], and the system's.
    pub fn share(&self, generation: GenerationId, target: &Self) -> Result<(), ArchiveError> {
        let from = self.mounted(Some(generation))?;
        let to = target.folder_of(generation);
        if to.is_dir() {
            return Ok(());
        }
        let share = || -> io::Result<()> {
            fs::create_dir_all(target.folder())?;
            let aside = tempfile::Builder::new().prefix(ASIDE).tempdir_in(target.folder())?;
            link_tree(&from, aside.path())?;
            fs::set_permissions(aside.path(), fs::Permissions::from_mode(0o755))?;
            match fs::rename(aside.path(), &to) {
                // Somebody else has just given the same.
                Err(_) if to.is_dir() => Ok(()),
                done => done,
            }
        };
        share().map_err(ArchiveError::io(target.folder()))
    }

    /// The public key that a generation is signed by, armored.
    ///
    /// # Errors
    /// [`ArchiveError::NoSuchGeneration`], and where a release made it that left no key in it.
    pub fn key(&self, generation: GenerationId) -> Result<String, ArchiveError> {
        let folder = self.mounted(Some(generation))?;
        fs::read_to_string(folder.join(KEY)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ArchiveError::Format {
                what: "a ticket repository's generation",
                reason: "an older Preflight made it, without its key: check the package again".to_owned(),
            },
            _ => ArchiveError::io(&folder)(error),
        })
    }
}

/// The regular files of a tree; nothing else is in a generation.
fn link_tree(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            fs::create_dir(&target)?;
            link_tree(&entry.path(), &target)?;
        } else if kind.is_file() {
            // A file system need not have links.
            fs::hard_link(entry.path(), &target).or_else(|_| fs::copy(entry.path(), &target).map(drop))?;
        }
    }
    Ok(())
}
