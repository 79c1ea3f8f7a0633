//! A folder for what is submitted but not yet a ticket's. It is removed with the value that owns it, unless a ticket
//! adopts it by a rename.

use std::io;
use std::path::Path;

use preflight_store::TicketsFolder;

/// A staging folder below the tickets' folder.
#[derive(Debug)]
pub struct Staging(tempfile::TempDir);

impl Staging {
    /// Makes an empty one.
    ///
    /// # Errors
    /// The system's.
    pub fn create(tickets: &TicketsFolder) -> io::Result<Self> {
        let parent = tickets.staging();
        std::fs::create_dir_all(&parent)?;
        tempfile::Builder::new().prefix("intake-").tempdir_in(parent).map(Self)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes it a ticket's folder. What a dead daemon has left at `folder` is replaced: no ticket owns it.
    ///
    /// # Errors
    /// The system's; the staged files are gone then.
    pub(crate) fn adopt(self, folder: &Path) -> io::Result<()> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::rename(self.0.path(), folder)?;
        // Nothing is left at the old path to be removed.
        let _ = self.0.keep();
        Ok(())
    }
}
