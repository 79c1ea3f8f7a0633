//! Unpacks a bundle aside: files that belong to the ticket into one staging folder, objects of the archive into another.
//! Both go by themselves unless somebody takes them; nothing else on the host is touched.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use preflight_bundle::{CarriedFile, Document, Place, Sink};
use preflight_debian::Sha256Digest;
use preflight_store::TicketsFolder;
use tokio::runtime::Handle;

use crate::disk::{Budget, Room};
use crate::services::Staging;

/// The folder of what gets another name here, since that has numbers in it.
pub(super) const INCOMING: &str = "incoming";

/// Objects of the archive that came with a ticket.
#[derive(Debug)]
pub struct Objects {
    pub(super) list: Vec<(Sha256Digest, PathBuf)>,
    /// Where they are; gone with this value.
    _staging: Staging,
    /// Promised while they are there twice.
    _room: Option<Room>,
}

impl Objects {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether none came.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// What is unpacked.
pub(super) struct Unpacking {
    staging: Staging,
    objects: Staging,
    list: Vec<(Sha256Digest, PathBuf)>,
    budget: Budget,
    runtime: Handle,
    room: Option<Room>,
}

impl Unpacking {
    pub(super) fn new(tickets: &TicketsFolder, budget: Budget, runtime: Handle) -> io::Result<Self> {
        Ok(Self {
            staging: Staging::create(tickets)?,
            objects: Staging::create(tickets)?,
            list: vec![],
            budget,
            runtime,
            room: None,
        })
    }

    pub(super) fn finish(self) -> (Staging, Objects) {
        let objects = Objects {
            list: self.list,
            _staging: self.objects,
            _room: self.room,
        };
        (self.staging, objects)
    }

    /// Where a file is put.
    fn path(&self, file: &CarriedFile) -> PathBuf {
        let name = file.name.as_str();
        match file.name.place() {
            Place::Sources | Place::Artifacts | Place::Tests | Place::Repositories => self.staging.path().join(name),
            Place::Logs | Place::Results | Place::Reruns => self.staging.path().join(INCOMING).join(name),
            Place::Objects => self.objects.path().join(file.name.rest()),
        }
    }
}

impl Sink for Unpacking {
    fn begin(&mut self, document: &Document) -> io::Result<()> {
        let of = |file: &CarriedFile| match file.name.place() {
            // Aside, and in the store.
            Place::Objects => file.size.saturating_mul(2),
            _ => file.size,
        };
        let bytes = document.files.iter().map(of).fold(0, u64::saturating_add);
        let room = self.budget.make_room_at(self.staging.path(), bytes);
        self.room = Some(self.runtime.block_on(room).map_err(io::Error::other)?);
        Ok(())
    }

    fn file(&mut self, file: &CarriedFile, content: &mut dyn Read) -> io::Result<()> {
        let path = self.path(file);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        // New: nothing is ever replaced or followed.
        let mut copy = File::create_new(&path)?;
        io::copy(content, &mut copy)?;
        if file.name.place() == Place::Objects {
            self.list.push((file.sha256, path));
        }
        Ok(())
    }
}

/// The entries of a folder, sorted; none where there is no such folder.
pub(super) fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}
