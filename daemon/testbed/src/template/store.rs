//! The folder of templates: one folder each, named by its identity, complete once its record is there. A template is made
//! aside, published by a rename, and from then on only read; it is taken for true after a restart only if its files are
//! what its record says.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::identity::{TemplateId, TemplateIdentity};
use super::seal;
use crate::machine::DiskFormat;
use crate::start::{Frozen, MemoryName};

/// The version of the record that this release writes and reads.
const FORMAT: u32 = 1;
const RECORD: &str = "template.json";
/// Its modification time is the last use.
const USED: &str = "used";
const DISK: &str = "disk.qcow2";
const STATE: &str = "state";
const MEMORY: &str = "memory";
/// What is being made; the sweep takes it away.
const DRAFT: &str = ".draft-";

/// Why a template can't be had.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The system's word about a file.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A record that nobody can read.
    #[error("{path}: {message}")]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Something runs on it, or another template is a layer of it.
    #[error("the template {0} is in use")]
    InUse(TemplateId),
}

/// What is written down of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The record's version.
    pub format: u32,
    /// What it was frozen under.
    pub identity: TemplateIdentity,
    /// How its memory is called.
    pub memory_name: MemoryName,
    /// What its disk is an overlay of, nearest first: (file, whether it is qcow2).
    pub chain: Vec<(PathBuf, bool)>,
    /// What it is, for people.
    pub title: String,
    /// When it was made, in seconds since the epoch.
    pub created_at: u64,
    /// What its maker wants to find again: what was fetched for it, say.
    pub notes: serde_json::Value,
    /// The host's boot in which it was made or last verified. In the same boot a look at its files' sizes and times is
    /// enough; until its digests are there, it is good in no other.
    pub boot: String,
    /// Digests of disk, state and memory, once all is safe on disk.
    pub digests: Option<Digests>,
}

/// What a template's files must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    disk: String,
    state: String,
    memory: Option<String>,
    /// Lengths in bytes and times of the last change in nanoseconds since the epoch, of disk, state and memory.
    stamps: Vec<(u64, i64)>,
}

/// A published template. While a clone of this value lives, its files stay.
#[derive(Debug)]
pub struct Template {
    id: TemplateId,
    folder: PathBuf,
    record: Record,
}

impl Template {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> &TemplateId {
        &self.id
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is written down of it.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Its disk, of which each clone's is an overlay.
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.folder.join(DISK)
    }

    /// What its disk is an overlay of, nearest first.
    #[must_use]
    pub fn chain(&self) -> Vec<(PathBuf, DiskFormat)> {
        let format = |qcow2| if qcow2 { DiskFormat::Qcow2 } else { DiskFormat::Raw };
        self.record
            .chain
            .iter()
            .map(|(path, qcow2)| (path.clone(), format(*qcow2)))
            .collect()
    }

    /// The frozen machine.
    #[must_use]
    pub fn frozen(&self) -> Frozen {
        let memory = self.folder.join(MEMORY);
        Frozen {
            method: self.record.identity.method,
            memory_name: self.record.memory_name,
            state: self.folder.join(STATE),
            memory: memory.exists().then_some(memory),
        }
    }

    /// Takes note that it was used now.
    pub fn touch(&self) {
        let file = self.folder.join(USED);
        // It decides about nothing but the order in which templates go.
        if let Err(error) = fs::File::create(&file).and_then(|file| file.set_modified(SystemTime::now())) {
            tracing::debug!(file = %file.display(), %error, "a template's use is not noted");
        }
    }
}

/// A template in the making; its folder goes with this value unless it was published.
#[derive(Debug)]
pub struct Draft {
    folder: PathBuf,
}

impl Draft {
    /// Where its disk goes.
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.folder.join(DISK)
    }

    /// Where its memory goes.
    #[must_use]
    pub fn memory(&self) -> PathBuf {
        self.folder.join(MEMORY)
    }

    /// Where its state goes.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.join(STATE)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(folder = %self.folder.display(), %error, "half a template is left behind");
            }
            _ => {}
        }
    }
}

/// The folder of templates. Clones share what they know.
#[derive(Debug, Clone)]
pub struct TemplateStore {
    folder: PathBuf,
    known: Arc<Mutex<HashMap<TemplateId, Arc<Template>>>>,
}

impl TemplateStore {
    /// Opens the folder, and sweeps what was being made when an earlier daemon ended, and what this release can't read.
    ///
    /// # Errors
    /// The system's.
    pub fn open(folder: PathBuf) -> Result<Self, TemplateError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(&folder)
            .map_err(at(&folder))?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).map_err(at(&folder))?;
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let path = entry.map_err(at(&folder))?.path();
            // Half made, or another release's: nobody would ever start from it, nor free it.
            if let Err(error) = read_record(&path) {
                tracing::info!(template = %path.display(), %error, "a template of no use is removed");
                fs::remove_dir_all(&path).map_err(at(&path))?;
            }
        }
        Ok(Self {
            folder,
            known: Arc::default(),
        })
    }

    /// The folder of all templates.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins a template; `name` is nobody else's now.
    ///
    /// # Errors
    /// The system's.
    pub fn draft(&self, name: &str) -> Result<Draft, TemplateError> {
        let folder = self.folder.join(format!("{DRAFT}{name}"));
        fs::DirBuilder::new().mode(0o711).create(&folder).map_err(at(&folder))?;
        Ok(Draft { folder })
    }

    /// Publishes a template whose machine has ended. `frozen` is what freezing it gave, in the draft's own files. One of
    /// the same name that is there already stays, and is what is answered.
    ///
    /// # Errors
    /// The system's.
    pub fn publish(
        &self,
        draft: Draft,
        frozen: &Frozen,
        identity: TemplateIdentity,
        chain: &[(PathBuf, DiskFormat)],
        title: String,
        notes: serde_json::Value,
    ) -> Result<Arc<Template>, TemplateError> {
        let id = identity.id();
        let disk = draft.disk();
        // libvirt gave the disk to QEMU's user while the machine ran; from here on all may read it and nobody write.
        chown(&disk, Some(nix::unistd::geteuid().as_raw()), None).map_err(at(&disk))?;
        fs::set_permissions(&disk, fs::Permissions::from_mode(0o444)).map_err(at(&disk))?;
        let record = Record {
            format: FORMAT,
            identity,
            memory_name: frozen.memory_name,
            chain: chain
                .iter()
                .map(|(path, format)| (path.clone(), *format == DiskFormat::Qcow2))
                .collect(),
            title,
            created_at: now(),
            notes,
            boot: boot(),
            digests: None,
        };
        write_record(&draft.folder, &record)?;
        let folder = self.folder.join(id.as_str());
        let mut known = self.known();
        if let Some(there) = known.get(&id).filter(|_| folder.exists()) {
            return Ok(Arc::clone(there));
        }
        if folder.exists() {
            // Nobody has looked at it yet, and this one is fresh.
            fs::remove_dir_all(&folder).map_err(at(&folder))?;
        }
        fs::rename(&draft.folder, &folder).map_err(at(&folder))?;
        let template = Arc::new(Template {
            id: id.clone(),
            folder,
            record,
        });
        template.touch();
        known.insert(id, Arc::clone(&template));
        Ok(template)
    }

    /// Makes a published template outlive the host's crash: writes it through to the disk, and what it must be beside it.
    /// Blocks for seconds.
    ///
    /// # Errors
    /// The system's.
    pub fn seal(&self, template: &Template) -> Result<(), TemplateError> {
        for file in files(template) {
            seal::sync(&file).map_err(at(&file))?;
        }
        let record = Record {
            digests: Some(digests(template)?),
            ..template.record.clone()
        };
        write_record(&template.folder, &record)
    }

    /// The template of that name, if it is there and can be trusted. The first question after a start reads all its files;
    /// one that is not what it was is taken away. Blocks then for a second.
    ///
    /// # Errors
    /// The system's.
    pub fn get(&self, id: &TemplateId) -> Result<Option<Arc<Template>>, TemplateError> {
        if let Some(template) = self.known().get(id) {
            return Ok(Some(Arc::clone(template)));
        }
        let folder = self.folder.join(id.as_str());
        if !folder.join(RECORD).is_file() {
            return Ok(None);
        }
        let judged = read_record(&folder).map(|record| {
            let template = Template {
                id: id.clone(),
                folder: folder.clone(),
                record,
            };
            (judge(&template), template)
        });
        match judged {
            Ok((Ok(()), mut template)) => {
                if template.record.boot != boot() {
                    template.record.boot = boot();
                    write_record(&folder, &template.record)?;
                }
                let template = Arc::new(template);
                self.known().insert(id.clone(), Arc::clone(&template));
                Ok(Some(template))
            }
            Ok((Err(why), _)) => {
                tracing::warn!(template = %id, why, "a template cannot be trusted and is taken away");
                remove_folder(&folder)?;
                Ok(None)
            }
            Err(error) => {
                tracing::warn!(template = %id, %error, "a template cannot be read and is taken away");
                remove_folder(&folder)?;
                Ok(None)
            }
        }
    }

    /// The records of all templates, with their last use, in no order; those that can't be read are left out.
    #[must_use]
    pub fn records(&self) -> Vec<(TemplateId, Record, SystemTime)> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| {
                let id: TemplateId = entry.file_name().to_str()?.parse().ok()?;
                let record = read_record(&entry.path()).ok()?;
                let used = fs::metadata(entry.path().join(USED)).and_then(|used| used.modified());
                Some((id, record, used.unwrap_or(SystemTime::UNIX_EPOCH)))
            })
            .collect()
    }

    /// Whether something of this daemon's uses the template now.
    #[must_use]
    pub fn is_used(&self, id: &TemplateId) -> bool {
        self.known()
            .get(id)
            .is_some_and(|template| Arc::strong_count(template) > 1)
    }

    /// Takes a template away.
    ///
    /// # Errors
    /// A clone of it runs, another template is a layer of it, or the system's.
    pub fn remove(&self, id: &TemplateId) -> Result<(), TemplateError> {
        let mut known = self.known();
        let is_used = known.get(id).is_some_and(|template| Arc::strong_count(template) > 1);
        let has_layer = || {
            self.records()
                .iter()
                .any(|(_, record, _)| record.identity.below.as_ref() == Some(id))
        };
        if is_used || has_layer() {
            return Err(TemplateError::InUse(id.clone()));
        }
        known.remove(id);
        remove_folder(&self.folder.join(id.as_str()))
    }

    /// Forgets a template that a clone has shown to be no good: no other clone starts from it. Its files go with the next
    /// start, for something may still run on them.
    pub fn distrust(&self, id: &TemplateId) {
        self.known().remove(id);
        let _ = fs::remove_file(self.folder.join(id.as_str()).join(RECORD));
    }

    fn known(&self) -> MutexGuard<'_, HashMap<TemplateId, Arc<Template>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a template is what its record says.
fn judge(template: &Template) -> Result<(), String> {
    for (file, _) in &template.record.chain {
        if !file.exists() {
            return Err(format!("{} is gone", file.display()));
        }
    }
    if template.record.identity.id() != template.id {
        return Err("its record is another template's".to_owned());
    }
    let is_same_boot = template.record.boot == boot() && !template.record.boot.is_empty();
    let changed = || Err("its files are not what they were".to_owned());
    match &template.record.digests {
        // Only who changes a file's time back could deceive this, and the digests of another boot find that out.
        Some(wanted) if is_same_boot => match stamps(template) {
            Ok(found) if found == wanted.stamps => Ok(()),
            Ok(_) => changed(),
            Err(error) => Err(error.to_string()),
        },
        Some(wanted) => match digests(template) {
            Ok(found) if found == *wanted => Ok(()),
            Ok(_) => changed(),
            Err(error) => Err(error.to_string()),
        },
        None if is_same_boot => Ok(()),
        None => Err("the host has ended before it was safe on disk".to_owned()),
    }
}

fn files(template: &Template) -> Vec<PathBuf> {
    let frozen = template.frozen();
    [template.disk(), frozen.state]
        .into_iter()
        .chain(frozen.memory)
        .collect()
}

fn stamps(template: &Template) -> Result<Vec<(u64, i64)>, TemplateError> {
    let stamp = |file: &PathBuf| {
        let metadata = fs::metadata(file).map_err(at(file))?;
        let time = metadata
            .mtime()
            .wrapping_mul(1_000_000_000)
            .wrapping_add(metadata.mtime_nsec());
        Ok((metadata.len(), time))
    };
    files(template).iter().map(stamp).collect()
}

fn digests(template: &Template) -> Result<Digests, TemplateError> {
    let of = |file: &Path| seal::digest(file).map_err(at(file));
    let frozen = template.frozen();
    Ok(Digests {
        disk: of(&template.disk())?,
        state: of(&frozen.state)?,
        memory: frozen.memory.as_deref().map(of).transpose()?,
        stamps: stamps(template)?,
    })
}

fn read_record(folder: &Path) -> Result<Record, TemplateError> {
    let path = folder.join(RECORD);
    let wrong = |message: String| TemplateError::Record {
        path: path.clone(),
        message,
    };
    let text = fs::read(&path).map_err(at(&path))?;
    let record: Record = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    if record.format != FORMAT {
        return Err(wrong(format!("format {} is another release's", record.format)));
    }
    Ok(record)
}

/// Writes the record whole, or not at all.
fn write_record(folder: &Path, record: &Record) -> Result<(), TemplateError> {
    let path = folder.join(RECORD);
    let aside = folder.join(".template.json");
    let text = serde_json::to_vec_pretty(record).map_err(|error| TemplateError::Record {
        path: path.clone(),
        message: error.to_string(),
    })?;
    fs::write(&aside, text)
        .and_then(|()| seal::sync(&aside))
        .and_then(|()| fs::rename(&aside, &path))
        .map_err(at(&path))
}

fn remove_folder(folder: &Path) -> Result<(), TemplateError> {
    // Without its record it is no template any more, should the rest not go.
    let _ = fs::remove_file(folder.join(RECORD));
    fs::remove_dir_all(folder).map_err(at(folder))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> TemplateError {
    let path = path.to_owned();
    move |source| TemplateError::File { path, source }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Names this boot of the host.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests;
