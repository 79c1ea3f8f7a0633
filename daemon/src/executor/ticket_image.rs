//! Tickets' images: an overlay of a base image with the ticket's packages installed, read-only once it is published. One that
//! was made for itself, of no sources, is kept with what was done to its base image.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use preflight_archive::{Lock, TicketRepository};
use preflight_core::{ImageId, ImageKind, ImageRecord, Moment, Series, Sha256};
use preflight_testbed::template::TemplateId;
use serde::{Deserialize, Serialize};

use super::image_names;
use super::rebuilt::Rebuilt;
use crate::mounted::{self, MountedRepositories};

const METADATA: &str = "image.json";
const DISK: &str = "root.qcow2";
/// The version of the metadata file that this release writes and reads.
const FORMAT: u32 = 1;

/// The right to write an image.
pub type Turn = tokio::sync::OwnedMutexGuard<()>;

/// By image, while somebody has it or waits for it.
type Turns = HashMap<String, Arc<tokio::sync::Mutex<()>>>;

/// The folder of tickets' images.
#[derive(Debug, Clone)]
pub struct TicketImages {
    folder: PathBuf,
    turns: Arc<Mutex<Turns>>,
}

/// A published image of a ticket.
#[derive(Debug, Clone)]
pub struct TicketImage {
    /// Its name.
    pub id: String,
    /// The series' recipe.
    pub series: String,
    /// The base image that its disk is an overlay of.
    pub base: String,
    /// Its disk: qcow2 on the base image's.
    pub disk: PathBuf,
    /// Seconds since the epoch.
    pub created_at: i64,
    /// Bytes that it takes on the host's disk.
    pub size: u64,
    /// The template that was frozen when its packages were installed, where machines can be frozen.
    pub template: Option<TemplateId>,
    /// What was fetched for it.
    pub lock: Lock,
    /// What makes it more than its base image, where it was made for itself.
    pub rebuilt: Option<Rebuilt>,
}

/// An image that is to be published.
#[derive(Debug)]
pub struct NewImage<'a> {
    /// Its name.
    pub id: &'a str,
    /// The series' recipe.
    pub series: &'a str,
    /// The base image that its disk is an overlay of.
    pub base: &'a str,
    /// The template that was frozen when its packages were installed, where machines can be frozen.
    pub template: Option<TemplateId>,
    /// What was fetched for it.
    pub lock: &'a Lock,
    /// What makes it more than its base image, where it was made for itself.
    pub rebuilt: Option<Rebuilt>,
    /// Where its ticket has what its package sources name of other tickets' repositories. An image that was made for itself
    /// keeps it: it may outlive its ticket.
    pub repositories: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    format: u32,
    series: String,
    base: String,
    created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template: Option<TemplateId>,
    #[serde(default)]
    lock: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rebuilt: Option<Rebuilt>,
}

impl TicketImages {
    /// Opens the folder and sweeps what an interrupted build left.
    ///
    /// # Errors
    /// The system's.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with('.') && !entry.path().join(METADATA).is_file() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        image_names::sweep(&folder)?;
        Ok(Self {
            folder,
            turns: Arc::default(),
        })
    }

    /// The folder as somebody else has opened it, for who only looks.
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self {
            folder,
            turns: Arc::default(),
        }
    }

    /// The archive states that images' package sources are pinned to, each with an image that is.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn states(&self) -> io::Result<Vec<(Sha256, String)>> {
        let mut states = Vec::new();
        for image in self.list()? {
            let Some(rebuilt) = &image.rebuilt else { continue };
            match rebuilt.sources() {
                Ok(sources) => {
                    let snapshot = sources.snapshot.iter().map(|used| used.state);
                    let all = snapshot.chain(sources.ppas.iter().map(|used| used.state));
                    states.extend(all.map(|state| (state, image.id.clone())));
                }
                Err(error) => tracing::warn!(image = image.id, error, "an image's package sources are damaged"),
            }
        }
        Ok(states)
    }

    /// Where they are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The right to write an image, until it is published: two that are the same would write to one folder.
    pub async fn turn(&self, id: &str) -> Turn {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(id.to_owned()).or_default())
        };
        turn.lock_owned().await
    }

    /// Where the disk of an image is written before it is published: on the same file system as its last place.
    ///
    /// # Errors
    /// The system's.
    pub fn begin(&self, id: &str) -> io::Result<Draft> {
        let folder = self.folder.join(id);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        Ok(Draft(folder))
    }

    /// Publishes an image whose disk no machine writes to any more.
    ///
    /// # Errors
    /// The system's.
    pub fn publish(&self, image: NewImage<'_>, created_at: i64) -> io::Result<TicketImage> {
        let NewImage { id, lock, .. } = image;
        let folder = self.folder.join(id);
        let disk = folder.join(DISK);
        // libvirt gave the disk to QEMU's user while the machine ran; from here on all may read it and nobody write.
        std::os::unix::fs::chown(&disk, Some(nix::unistd::geteuid().as_raw()), None)?;
        fs::set_permissions(&disk, fs::Permissions::from_mode(0o444))?;
        if let Some(sources) = image.rebuilt.as_ref().map(Rebuilt::sources) {
            let sources = sources.map_err(io::Error::other)?;
            let from = TicketRepository::at(image.repositories);
            let kept = MountedRepositories::at(folder.join(mounted::FOLDER));
            kept.take(&sources, &from).map_err(io::Error::other)?;
        }
        let metadata = Metadata {
            format: FORMAT,
            series: image.series.to_owned(),
            base: image.base.to_owned(),
            created_at,
            template: image.template,
            lock: lock.to_json(),
            rebuilt: image.rebuilt,
        };
        let json = serde_json::to_vec_pretty(&metadata)?;
        // The metadata makes it an image: it comes last, and whole.
        let aside = folder.join(".image.json");
        fs::write(&aside, json)?;
        fs::File::open(&aside)?.sync_all()?;
        fs::rename(&aside, folder.join(METADATA))?;
        self.get(id)
    }

    /// The image of that name.
    ///
    /// # Errors
    /// There is none, or it was made by a newer release.
    pub fn get(&self, id: &str) -> io::Result<TicketImage> {
        let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("there is no image {id}"));
        if id.starts_with('.') || id.contains('/') {
            return Err(unknown());
        }
        let folder = self.folder.join(id);
        let json = fs::read(folder.join(METADATA)).map_err(|_| unknown())?;
        let metadata: Metadata = serde_json::from_slice(&json)?;
        if metadata.format > FORMAT {
            let message = format!(
                "{id} has format {}, and this release reads up to {FORMAT}",
                metadata.format
            );
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        let disk = folder.join(DISK);
        let size = fs::metadata(&disk)?.blocks() * 512;
        Ok(TicketImage {
            id: id.to_owned(),
            series: metadata.series,
            base: metadata.base,
            disk,
            created_at: metadata.created_at,
            size,
            template: metadata.template,
            lock: Lock::from_json(&metadata.lock).map_err(io::Error::other)?,
            rebuilt: metadata.rebuilt,
        })
    }

    /// All images, in the order of their names.
    ///
    /// # Errors
    /// The system's.
    pub fn list(&self) -> io::Result<Vec<TicketImage>> {
        let mut names: Vec<String> = fs::read_dir(&self.folder)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        // One that is just being made has no metadata yet.
        Ok(names.iter().filter_map(|name| self.get(name).ok()).collect())
    }

    /// Removes an image, and its names.
    ///
    /// # Errors
    /// There is none, or the system's.
    pub fn remove(&self, id: &str) -> io::Result<()> {
        self.get(id)?;
        self.take_names(id)?;
        let folder = self.folder.join(id);
        fs::remove_file(folder.join(METADATA))?;
        fs::remove_dir_all(folder)
    }

    /// Whether an image is made of this base image.
    ///
    /// # Errors
    /// The system's.
    pub fn uses(&self, base: &str) -> io::Result<Vec<String>> {
        Ok(self
            .list()?
            .into_iter()
            .filter(|image| image.base == base)
            .map(|image| image.id)
            .collect())
    }
}

/// An image in the making, which goes with this value unless it was published: the disk of a job that failed is nothing
/// that anybody could use, and may be large.
#[derive(Debug)]
pub struct Draft(PathBuf);

impl Draft {
    /// Where its disk goes.
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.0.join(DISK)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.0.join(METADATA).exists()
            && let Err(error) = fs::remove_dir_all(&self.0)
        {
            tracing::warn!(folder = %self.0.display(), %error, "half an image is left behind");
        }
    }
}

impl TicketImage {
    /// The image as the dispatcher keeps it.
    #[must_use]
    pub fn record(&self) -> ImageRecord {
        ImageRecord {
            id: ImageId(self.id.clone()),
            series: Series(self.series.clone()),
            kind: ImageKind::Ticket,
            parent: Some(ImageId(self.base.clone())),
            size: self.size,
            created_at: Moment(self.created_at * 1_000_000),
            path: self.disk.clone(),
        }
    }

    /// Where it has what its package sources name of other tickets' repositories.
    #[must_use]
    pub fn repositories(&self) -> PathBuf {
        self.folder().join(mounted::FOLDER)
    }

    /// The folder that holds it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.disk.parent().unwrap_or(&self.disk)
    }
}
