//! Tickets' folders: made and filled before the turn that makes them is stored, removed after the turn that removes
//! them. Whichever half a daemon's death leaves undone, the next daemon does.

use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};

use preflight_core::{Attempt, Command, Event, JobId, NewTicket, Ticket, TicketId, decide};
use preflight_protocol::error::{ErrorCode, RpcError};

use super::{Dispatcher, Turn};
use crate::convert;
use crate::services::Staging;

impl Dispatcher {
    /// Removes what a daemon has left that died before it could store it, or after it had stored that it is of no use.
    pub(super) fn remove_strays(&self) {
        for entry in entries(self.tickets.root()) {
            let name = entry.file_name();
            let ticket = name.to_str().and_then(|name| Some(TicketId(name.parse().ok()?)));
            match ticket.map(|id| self.state.ticket(id)) {
                Some(Some(ticket)) => self.remove_strays_of(ticket),
                Some(None) => remove(&entry.path()),
                None if name == "staging" => remove(&entry.path()),
                None => {}
            }
        }
    }

    fn remove_strays_of(&self, ticket: &Ticket) {
        let folder = self.tickets.ticket(ticket.id);
        let attempts = ticket
            .jobs
            .iter()
            .flat_map(|job| job.attempts.iter().map(move |record| (job, record)));
        let kept: Vec<PathBuf> = attempts
            .filter(|(_, record)| record.kept.is_some())
            .map(|(job, record)| folder.kept(job.id, record.attempt))
            .collect();
        let reruns: Vec<PathBuf> = ticket
            .jobs
            .iter()
            .filter(|job| job.rerun.is_some())
            .map(|job| folder.reruns().join(job.id.to_string()))
            .collect();
        for (parent, known) in [(folder.all_kept(), kept), (folder.reruns(), reruns)] {
            for entry in entries(&parent).filter(|entry| !known.contains(&entry.path())) {
                remove(&entry.path());
            }
        }
    }

    pub(super) fn create(
        &mut self,
        new: NewTicket,
        staging: Option<Staging>,
        turn: &mut Turn,
    ) -> Result<TicketId, RpcError> {
        let command = Command::Create(Box::new(new));
        let now = self.tick();
        let events = decide(&self.state, command, now).map_err(|refusal| convert::refusal(&refusal))?;
        let created = events.first().and_then(Event::ticket);
        let id = created.ok_or_else(|| RpcError::new(ErrorCode::Internal, "no ticket came of its creation"))?;
        // Before the commit: a folder without a ticket is removed by the next daemon, a ticket without one is broken.
        self.make_folder(id, staging).map_err(|error| {
            let message = format!(
                "the ticket's folder {:?} cannot be made: {error}",
                self.tickets.ticket(id).root()
            );
            RpcError::new(ErrorCode::Internal, message)
        })?;
        self.apply(events, turn);
        Ok(id)
    }

    pub(super) fn make_folder(&self, id: TicketId, staging: Option<Staging>) -> io::Result<()> {
        let folder = self.tickets.ticket(id);
        if let Some(staging) = staging {
            staging.adopt(folder.root())?;
        } else if folder.root().exists() {
            std::fs::remove_dir_all(folder.root())?;
        }
        folder.create()
    }

    pub(super) fn rerun(
        &mut self,
        ticket: TicketId,
        test: String,
        staging: Option<Staging>,
        turn: &mut Turn,
    ) -> Result<(JobId, Attempt), RpcError> {
        let command = Command::Rerun {
            ticket,
            test,
            staged: staging.is_some(),
        };
        let now = self.tick();
        let events = decide(&self.state, command, now).map_err(|refusal| convert::refusal(&refusal))?;
        let added = events.iter().find_map(|event| match event {
            Event::JobAdded(job) => Some(job),
            _ => None,
        });
        let job = added.ok_or_else(|| RpcError::new(ErrorCode::Internal, "no job came of the rerun"))?;
        let given = job.rerun.as_ref().and_then(|rerun| rerun.staged.as_ref());
        if let (Some(staging), Some(given)) = (staging, given) {
            let folder = self.tickets.ticket(ticket);
            let to = folder.root().join(given);
            // Before the commit, as a ticket's folder is.
            std::fs::create_dir_all(folder.reruns())
                .and_then(|()| staging.adopt(&to))
                .map_err(|error| {
                    let message = format!("what is to be run cannot be put into {to:?}: {error}");
                    RpcError::new(ErrorCode::Internal, message)
                })?;
        }
        let answer = (job.id, job.attempt().next());
        self.apply(events, turn);
        Ok(answer)
    }
}

/// Removes folders in the background: they may hold a machine's memory, and nobody waits for their end.
pub(super) fn clear(folders: Vec<PathBuf>) {
    if !folders.is_empty() {
        tokio::task::spawn_blocking(move || folders.iter().for_each(|folder| remove(folder)));
    }
}

fn remove(path: &Path) {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(?path, %error, "a folder that is of no use any more cannot be removed");
        }
        _ => {}
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> {
    std::fs::read_dir(folder).into_iter().flatten().flatten()
}
