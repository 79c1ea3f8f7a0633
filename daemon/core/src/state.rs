//! All tickets as they stand. It changes by [`State::apply`] alone, which takes what has happened for granted: whether
//! something may happen is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::Refusal;
use crate::event::Event;
use crate::ids::{ImageId, JobId, SubticketId, TicketId};
use crate::image::{ImageKind, ImageRecord};
use crate::job::{AttemptRecord, Job, JobState};
use crate::pool::{PoolNumber, PoolRepository};
use crate::ppa::{PpaName, PpaRecord};
use crate::promotion::{Link, LinkMove, LinkName};
use crate::ticket::{Ticket, TicketStatus, WorkflowStep};

/// The last numbers that were handed out. None is handed out twice, though what had it may have been removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    /// The last ticket's.
    pub ticket: TicketId,
    /// The last subticket's.
    pub subticket: SubticketId,
    /// The last job's.
    pub job: JobId,
}

impl Numbers {
    fn note(&mut self, ticket: &Ticket) {
        self.ticket = self.ticket.max(ticket.id);
        for subticket in &ticket.subtickets {
            self.subticket = self.subticket.max(subticket.id);
        }
        for job in &ticket.jobs {
            self.job = self.job.max(job.id);
        }
    }
}

/// All tickets and images.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    tickets: BTreeMap<TicketId, Ticket>,
    images: BTreeMap<ImageId, ImageRecord>,
    /// Tickets for which something is still to be done.
    active: BTreeSet<TicketId>,
    /// Jobs with an attempt that has not ended; their tickets may have.
    running: BTreeMap<JobId, TicketId>,
    jobs: BTreeMap<JobId, TicketId>,
    links: BTreeMap<LinkName, Link>,
    pool: BTreeMap<PoolNumber, PoolRepository>,
    ppas: BTreeMap<PpaName, PpaRecord>,
    last: Numbers,
}

impl State {
    /// The state with these tickets and images; `last` are numbers that were handed out, be it to what is no more.
    #[must_use]
    pub fn restore(tickets: Vec<Ticket>, images: Vec<ImageRecord>, last: Numbers) -> Self {
        let mut state = Self {
            last,
            ..Self::default()
        };
        for ticket in tickets {
            state.insert(ticket);
        }
        state.images = images.into_iter().map(|image| (image.id.clone(), image)).collect();
        state
    }

    /// The same with these moves of links, which were made in this order.
    #[must_use]
    pub fn with_links(mut self, moves: Vec<LinkMove>) -> Self {
        moves.into_iter().for_each(|step| self.note_move(step));
        self
    }

    /// The same with these repositories in the PPA pool.
    #[must_use]
    pub fn with_pool(mut self, pool: Vec<PoolRepository>) -> Self {
        self.pool = pool
            .into_iter()
            .map(|repository| (repository.number, repository))
            .collect();
        self
    }

    /// The same with these PPAs.
    #[must_use]
    pub fn with_ppas(mut self, ppas: Vec<PpaRecord>) -> Self {
        self.ppas = ppas.into_iter().map(|ppa| (ppa.name().clone(), ppa)).collect();
        self
    }

    fn note_move(&mut self, step: LinkMove) {
        match self.links.get_mut(&step.link) {
            Some(link) => link.note(step),
            None => drop(self.links.insert(step.link.clone(), Link::new(step))),
        }
    }

    fn insert(&mut self, ticket: Ticket) {
        if ticket.is_active() {
            self.active.insert(ticket.id);
        }
        self.last.note(&ticket);
        for job in &ticket.jobs {
            self.jobs.insert(job.id, ticket.id);
            if job.is_open() {
                self.running.insert(job.id, ticket.id);
            }
        }
        self.tickets.insert(ticket.id, ticket);
    }

    fn remove(&mut self, id: TicketId) {
        for job in self.tickets.remove(&id).into_iter().flat_map(|ticket| ticket.jobs) {
            self.jobs.remove(&job.id);
            self.running.remove(&job.id);
        }
        self.active.remove(&id);
    }

    /// The last numbers that were handed out.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.last
    }

    /// All tickets, oldest first.
    pub fn tickets(&self) -> impl DoubleEndedIterator<Item = &Ticket> {
        self.tickets.values()
    }

    /// The tickets that have not ended, oldest first.
    pub fn open_tickets(&self) -> impl Iterator<Item = &Ticket> {
        self.active_tickets().filter(|ticket| !ticket.status.is_final())
    }

    /// The tickets for which something is still to be done, be it only a rerun after their end; oldest first.
    pub fn active_tickets(&self) -> impl Iterator<Item = &Ticket> {
        self.active.iter().filter_map(|id| self.tickets.get(id))
    }

    /// A ticket.
    #[must_use]
    pub fn ticket(&self, id: TicketId) -> Option<&Ticket> {
        self.tickets.get(&id)
    }

    /// The ticket of a job.
    #[must_use]
    pub fn ticket_of(&self, job: JobId) -> Option<&Ticket> {
        self.tickets.get(self.jobs.get(&job)?)
    }

    /// A job.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.ticket_of(id)?.job(id)
    }

    /// Jobs that an executor works for, be it only to wind down a cancelled attempt.
    pub fn open_jobs(&self) -> impl Iterator<Item = &Job> {
        self.running.keys().filter_map(|&job| self.job(job))
    }

    /// All images that tickets have reported, by name.
    pub fn images(&self) -> impl Iterator<Item = &ImageRecord> {
        self.images.values()
    }

    /// An image that a ticket has reported.
    #[must_use]
    pub fn image(&self, id: &ImageId) -> Option<&ImageRecord> {
        self.images.get(id)
    }

    /// All links that were ever moved, by name.
    pub fn links(&self) -> impl Iterator<Item = (&LinkName, &Link)> {
        self.links.iter()
    }

    /// A link that was ever moved.
    #[must_use]
    pub fn link(&self, name: &LinkName) -> Option<&Link> {
        self.links.get(name)
    }

    /// A link that points at a ticket's repository, and so keeps the ticket.
    #[must_use]
    pub fn link_to(&self, ticket: TicketId) -> Option<&LinkName> {
        let points_here = |link: &Link| link.points_at().is_some_and(|state| state.ticket == ticket);
        self.links().find(|(_, link)| points_here(link)).map(|(name, _)| name)
    }

    /// The repositories of the PPA pool that a ticket holds.
    pub fn pool_of(&self, ticket: TicketId) -> impl Iterator<Item = PoolNumber> {
        let held = self.pool.values();
        let held = held.filter(move |repository| repository.state.holder() == Some(ticket));
        held.map(|repository| repository.number)
    }

    /// Whether a ticket lacks repositories of the PPA pool that it wants.
    #[must_use]
    pub fn awaits_pool(&self, ticket: &Ticket) -> bool {
        let wanted = usize::from(ticket.options.pool_repositories);
        wanted > 0 && self.pool_of(ticket.id).count() < wanted
    }

    /// The repositories of the PPA pool, by number.
    pub fn pool(&self) -> impl DoubleEndedIterator<Item = &PoolRepository> {
        self.pool.values()
    }

    /// The PPAs that were added, by name.
    pub fn ppas(&self) -> impl Iterator<Item = &PpaRecord> {
        self.ppas.values()
    }

    /// A PPA that was added.
    #[must_use]
    pub fn ppa(&self, name: &PpaName) -> Option<&PpaRecord> {
        self.ppas.get(name)
    }

    /// The tickets that use an image: its own, those whose image is an overlay of it, and for a base image the active
    /// ones of its series.
    #[must_use]
    pub fn users(&self, image: &ImageRecord) -> Vec<TicketId> {
        let is_overlay = |id: &ImageId| {
            self.images
                .get(id)
                .is_some_and(|child| child.parent.as_ref() == Some(&image.id))
        };
        let uses = |ticket: &Ticket| {
            let own = ticket.image.as_ref();
            own == Some(&image.id)
                || own.is_some_and(is_overlay)
                || (image.kind != ImageKind::Ticket && ticket.is_active() && ticket.series == image.series)
        };
        self.tickets()
            .filter(|ticket| uses(ticket))
            .map(|ticket| ticket.id)
            .collect()
    }

    /// Whether an image may be removed: no ticket for which something is to be done uses it, and no other image is an overlay of it.
    ///
    /// # Errors
    /// What is in the way.
    pub fn may_remove(&self, image: &ImageRecord) -> Result<(), Refusal> {
        if let Some(child) = self.images().find(|other| other.parent.as_ref() == Some(&image.id)) {
            return Err(Refusal::HasChild(image.id.clone(), child.id.clone()));
        }
        let mut users = self.users(image).into_iter();
        let active = users.find(|ticket| self.active.contains(ticket));
        active.map_or(Ok(()), |ticket| Err(Refusal::InUse(image.id.clone(), ticket)))
    }

    /// Takes note of what has happened.
    pub fn apply(&mut self, event: &Event) {
        if let Event::TicketCreated(ticket) | Event::TicketImported(ticket) = event {
            return self.insert((**ticket).clone());
        }
        match event {
            Event::ImageAdded { image, .. } => {
                self.images.insert(image.id.clone(), image.clone());
            }
            Event::ImageRemoved { id } => {
                self.images.remove(id);
            }
            Event::LinkMoved(step) => self.note_move(step.clone()),
            Event::PoolChanged(repository) => {
                self.pool.insert(repository.number, *repository);
            }
            Event::PpaAdded(ppa) => {
                self.ppas.insert(ppa.name().clone(), (**ppa).clone());
            }
            Event::PpaRefreshed { name, series, state } => {
                if let Some(ppa) = self.ppas.get_mut(name) {
                    ppa.states.insert(series.clone(), state.clone());
                }
            }
            Event::PpaRemoved { name } => {
                self.ppas.remove(name);
            }
            Event::JobStarted { ticket, job, .. } => {
                self.running.insert(*job, *ticket);
            }
            Event::AttemptEnded { job, .. } | Event::AttemptInterrupted { job, .. } => {
                self.running.remove(job);
            }
            Event::JobAdded(job) => {
                self.jobs.insert(job.id, job.ticket);
                self.last.job = self.last.job.max(job.id);
            }
            Event::TicketRemoved { ticket } => self.remove(*ticket),
            _ => {}
        }
        if let Some(ticket) = event.ticket().and_then(|id| self.tickets.get_mut(&id)) {
            ticket.apply(event);
            if ticket.is_active() {
                self.active.insert(ticket.id);
            } else {
                self.active.remove(&ticket.id);
            }
        }
    }
}

impl Ticket {
    /// Takes note of what has happened to it.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::TicketCreated(ticket) | Event::TicketImported(ticket) => *self = (**ticket).clone(),
            Event::TicketEdited { edit, .. } => {
                let edit = edit.clone();
                self.title = edit.title.unwrap_or_else(|| std::mem::take(&mut self.title));
                self.description = edit
                    .description
                    .unwrap_or_else(|| std::mem::take(&mut self.description));
                self.bug = edit.bug.or_else(|| self.bug.take());
                self.owner = edit.owner.unwrap_or_else(|| std::mem::take(&mut self.owner));
                self.kept = edit.kept.unwrap_or(self.kept);
            }
            Event::TicketQueued { at, .. } => {
                self.status = TicketStatus::Queued;
                self.queued_at = Some(*at);
            }
            Event::QueuePlaced { position, .. } => self.queue_position = Some(*position),
            Event::TicketAdvanced { step, at, .. } => {
                self.status = TicketStatus::Running;
                self.queue_position = None;
                self.started_at.get_or_insert(*at);
                self.step = *step;
            }
            Event::TicketEnded { status, end, .. } => {
                self.status = *status;
                self.queue_position = None;
                self.step = match status {
                    TicketStatus::Complete => WorkflowStep::Complete,
                    _ => WorkflowStep::Failed,
                };
                self.end = Some(end.clone());
            }
            Event::JobStarted { job, .. } => {
                // What earlier attempts have left is kept with them, and counts no more.
                self.tests.retain(|test| test.job != *job);
                self.findings.retain(|finding| finding.job != *job);
                self.artifacts.retain(|artifact| artifact.job != *job);
                self.apply_to_job(*job, event);
            }
            Event::JobAdded(job) => self.jobs.push((**job).clone()),
            Event::AttemptEnded { job, .. }
            | Event::AttemptInterrupted { job, .. }
            | Event::TestbedKept { job, .. }
            | Event::TestbedForgotten { job, .. }
            | Event::JobSkipped { job, .. }
            | Event::JobCancelled { job, .. } => self.apply_to_job(*job, event),
            Event::TestRecorded { test, .. } => {
                // In the order of jobs, which is that of subtickets; then as reported.
                let place = self.tests.partition_point(|other| other.job <= test.job);
                self.tests.insert(place, test.clone());
            }
            Event::FindingRecorded { finding, .. } => {
                let place = self.findings.partition_point(|other| other.order() <= finding.order());
                self.findings.insert(place, (**finding).clone());
            }
            Event::ArtifactStored { artifact, .. } => {
                self.artifacts
                    .retain(|other| other.job != artifact.job || other.artifact.name != artifact.artifact.name);
                let place = self.artifacts.partition_point(|other| other.job <= artifact.job);
                self.artifacts.insert(place, artifact.clone());
            }
            Event::LockRecorded { .. }
            | Event::LockHeadRecorded { .. }
            | Event::LinkMoved(_)
            | Event::PoolChanged(_)
            | Event::PpaAdded(_)
            | Event::PpaRefreshed { .. }
            | Event::PpaRemoved { .. }
            | Event::ImageRemoved { .. }
            | Event::TicketRemoved { .. } => {}
            Event::WarningRaised { text, .. } => self.warnings.push(text.clone()),
            Event::FilesForgotten { files, .. } => {
                self.gone.insert(*files);
            }
            Event::ImageAdded { image, .. } => {
                if image.kind == ImageKind::Ticket {
                    self.image = Some(image.id.clone());
                }
            }
        }
    }

    fn apply_to_job(&mut self, job: JobId, event: &Event) {
        let Some(job) = self.jobs.iter_mut().find(|other| other.id == job) else {
            return;
        };
        match event {
            Event::JobStarted { attempt, log, at, .. } => {
                job.state = JobState::Running;
                job.attempts.push(AttemptRecord {
                    attempt: *attempt,
                    started_at: *at,
                    finished_at: None,
                    outcome: None,
                    exit_code: None,
                    reason: None,
                    log: log.clone(),
                    first_error: None,
                    unresponsive: false,
                    kept: None,
                });
            }
            Event::AttemptEnded { ending, retry, at, .. } => {
                if job.state == JobState::Running {
                    job.state = match ending.outcome.is_good() {
                        _ if *retry => JobState::Queued,
                        true => JobState::Passed,
                        false => JobState::Failed,
                    };
                }
                if let Some(record) = job.attempts.last_mut() {
                    record.finished_at = Some(*at);
                    record.outcome = Some(ending.outcome);
                    record.exit_code = Some(ending.exit_code);
                    record.reason.clone_from(&ending.reason);
                    record.first_error.clone_from(&ending.first_error);
                    record.unresponsive = ending.unresponsive;
                }
            }
            Event::TestbedKept { attempt, bytes, .. } => job.keep(*attempt, Some(*bytes)),
            Event::TestbedForgotten { attempt, .. } => job.keep(*attempt, None),
            Event::AttemptInterrupted { reason, at, .. } => {
                if job.state == JobState::Running {
                    job.state = JobState::Queued;
                }
                if let Some(record) = job.attempts.last_mut() {
                    record.finished_at = Some(*at);
                    record.reason = Some(reason.clone());
                }
            }
            Event::JobSkipped { reason, .. } => {
                job.state = JobState::Skipped;
                job.reason = Some(reason.clone());
            }
            Event::JobCancelled { .. } => job.state = JobState::Cancelled,
            _ => {}
        }
    }
}
