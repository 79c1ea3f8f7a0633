//! What of a ticket is carried, and where its files are. Only regular files are: what a test or a packed source has left
//! beside them is named, and stays.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use preflight_archive::ContentStore;
use preflight_bundle::{CarriedFile, EntryName, Place};
use preflight_core::{Job, JobKind, Ticket};
use preflight_debian::Sha256Digest;
use preflight_store::TicketFolder;
use walkdir::WalkDir;

use crate::pipeline::stage::PACKAGE;
use crate::pipeline::tree::{CONTROL, TESTS_CONTROL};

/// A file on the host, under the name that it is carried by.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: CarriedFile,
    pub(super) path: PathBuf,
}

/// What was found, and in words what was not taken.
#[derive(Debug, Default)]
pub(super) struct Cargo {
    pub(super) files: Vec<Found>,
    pub(super) left_out: Vec<String>,
    names: BTreeSet<EntryName>,
}

/// Opens a file of a ticket's, which is neither a link nor anything that would block.
pub(super) fn open(path: &Path) -> io::Result<File> {
    open_with(path, OFlag::O_NOFOLLOW)
}

/// Opens a file that somebody names, who may name a link to it.
pub(super) fn open_named(path: &Path) -> io::Result<File> {
    open_with(path, OFlag::empty())
}

fn open_with(path: &Path, flags: OFlag) -> io::Result<File> {
    let flags = flags | OFlag::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
    }
}

impl Cargo {
    /// Adds a file, if it is there.
    fn add(&mut self, name: &str, path: &Path) -> io::Result<bool> {
        let file = match open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                self.left_out.push(format!("{}: {error}", path.display()));
                return Ok(false);
            }
        };
        let (sha256, size) = Sha256Digest::of_reader(file)?;
        Ok(self.take(name, path, sha256, size))
    }

    fn take(&mut self, name: &str, path: &Path, sha256: Sha256Digest, size: u64) -> bool {
        match name.parse::<EntryName>() {
            Ok(name) if self.names.insert(name.clone()) => self.files.push(Found {
                file: CarriedFile { name, size, sha256 },
                path: path.to_owned(),
            }),
            Ok(_) => {}
            Err(error) => {
                self.left_out.push(error.to_string());
                return false;
            }
        }
        true
    }

    /// Adds all regular files below a folder.
    fn tree(&mut self, place: Place, folder: &Path, root: &Path) -> io::Result<()> {
        for entry in WalkDir::new(folder).follow_links(false).sort_by_file_name() {
            let entry = match entry {
                Ok(entry) => entry,
                // A ticket need not have one.
                Err(error)
                    if error
                        .io_error()
                        .is_some_and(|error| error.kind() == io::ErrorKind::NotFound) =>
                {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if entry.file_type().is_dir() {
                continue;
            }
            let below = entry.path().strip_prefix(root).ok().and_then(Path::to_str);
            match below.filter(|_| entry.file_type().is_file()) {
                Some(below) => drop(self.add(&format!("{}/{below}", place.word()), entry.path())?),
                None => self.left_out.push(format!(
                    "{} is no regular file, or its name is no text",
                    entry.path().display()
                )),
            }
        }
        Ok(())
    }

    /// All files of a ticket that are evidence, or of which it can be run again.
    pub(super) fn ticket(&mut self, ticket: &Ticket, folder: &TicketFolder) -> io::Result<()> {
        for subticket in &ticket.subtickets {
            let staged = folder.root().join(&subticket.staged);
            let Some(name) = subticket.staged.to_str() else {
                continue;
            };
            let package = staged.join(PACKAGE);
            let mut any = false;
            for file in super::unpack::sorted(&package)? {
                let base = file.file_name().and_then(|base| base.to_str()).unwrap_or_default();
                any |= self.add(&format!("{name}/{PACKAGE}/{base}"), &file)?;
            }
            if !any {
                self.left_out.push(format!(
                    "the source package {}: it was freed, or never made",
                    subticket.source
                ));
            }
            for control in [CONTROL, TESTS_CONTROL] {
                self.add(&format!("{name}/{control}"), &staged.join(control))?;
            }
        }
        for job in &ticket.jobs {
            self.job(job, folder)?;
        }
        for record in &ticket.artifacts {
            let (artifact, path) = (&record.artifact, &record.artifact.path);
            let sha256 = Sha256Digest::from_bytes(artifact.sha256.0);
            let is_there = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.len() == artifact.size);
            if !is_there {
                self.left_out.push(format!("{}: it was freed", artifact.name));
                continue;
            }
            self.take(
                &format!("{}/{}", Place::Artifacts.word(), artifact.name),
                path,
                sha256,
                artifact.size,
            );
        }
        let tests = folder.root().join(Place::Tests.word());
        self.tree(Place::Tests, &tests, &tests)?;
        let repositories = folder.repositories();
        self.tree(Place::Repositories, &repositories, &repositories)
    }

    fn job(&mut self, job: &Job, folder: &TicketFolder) -> io::Result<()> {
        for record in &job.attempts {
            let name = format!("{}/{}", Place::Logs.word(), record.log);
            self.add(&name, &folder.log(&record.log))?;
            self.add(&format!("{name}.idx"), &folder.index(&record.log))?;
        }
        if job.kind == JobKind::Test {
            let name = format!("{}/{}.subunit", Place::Results.word(), job.id);
            self.add(&name, &folder.result_stream(job.id))?;
        }
        if job.rerun.is_some() {
            let reruns = folder.reruns();
            self.tree(Place::Reruns, &reruns.join(job.id.to_string()), &reruns)?;
        }
        Ok(())
    }

    /// An object of the store, if it has it.
    pub(super) fn object(&mut self, store: &ContentStore, sha256: Sha256Digest) -> io::Result<bool> {
        let Some(object) = store.get(sha256)? else {
            return Ok(false);
        };
        Ok(self.take(
            &format!("{}/{sha256}", Place::Objects.word()),
            &object.path,
            sha256,
            object.size,
        ))
    }
}
