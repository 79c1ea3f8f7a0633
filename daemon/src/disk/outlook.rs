//! What the state says of what is in use: which tickets are at work, which images they run on, what runs now. Taken in
//! one turn of the dispatcher; nothing that it says can change while that turn lasts.

use std::collections::{BTreeMap, BTreeSet};

use preflight_core::{Attempt, ImageId, ImageKind, JobId, Moment, Series, State, Ticket, TicketId};

use super::item::Subject;

/// A ticket, as far as its disk use goes.
#[derive(Debug, Clone)]
pub(super) struct TicketOutlook {
    /// Something is still to be done for it.
    pub(super) active: bool,
    /// Its owner wants it kept.
    pub(super) kept: bool,
    /// When it ended.
    pub(super) ended: Option<Moment>,
    pub(super) image: Option<ImageId>,
    series: Series,
}

/// What the state says.
#[derive(Debug, Clone, Default)]
pub(super) struct Outlook {
    pub(super) tickets: BTreeMap<TicketId, TicketOutlook>,
    /// Failed testbeds that are kept, and when their attempts ended.
    pub(super) kept: BTreeMap<(TicketId, JobId, Attempt), Option<Moment>>,
    /// Images that the state names.
    pub(super) images: BTreeSet<ImageId>,
    /// Attempts that run, be it only to wind down.
    running: BTreeMap<JobId, (TicketId, Attempt)>,
}

impl Outlook {
    pub(super) fn of(state: &State) -> Self {
        let mut outlook = Self {
            images: state.images().map(|image| image.id.clone()).collect(),
            running: state
                .open_jobs()
                .map(|job| (job.id, (job.ticket, job.attempt())))
                .collect(),
            ..Self::default()
        };
        for ticket in state.tickets() {
            outlook.add(ticket);
        }
        outlook
    }

    fn add(&mut self, ticket: &Ticket) {
        self.tickets.insert(
            ticket.id,
            TicketOutlook {
                active: ticket.is_active(),
                kept: ticket.kept,
                ended: ticket.end.as_ref().map(|end| end.at),
                image: ticket.image.clone(),
                series: ticket.series.clone(),
            },
        );
        for job in &ticket.jobs {
            for record in job.attempts.iter().filter(|record| record.kept.is_some()) {
                self.kept
                    .insert((ticket.id, job.id, record.attempt), record.finished_at);
            }
        }
    }

    /// Who uses it now, in words; nobody where it may go.
    pub(super) fn user(&self, subject: &Subject) -> Option<String> {
        match subject {
            Subject::Files | Subject::Template(_) => None,
            Subject::Image(image) => {
                let uses = |ticket: &&TicketOutlook| match image.kind {
                    ImageKind::Ticket => ticket.image.as_ref() == Some(&image.id),
                    // Its next job may start from it, or may have started from it already.
                    ImageKind::Base | ImageKind::BaseBuild => ticket.series == image.series,
                };
                self.active()
                    .find(|(_, ticket)| uses(ticket))
                    .map(|(id, _)| at_work(*id))
            }
            Subject::Ticket(id) => self
                .active()
                .find(|(other, _)| *other == id)
                .map(|(id, _)| at_work(*id)),
            Subject::Kept(_, job, attempt) => self
                .running
                .get(job)
                .filter(|(_, running)| running == attempt)
                .map(|(ticket, _)| at_work(*ticket)),
            Subject::Object(_) | Subject::Boot => self.running.values().next().map(|(ticket, _)| at_work(*ticket)),
        }
    }

    fn active(&self) -> impl Iterator<Item = (&TicketId, &TicketOutlook)> {
        self.tickets.iter().filter(|(_, ticket)| ticket.active)
    }
}

fn at_work(ticket: TicketId) -> String {
    format!("ticket #{ticket}, which is not done")
}
