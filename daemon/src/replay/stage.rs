//! Stages a replay: the earlier ticket's source packages as it has kept them, what a lone job is given, and the record that
//! jobs go by. Files are shared with the earlier ticket, which never writes to them again.

use std::fs;
use std::io;
use std::path::Path;

use preflight_archive::TicketRepository;
use preflight_core::{JobKind, Sha256, Ticket};
use preflight_debian::Sha256Digest;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_store::TicketsFolder;

use super::plan::Plan;
use crate::mounted::{self, MountedRepositories};
use crate::pipeline::built_tree::BUILT;
use crate::pipeline::stage::PACKAGE;
use crate::pipeline::tree::{KEPT, UNPACKED};
use crate::services::Staging;

/// The folder of artifacts, in a ticket's.
const ARTIFACTS: &str = "artifacts";

impl Plan {
    /// Stages it; what is staged is gone with the answer unless a ticket adopts it.
    ///
    /// # Errors
    /// A source package is not there, or not the one that the lock names; or the host's.
    pub(crate) fn stage(&self, tickets: &TicketsFolder, earlier: &Ticket) -> Result<Staging, RpcError> {
        let failed =
            |what: &Path, error: &io::Error| RpcError::new(ErrorCode::Host, format!("{}: {error}", what.display()));
        let staging = Staging::create(tickets).map_err(|error| failed(&tickets.staging(), &error))?;
        let (from, to) = (tickets.ticket(earlier.id), staging.path());
        let tested = self.only.as_ref().filter(|job| job.kind == JobKind::Test);
        let of_test = tested.and_then(|job| job.source.as_ref());
        for subticket in &earlier.subtickets {
            let (staged, own) = (from.root().join(&subticket.staged), to.join(&subticket.staged));
            let package = staged.join(PACKAGE);
            let names = self.package(&package).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => RpcError::new(
                    ErrorCode::Conflict,
                    format!(
                        "there is no source package of {}: it was freed, or never made",
                        subticket.source
                    ),
                )
                .with_hint("check the source again"),
                io::ErrorKind::InvalidData => RpcError::new(ErrorCode::Conflict, error.to_string()),
                _ => failed(&package, &error),
            })?;
            share(&package, &own.join(PACKAGE), names).map_err(|error| failed(&package, &error))?;
            let is_tested = of_test == Some(&subticket.source);
            if is_tested || earlier.options.tests.no_build {
                if is_tested && !staged.join(UNPACKED).exists() {
                    let message = format!(
                        "the unpacked tree of {} is not there: it was freed, or left behind",
                        subticket.source
                    );
                    let error = RpcError::new(ErrorCode::Conflict, message);
                    return Err(error.with_hint(format!("replay all of it: `preflight replay {}`", earlier.id)));
                }
                let kept = KEPT.into_iter().chain(BUILT).filter(|name| staged.join(name).exists());
                share(&staged, &own, kept).map_err(|error| failed(&staged, &error))?;
            }
        }
        for artifact in &self.given {
            let folder = artifact.path.parent().unwrap_or(Path::new("/"));
            share(folder, &to.join(ARTIFACTS), [&artifact.name]).map_err(|error| failed(&artifact.path, &error))?;
        }
        let sources = &earlier.options.sources;
        let mounted = MountedRepositories::at(to.join(mounted::FOLDER));
        let theirs = from.repositories();
        mounted
            .take(sources, &TicketRepository::at(&theirs))
            .map_err(|error| RpcError::new(ErrorCode::Host, error.to_string()))?;
        if let Some(used) = mounted.missing(sources) {
            let message = format!("what ticket {} had of the {used} was freed", earlier.id);
            return Err(RpcError::new(ErrorCode::Conflict, message).with_hint("check the sources again"));
        }
        self.record.write(to).map_err(|error| failed(to, &error))?;
        Ok(staging)
    }

    /// The names of a source package's files; those that the lock names have its digests.
    fn package(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // A guest may have packed it: what is no plain file is no part of a source package.
            let (true, Ok(name)) = (entry.file_type()?.is_file(), entry.file_name().into_string()) else {
                continue;
            };
            if let Some(named) = self.sources.iter().find(|file| file.name == name) {
                let (sha256, _) = Sha256Digest::of_file(&entry.path())?;
                if Sha256(*sha256.as_bytes()) != named.sha256 {
                    let message = format!("{} is not the file that the lock names", entry.path().display());
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
            names.push(name);
        }
        match names.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(names),
        }
    }
}

/// Gives a folder the files of another one.
fn share(from: &Path, to: &Path, names: impl IntoIterator<Item = impl AsRef<Path>>) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for name in names {
        let (from, to) = (from.join(&name), to.join(&name));
        // A file system need not have links.
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop))?;
    }
    Ok(())
}
