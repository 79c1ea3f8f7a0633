//! Which states a ticket's repository has on the disk: `repository/current` is a link to `generation-<digest of Release>`.
//! It reads names alone.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use preflight_core::Sha256;
use preflight_store::TicketFolder;

const PREFIX: &str = "generation-";

fn repository(ticket: &TicketFolder) -> PathBuf {
    ticket.root().join("repository")
}

/// The generation that a ticket's repository is at; none where nothing was built, or what was built has been freed.
///
/// # Errors
/// The system's.
pub(crate) fn current_generation(ticket: &TicketFolder) -> io::Result<Option<Sha256>> {
    let target = match std::fs::read_link(repository(ticket).join("current")) {
        Ok(target) => target,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let name = target.to_str().and_then(|name| name.strip_prefix(PREFIX));
    let generation = name.and_then(|digest| digest.parse().ok());
    Ok(generation.filter(|generation| has_generation(ticket, *generation)))
}

/// Whether a generation of a ticket's repository is there.
#[must_use]
pub(crate) fn has_generation(ticket: &TicketFolder, generation: Sha256) -> bool {
    repository(ticket)
        .join(format!("{PREFIX}{generation}"))
        .join("Release")
        .is_file()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use preflight_core::TicketId;
    use preflight_store::TicketsFolder;

    use super::*;

    #[test]
    fn a_repository_is_at_the_generation_that_is_there() {
        let state = tempfile::tempdir().unwrap();
        let ticket = TicketsFolder::below(state.path()).ticket(TicketId(7));
        assert_eq!(current_generation(&ticket).unwrap(), None);
        let digest = Sha256([0xab; 32]);
        let folder = repository(&ticket).join(format!("generation-{digest}"));
        std::fs::create_dir_all(&folder).unwrap();
        let current = repository(&ticket).join("current");
        symlink(folder.file_name().unwrap(), &current).unwrap();
        assert_eq!(current_generation(&ticket).unwrap(), None, "it is not whole");
        std::fs::write(folder.join("Release"), "").unwrap();
        assert_eq!(current_generation(&ticket).unwrap(), Some(digest));
        assert!(!has_generation(&ticket, Sha256([0; 32])));
        std::fs::remove_file(&current).unwrap();
        symlink("../elsewhere", &current).unwrap();
        assert_eq!(current_generation(&ticket).unwrap(), None);
        std::fs::remove_file(&current).unwrap();
        std::fs::write(&current, "").unwrap();
        assert!(current_generation(&ticket).is_err());
    }
}
