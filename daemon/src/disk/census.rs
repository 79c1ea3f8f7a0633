//! All that takes disk, as items: a walk through the daemon's folders. It reads names and sizes and two small files;
//! what the state and the locks say is handed to it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use preflight_archive::Archive;
use preflight_core::{Attempt, ImageId, ImageKind, ImageRecord, JobId, Moment, Series, Sha256, TicketId};
use preflight_protocol::disk::DiskKind;
use preflight_protocol::endpoint::Folders;
use preflight_testbed::template::{Record, TemplateId, TemplateStore};
use serde::Deserialize;

use super::holds::Holds;
use super::item::{Item, ItemId, Subject};
use super::meter::{Measured, Meter, changed};
use super::names::Names;
use super::outlook::Outlook;
use crate::executor::names_in;

/// Tickets' images, below `cache`.
pub(super) const TICKET_IMAGES: &str = "ticket-images";
/// Beside the base images: which archive state each was built from.
pub(super) const ARCHIVE_STATES: &str = ".archive-states";
/// Who uses what a testbed runs on.
const RUNNING: &str = "a testbed that runs on it";
/// Where items are put that go, below `state` and `cache`.
pub(super) const REMOVING: &str = "removing";
/// The largest description of a kept testbed that is read, in bytes.
const LARGEST_DESCRIPTION: u64 = 1 << 20;

/// What the walk is told.
pub(super) struct Survey<'a> {
    pub(super) folders: &'a Folders,
    pub(super) archive: &'a Archive,
    pub(super) templates: &'a TemplateStore,
    /// The images that are there.
    pub(super) images: &'a [ImageRecord],
    pub(super) outlook: &'a Outlook,
    pub(super) holds: &'a Holds,
    /// Who names which object; none where nobody was asked, and no object may go.
    pub(super) names: Option<&'a Names>,
}

/// All that takes disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Census {
    pub(super) items: Vec<Item>,
    /// Bytes of all items.
    pub(super) total: u64,
    /// Bytes of those that go by themselves soon.
    pub(super) passing: u64,
}

/// What a kept testbed's `kept.json` says of what it needs; the executor writes more into it.
#[derive(Debug, Deserialize)]
struct Kept {
    /// The base image that its disk is an overlay of.
    base: String,
}

/// The entries of a folder, sorted; none where there is no such folder.
pub(super) fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let found = match std::fs::read_dir(folder) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let mut entries: Vec<PathBuf> = found.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    entries.sort();
    Ok(entries)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Walks through all.
///
/// # Errors
/// The system's.
pub(super) fn take(survey: &Survey<'_>) -> io::Result<Census> {
    let mut walk = Walk {
        survey,
        meter: Meter::default(),
        items: vec![],
        kinds: BTreeMap::new(),
    };
    walk.images()?;
    walk.templates()?;
    walk.tickets()?;
    walk.objects()?;
    let (cache, state) = (&survey.folders.cache, &survey.folders.state);
    for path in entries(&cache.join("initrds"))? {
        walk.add(DiskKind::Initrd, name(&path), Subject::Boot, vec![path])?;
    }
    for path in entries(&cache.join("unpacked"))? {
        walk.add(DiskKind::UnpackedSource, name(&path), Subject::Boot, vec![path])?;
    }
    for path in entries(&cache.join("overlays"))? {
        let overlay = walk.add(DiskKind::Overlay, name(&path), Subject::Files, vec![path])?;
        overlay.users.push("a running testbed".to_owned());
    }
    let database = ["preflight.db", "preflight.db-wal", "preflight.db-shm"];
    let database = database.map(|name| state.join(name)).to_vec();
    walk.fixed(DiskKind::Database, "database", database)?;
    walk.fixed(DiskKind::HypervisorCache, "libvirt", vec![cache.join("libvirt")])?;
    // What was counted by name is not counted again.
    for (name, folder) in [
        ("config", &survey.folders.config),
        ("state", state),
        ("cache", cache),
        ("run", &survey.folders.runtime),
    ] {
        walk.fixed(DiskKind::Other, name, vec![folder.clone()])?;
    }
    Ok(walk.finish())
}

struct Walk<'a> {
    survey: &'a Survey<'a>,
    meter: Meter,
    items: Vec<Item>,
    /// Templates and layers by name.
    kinds: BTreeMap<String, DiskKind>,
}

impl Walk<'_> {
    fn add(&mut self, kind: DiskKind, name: String, subject: Subject, paths: Vec<PathBuf>) -> io::Result<&mut Item> {
        let mut all = Measured::default();
        for path in &paths {
            let one = self.meter.measure(path)?;
            if one.changed.is_some() {
                all.device = one.device;
            }
            all.size += one.size;
            all.changed = all.changed.max(one.changed);
        }
        let held = paths.iter().any(|path| self.survey.holds.is_held(path));
        let user = self.survey.outlook.user(&subject);
        self.items.push(Item {
            id: ItemId::new(kind, name),
            subject,
            paths,
            size: all.size,
            device: all.device,
            last_used: all.changed,
            needs: vec![],
            kept: false,
            users: user.into_iter().chain(held.then(|| RUNNING.to_owned())).collect(),
            fixed: None,
        });
        let last = self.items.len() - 1;
        Ok(&mut self.items[last])
    }

    /// What never goes by itself.
    fn fixed(&mut self, kind: DiskKind, name: &str, paths: Vec<PathBuf>) -> io::Result<()> {
        let item = self.add(kind, name.to_owned(), Subject::Files, paths)?;
        item.fixed = Some("the daemon needs it".to_owned());
        Ok(())
    }

    fn images(&mut self) -> io::Result<()> {
        let mut newest: BTreeMap<(&Series, ImageKind), &ImageRecord> = BTreeMap::new();
        for image in self.survey.images {
            let newest = newest.entry((&image.series, image.kind)).or_insert(image);
            if (image.created_at, &image.id) > (newest.created_at, &newest.id) {
                *newest = image;
            }
        }
        let newest: BTreeSet<&ImageId> = newest.into_values().map(|image| &image.id).collect();
        // Tickets of the same content have the same image.
        let mut owners: BTreeMap<&ImageId, (Option<Moment>, bool)> = BTreeMap::new();
        for ticket in self.survey.outlook.tickets.values() {
            let Some(image) = &ticket.image else { continue };
            let (ended, kept) = owners.entry(image).or_default();
            *ended = ticket.ended.max(*ended);
            *kept |= ticket.kept;
        }
        let names = names_in(&self.survey.folders.cache.join(TICKET_IMAGES));
        for image in self.survey.images {
            // One that has been removed meanwhile is none.
            let Some(folder) = image.path.parent().filter(|folder| folder.is_dir()) else {
                continue;
            };
            let subject = Subject::Image(Box::new(image.clone()));
            let kind = kind_of(image.kind);
            let item = self.add(kind, image.id.to_string(), subject, vec![folder.to_owned()])?;
            item.last_used = Some(image.created_at);
            item.needs = image
                .parent
                .iter()
                .map(|base| ItemId::new(DiskKind::BaseImage, base.as_str()))
                .collect();
            match image.kind {
                ImageKind::Ticket => {
                    item.fixed = names
                        .get(image.id.as_str())
                        .and_then(|names| names.first())
                        .map(|name| format!("its owner calls it {name}: `preflight image remove {name}`"));
                    if let Some((ended, kept)) = owners.get(&image.id) {
                        item.last_used = ended.or(item.last_used);
                        item.kept = *kept;
                    }
                }
                ImageKind::Base | ImageKind::BaseBuild => {
                    if newest.contains(&image.id) {
                        item.fixed = Some("the newest of its series".to_owned());
                    }
                }
            }
        }
        Ok(())
    }

    fn templates(&mut self) -> io::Result<()> {
        let records = self.survey.templates.records();
        let kind = |record: &Record| match record.identity.below {
            Some(_) => DiskKind::Layer,
            None => DiskKind::Template,
        };
        self.kinds = records
            .iter()
            .map(|(id, record, _)| (id.to_string(), kind(record)))
            .collect();
        for (id, record, used) in records {
            let identity = &record.identity;
            let below = identity.below.as_ref().map(TemplateId::as_str);
            let files = record.chain.iter().map(|(file, _)| file.as_path());
            let needs = self.needs(below, Some(&identity.image), Some(&identity.initrd), files);
            let is_used = self.survey.templates.is_used(&id);
            let folder = self.survey.templates.folder().join(id.as_str());
            let item = self.add(kind(&record), id.to_string(), Subject::Template(id), vec![folder])?;
            item.last_used = Some(moment(used));
            item.needs = needs;
            if is_used {
                item.users.push(RUNNING.to_owned());
            }
        }
        Ok(())
    }

    /// What something frozen stands on: by name, and by the files that its disk is an overlay of.
    fn needs<'f>(
        &self,
        below: Option<&str>,
        image: Option<&str>,
        initrd: Option<&str>,
        files: impl Iterator<Item = &'f Path>,
    ) -> Vec<ItemId> {
        let template = |name: &str| Some(ItemId::new(*self.kinds.get(name)?, name));
        let image_of = |is: &dyn Fn(&ImageRecord) -> bool| {
            let image = self.survey.images.iter().find(|image| is(image))?;
            Some(ItemId::new(kind_of(image.kind), image.id.as_str()))
        };
        let by_file = |file: &Path| {
            let folder = file.parent()?;
            if folder.parent() == Some(self.survey.templates.folder()) {
                template(&name(folder))
            } else {
                image_of(&|image| image.path.parent() == Some(folder))
            }
        };
        let mut needs: BTreeSet<ItemId> = files.filter_map(by_file).collect();
        needs.extend(below.and_then(template));
        needs.extend(image.and_then(|name| image_of(&|image| image.id.as_str() == name)));
        needs.extend(initrd.map(|name| ItemId::new(DiskKind::Initrd, name)));
        needs.into_iter().collect()
    }

    fn tickets(&mut self) -> io::Result<()> {
        for folder in entries(&self.survey.folders.state.join("tickets"))? {
            let Some(ticket) = name(&folder).parse().ok().map(TicketId) else {
                continue;
            };
            let Some(outlook) = self.survey.outlook.tickets.get(&ticket) else {
                // Just being made, or just being removed.
                continue;
            };
            for kept in entries(&folder.join("kept"))? {
                self.kept_testbed(ticket, &kept)?;
            }
            for (kind, parts) in [
                // The repository's packages are the artifacts, by a second name.
                (DiskKind::Artifacts, &["artifacts", "repository"][..]),
                // What is needed to run it again.
                (DiskKind::StagedSources, &["sources", "repositories"]),
            ] {
                let paths = parts.iter().map(|part| folder.join(part));
                let paths: Vec<PathBuf> = paths.filter(|path| !is_empty(path)).collect();
                if paths.is_empty() {
                    continue;
                }
                let item = self.add(kind, ticket.to_string(), Subject::Ticket(ticket), paths)?;
                item.last_used = outlook.ended.or(item.last_used);
                item.kept = outlook.kept;
            }
            let item = self.add(
                DiskKind::Ticket,
                ticket.to_string(),
                Subject::Ticket(ticket),
                vec![folder],
            )?;
            item.last_used = outlook.ended.or(item.last_used);
            item.kept = outlook.kept;
            item.fixed = Some(format!("evidence: it goes with `preflight ticket remove {ticket}`"));
        }
        Ok(())
    }

    fn kept_testbed(&mut self, ticket: TicketId, folder: &Path) -> io::Result<()> {
        let numbers = name(folder);
        let Some((job, attempt)) = numbers
            .split_once('-')
            .and_then(|(job, attempt)| Some((JobId(job.parse().ok()?), Attempt(attempt.parse().ok()?))))
        else {
            return Ok(());
        };
        let outlook = self.survey.outlook;
        let about = outlook.tickets.get(&ticket);
        let needs = match describe(folder) {
            Some(kept) => vec![ItemId::new(DiskKind::BaseImage, kept.base)],
            // What failed in a test failed on the ticket's image.
            None => {
                let image = about.and_then(|ticket| ticket.image.as_ref());
                let image = image.map(|image| ItemId::new(DiskKind::TicketImage, image.as_str()));
                image.into_iter().collect()
            }
        };
        let subject = Subject::Kept(ticket, job, attempt);
        let item = self.add(
            DiskKind::KeptTestbed,
            format!("{ticket}/{numbers}"),
            subject,
            vec![folder.to_owned()],
        )?;
        let ended = outlook.kept.get(&(ticket, job, attempt)).copied().flatten();
        item.last_used = ended.or(item.last_used);
        item.needs = needs;
        item.kept = about.is_some_and(|ticket| ticket.kept);
        Ok(())
    }

    fn objects(&mut self) -> io::Result<()> {
        for object in self.survey.archive.store().objects()? {
            let sha256 = Sha256(*object.sha256.as_bytes());
            let used = std::fs::symlink_metadata(&object.path)
                .ok()
                .map(|metadata| changed(&metadata));
            let named = match self.survey.names {
                Some(names) => names.get(&sha256).cloned(),
                None => Some("whoever names it".to_owned()),
            };
            let subject = Subject::Object(sha256);
            let item = self.add(DiskKind::ArchiveObject, sha256.to_string(), subject, vec![object.path])?;
            item.last_used = used;
            // Who names it does so for ever, who may be about to use it for a while.
            item.users.splice(0..0, named);
        }
        Ok(())
    }

    fn finish(self) -> Census {
        let passing = self.items.iter().filter(|item| item.id.kind == DiskKind::Overlay);
        Census {
            total: self.items.iter().map(|item| item.size).sum(),
            passing: passing.map(|item| item.size).sum(),
            items: self.items,
        }
    }
}

fn kind_of(kind: ImageKind) -> DiskKind {
    match kind {
        ImageKind::Base | ImageKind::BaseBuild => DiskKind::BaseImage,
        ImageKind::Ticket => DiskKind::TicketImage,
    }
}

fn moment(time: SystemTime) -> Moment {
    let micros = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    Moment(i64::try_from(micros).unwrap_or(i64::MAX))
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

/// None where there is nothing that makes sense.
fn describe(folder: &Path) -> Option<Kept> {
    let file = folder.join("kept.json");
    if std::fs::symlink_metadata(&file).ok()?.len() > LARGEST_DESCRIPTION {
        return None;
    }
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}
