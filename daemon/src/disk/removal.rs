//! Takes items away so that nobody ever finds half of one: set aside by a rename in a turn of the dispatcher, in which
//! nothing can begin to use it; then the state is told; then its files are deleted. A daemon that dies between finds at
//! its next start what is left to delete or to tell.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use preflight_core::{Command, ImageKind, ImageName, TicketFiles};
use preflight_protocol::disk::DiskKind;
use preflight_protocol::endpoint::Folders;
use preflight_testbed::template::TemplateStore;

use super::caretaker::DiskError;
use super::census::{ARCHIVE_STATES, REMOVING, TICKET_IMAGES};
use super::holds::Holds;
use super::item::{Item, Subject};
use super::outlook::Outlook;
use crate::dispatcher::Handle;
use crate::executor::names_in;

/// Small files are taken away in turns of so many: the dispatcher waits meanwhile.
const FILES_A_TURN: usize = 64;

/// Takes items away.
#[derive(Clone)]
pub(super) struct Remover {
    pub(super) folders: Arc<Folders>,
    pub(super) holds: Holds,
    pub(super) templates: TemplateStore,
    pub(super) dispatcher: Handle,
}

/// What became of those that were to go.
#[derive(Debug, Default)]
pub(super) struct Removed {
    /// Those that are gone, in order.
    pub(super) gone: Vec<Item>,
    /// Those that are still there, and why.
    pub(super) failed: Vec<(Item, String)>,
}

impl Removed {
    fn note(&mut self, item: Item, result: Result<(), String>) {
        match result {
            Ok(()) => {
                if is_file(&item) {
                    // They go by hundreds.
                    tracing::debug!(item = %item.id, bytes = item.size, "freed");
                } else {
                    tracing::info!(item = %item.id, bytes = item.size, "freed");
                }
                self.gone.push(item);
            }
            Err(why) => {
                tracing::warn!(item = %item.id, why, "it was to be freed, and stays");
                self.failed.push((item, why));
            }
        }
    }
}

/// An item that was set aside.
#[derive(Debug)]
struct Aside {
    /// Where each of its folders was, and where it is now.
    moved: Vec<(PathBuf, PathBuf)>,
    tell: Option<Command>,
}

impl Remover {
    /// Takes them away, one after another. What something that is still there needs stays too.
    pub(super) async fn remove(&self, items: Vec<Item>) -> Removed {
        let mut removed = Removed::default();
        let mut rest = items.into_iter().peekable();
        while let Some(item) = rest.next() {
            if let Some((above, _)) = removed.failed.iter().find(|(above, _)| above.needs.contains(&item.id)) {
                let why = format!("{} needs it", above.id);
                removed.note(item, Err(why));
            } else if is_file(&item) {
                let mut batch = vec![item];
                while batch.len() < FILES_A_TURN
                    && let Some(next) = rest.next_if(is_file)
                {
                    batch.push(next);
                }
                self.unlink(batch, &mut removed).await;
            } else if matches!(item.subject, Subject::Template(_)) {
                let result = self.remove_template(&item).await;
                removed.note(item, result);
            } else {
                let result = self.remove_folders(&item).await;
                removed.note(item, result);
            }
        }
        let bytes: u64 = removed.gone.iter().map(|item| item.size).sum();
        if bytes > 0 {
            tracing::info!(items = removed.gone.len(), bytes, "disk was freed");
        }
        removed
    }

    /// The store of templates knows their clones, and lets nobody start one meanwhile.
    async fn remove_template(&self, item: &Item) -> Result<(), String> {
        let Subject::Template(id) = item.subject.clone() else {
            return Ok(());
        };
        let templates = self.templates.clone();
        blocking(move || templates.remove(&id).map_err(|error| error.to_string())).await
    }

    /// Files that are gone at once, or not at all.
    async fn unlink(&self, batch: Vec<Item>, removed: &mut Removed) {
        let files: Vec<(Subject, Vec<PathBuf>)> = batch
            .iter()
            .map(|item| (item.subject.clone(), item.paths.clone()))
            .collect();
        let unlinked = self.dispatcher.read(move |view| {
            let outlook = Outlook::of(view.state);
            let unlink = |(subject, paths): (Subject, Vec<PathBuf>)| match outlook.user(&subject) {
                Some(user) => Err(format!("in use: {user}")),
                None => paths
                    .iter()
                    .try_for_each(|path| missing_is_fine(std::fs::remove_file(path)))
                    .map_err(|error| error.to_string()),
            };
            files.into_iter().map(unlink).collect::<Vec<_>>()
        });
        match unlinked.await {
            Ok(results) => batch
                .into_iter()
                .zip(results)
                .for_each(|(item, result)| removed.note(item, result)),
            Err(gone) => batch
                .into_iter()
                .for_each(|item| removed.note(item, Err(gone.to_string()))),
        }
    }

    async fn remove_folders(&self, item: &Item) -> Result<(), String> {
        let aside = self.set_aside(item).await?;
        if let Some(tell) = aside.tell
            && let Err(error) = self.dispatcher.command(tell).await
        {
            // Nobody has been told: it is as if nothing had happened.
            for (from, to) in &aside.moved {
                if let Err(error) = std::fs::rename(to, from) {
                    tracing::warn!(path = %from.display(), %error, "it cannot be put back");
                }
            }
            return Err(error.to_string());
        }
        if let Subject::Image(image) = &item.subject
            && image.kind != ImageKind::Ticket
        {
            let state = self
                .folders
                .cache
                .join("images")
                .join(ARCHIVE_STATES)
                .join(image.id.as_str());
            if let Err(error) = missing_is_fine(std::fs::remove_file(&state)) {
                tracing::warn!(path = %state.display(), %error, "an image's archive state is left behind");
            }
        }
        let moved = aside.moved;
        blocking(move || {
            for (_, to) in &moved {
                let folder = to.parent().unwrap_or(to);
                if let Err(error) = missing_is_fine(std::fs::remove_dir_all(folder)) {
                    // Nothing names it any more; the next start tries again.
                    tracing::warn!(path = %folder.display(), %error, "it is not wholly deleted");
                }
            }
            Ok(())
        })
        .await
    }

    async fn set_aside(&self, item: &Item) -> Result<Aside, String> {
        let (item, holds, folders) = (item.clone(), self.holds.clone(), Arc::clone(&self.folders));
        let aside = self.dispatcher.read(move |view| {
            let outlook = Outlook::of(view.state);
            if let Some(user) = outlook.user(&item.subject) {
                return Err(format!("in use: {user}"));
            }
            // Who names an image holds it meanwhile: it may have been named since it was counted.
            let moved = holds.unless_held(&item.paths, || match name_of(&item.subject, &folders) {
                Some(name) => Err(format!("its owner calls it {name}")),
                None => move_all(&item.paths, &folders).map_err(|error| error.to_string()),
            });
            let moved = moved.map_err(|_| "a testbed runs on it".to_owned())??;
            let tell = match item.subject {
                Subject::Image(image) if outlook.images.contains(&image.id) => {
                    Some(Command::ForgetImage { id: image.id })
                }
                Subject::Kept(ticket, job, attempt) if outlook.kept.contains_key(&(ticket, job, attempt)) => {
                    Some(Command::ForgetKept { job, attempt })
                }
                Subject::Ticket(ticket) => files_of(item.id.kind).map(|files| Command::ForgetFiles { ticket, files }),
                _ => None,
            };
            Ok(Aside { moved, tell })
        });
        aside.await.map_err(|gone| gone.to_string())?
    }

    /// Deletes what an earlier daemon has set aside, and tells the state of all that is no longer there.
    ///
    /// # Errors
    /// The dispatcher's; what cannot be deleted is warned of.
    pub(super) async fn recover(&self) -> Result<(), DiskError> {
        let folders = Arc::clone(&self.folders);
        let deleting = move || {
            for place in [&folders.state, &folders.cache] {
                let place = place.join(REMOVING);
                if let Err(error) = missing_is_fine(std::fs::remove_dir_all(&place)) {
                    tracing::warn!(path = %place.display(), %error, "what an earlier daemon freed is left behind");
                }
            }
            Ok(())
        };
        blocking(deleting).await.map_err(DiskError::Names)?;
        let tickets = self.folders.state.join("tickets");
        let gone = self.dispatcher.read(move |view| {
            let images = view.state.images().filter(|image| !image.path.exists());
            let mut gone: Vec<Command> = images
                .map(|image| Command::ForgetImage { id: image.id.clone() })
                .collect();
            for (ticket, job, attempt) in Outlook::of(view.state).kept.into_keys() {
                let folder = tickets.join(ticket.to_string()).join("kept");
                if !folder.join(format!("{job}-{attempt}")).exists() {
                    gone.push(Command::ForgetKept { job, attempt });
                }
            }
            for ticket in view.state.tickets().filter(|ticket| !ticket.is_active()) {
                let folder = tickets.join(ticket.id.to_string());
                for (files, name, has_some) in [
                    (TicketFiles::Artifacts, "artifacts", !ticket.artifacts.is_empty()),
                    (TicketFiles::Sources, "sources", !ticket.subtickets.is_empty()),
                ] {
                    if has_some && !ticket.gone.contains(&files) && !folder.join(name).exists() {
                        let ticket = ticket.id;
                        gone.push(Command::ForgetFiles { ticket, files });
                    }
                }
            }
            gone
        });
        for command in gone.await? {
            tracing::warn!(?command, "the state names what is no longer there");
            if let Err(error) = self.dispatcher.command(command).await {
                tracing::warn!(%error, "the state goes on naming it");
            }
        }
        Ok(())
    }
}

/// What the owner of an image calls it.
fn name_of(subject: &Subject, folders: &Folders) -> Option<ImageName> {
    let Subject::Image(image) = subject else { return None };
    let names = names_in(&folders.cache.join(TICKET_IMAGES)).remove(image.id.as_str());
    names.into_iter().flatten().next()
}

/// Which of a ticket's files they are, for those that the state tells of.
fn files_of(kind: DiskKind) -> Option<TicketFiles> {
    match kind {
        DiskKind::Artifacts => Some(TicketFiles::Artifacts),
        DiskKind::StagedSources => Some(TicketFiles::Sources),
        _ => None,
    }
}

fn is_file(item: &Item) -> bool {
    matches!(item.id.kind, DiskKind::ArchiveObject | DiskKind::Initrd)
}

/// All or none, each into a folder of its own on its own file system.
fn move_all(paths: &[PathBuf], folders: &Folders) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let mut moved: Vec<(PathBuf, PathBuf)> = Vec::new();
    for path in paths {
        match move_one(path, folders) {
            Ok(to) => moved.push((path.clone(), to)),
            Err(error) => {
                for (from, to) in &moved {
                    std::fs::rename(to, from)?;
                }
                return Err(error);
            }
        }
    }
    Ok(moved)
}

fn move_one(path: &Path, folders: &Folders) -> io::Result<PathBuf> {
    let place = if path.starts_with(&folders.state) {
        &folders.state
    } else {
        &folders.cache
    };
    let place = place.join(REMOVING);
    std::fs::create_dir_all(&place)?;
    let to = tempfile::Builder::new().tempdir_in(&place)?.keep().join("item");
    std::fs::rename(path, &to)?;
    Ok(to)
}

fn missing_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Away from the threads that must never wait.
async fn blocking(act: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
    tokio::task::spawn_blocking(act)
        .await
        .unwrap_or_else(|error| Err(error.to_string()))
}
