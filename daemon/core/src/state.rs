//! All tickets as they stand. It changes by [`State::apply`] alone, which takes what has happened for granted: whether
//! something may happen is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::Refusal;
use crate::event::Event;
use crate::ids::{ImageId, JobId, SubticketId, TicketId};
use crate::image::{ImageKind, ImageRecord};
use crate::job::{AttemptRecord, Job, JobState};
use crate::ticket::{Ticket, TicketStatus, WorkflowStep};

/// All tickets and images.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    tickets: BTreeMap<TicketId, Ticket>,
    images: BTreeMap<ImageId, ImageRecord>,
    /// Tickets that have not ended.
    open: BTreeSet<TicketId>,
    /// Jobs with an attempt that has not ended; their tickets may have.
    running: BTreeMap<JobId, TicketId>,
    jobs: BTreeMap<JobId, TicketId>,
    last_subticket: SubticketId,
}

impl State {
    /// The state with these tickets and images.
    #[must_use]
    pub fn restore(tickets: Vec<Ticket>, images: Vec<ImageRecord>) -> Self {
        let mut state = Self::default();
        for ticket in tickets {
            state.insert(ticket);
        }
        state.images = images.into_iter().map(|image| (image.id.clone(), image)).collect();
        state
    }

    fn insert(&mut self, ticket: Ticket) {
        if !ticket.status.is_final() {
            self.open.insert(ticket.id);
        }
        for job in &ticket.jobs {
            self.jobs.insert(job.id, ticket.id);
            if job.is_open() {
                self.running.insert(job.id, ticket.id);
            }
        }
        for subticket in &ticket.subtickets {
            self.last_subticket = self.last_subticket.max(subticket.id);
        }
        self.tickets.insert(ticket.id, ticket);
    }

    /// All tickets, oldest first.
    pub fn tickets(&self) -> impl DoubleEndedIterator<Item = &Ticket> {
        self.tickets.values()
    }

    /// The tickets that have not ended, oldest first.
    pub fn open_tickets(&self) -> impl Iterator<Item = &Ticket> {
        self.open.iter().filter_map(|id| self.tickets.get(id))
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

    /// The tickets that use an image: its own, those whose image is an overlay of it, and for a base image the open
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
                || (image.kind != ImageKind::Ticket && !ticket.status.is_final() && ticket.series == image.series)
        };
        self.tickets()
            .filter(|ticket| uses(ticket))
            .map(|ticket| ticket.id)
            .collect()
    }

    /// Whether an image may be removed: no open ticket uses it, and no other image is an overlay of it.
    ///
    /// # Errors
    /// What is in the way.
    pub fn may_remove(&self, image: &ImageRecord) -> Result<(), Refusal> {
        if let Some(child) = self.images().find(|other| other.parent.as_ref() == Some(&image.id)) {
            return Err(Refusal::HasChild(image.id.clone(), child.id.clone()));
        }
        let open = self.users(image).into_iter().find(|ticket| self.open.contains(ticket));
        open.map_or(Ok(()), |ticket| Err(Refusal::InUse(image.id.clone(), ticket)))
    }

    pub(crate) fn next_ticket(&self) -> TicketId {
        self.tickets.keys().next_back().copied().unwrap_or_default().next()
    }

    pub(crate) fn last_job(&self) -> JobId {
        self.jobs.keys().next_back().copied().unwrap_or_default()
    }

    pub(crate) fn last_subticket(&self) -> SubticketId {
        self.last_subticket
    }

    /// Takes note of what has happened.
    pub fn apply(&mut self, event: &Event) {
        if let Event::TicketCreated(ticket) = event {
            return self.insert((**ticket).clone());
        }
        match event {
            Event::ImageAdded { image, .. } => {
                self.images.insert(image.id.clone(), image.clone());
            }
            Event::ImageRemoved { id } => {
                self.images.remove(id);
            }
            Event::JobStarted { ticket, job, .. } => {
                self.running.insert(*job, *ticket);
            }
            Event::AttemptEnded { job, .. } | Event::AttemptInterrupted { job, .. } => {
                self.running.remove(job);
            }
            Event::TicketEnded { ticket, .. } => {
                self.open.remove(ticket);
            }
            _ => {}
        }
        if let Some(ticket) = event.ticket().and_then(|id| self.tickets.get_mut(&id)) {
            ticket.apply(event);
        }
    }
}

impl Ticket {
    /// Takes note of what has happened to it.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::TicketCreated(ticket) => *self = (**ticket).clone(),
            Event::TicketEdited { edit, .. } => {
                let edit = edit.clone();
                self.title = edit.title.unwrap_or_else(|| std::mem::take(&mut self.title));
                self.description = edit
                    .description
                    .unwrap_or_else(|| std::mem::take(&mut self.description));
                self.bug = edit.bug.or_else(|| self.bug.take());
                self.owner = edit.owner.unwrap_or_else(|| std::mem::take(&mut self.owner));
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
                self.artifacts.retain(|artifact| artifact.job != *job);
                self.apply_to_job(*job, event);
            }
            Event::AttemptEnded { job, .. }
            | Event::AttemptInterrupted { job, .. }
            | Event::JobSkipped { job, .. }
            | Event::JobCancelled { job, .. } => self.apply_to_job(*job, event),
            Event::TestRecorded { test, .. } => {
                // In the order of jobs, which is that of subtickets; then as reported.
                let place = self.tests.partition_point(|other| other.job <= test.job);
                self.tests.insert(place, test.clone());
            }
            Event::ArtifactStored { artifact, .. } => {
                self.artifacts
                    .retain(|other| other.job != artifact.job || other.artifact.name != artifact.artifact.name);
                let place = self.artifacts.partition_point(|other| other.job <= artifact.job);
                self.artifacts.insert(place, artifact.clone());
            }
            Event::LockRecorded { .. } | Event::ImageRemoved { .. } => {}
            Event::WarningRaised { text, .. } => self.warnings.push(text.clone()),
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
                });
            }
            Event::AttemptEnded { ending, at, .. } => {
                if job.state == JobState::Running {
                    job.state = if ending.outcome.is_good() {
                        JobState::Passed
                    } else {
                        JobState::Failed
                    };
                }
                if let Some(record) = job.attempts.last_mut() {
                    record.finished_at = Some(*at);
                    record.outcome = Some(ending.outcome);
                    record.exit_code = Some(ending.exit_code);
                    record.reason.clone_from(&ending.reason);
                    record.first_error.clone_from(&ending.first_error);
                }
            }
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
