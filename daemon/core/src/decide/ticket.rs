//! What owners ask for a whole ticket: to make, change, cancel and remove it.

use std::collections::BTreeSet;

use super::Draft;
use crate::command::{Edit, NewTicket, Refusal};
use crate::event::Event;
use crate::exit::ExitCode;
use crate::graph;
use crate::ids::{JobId, SubticketId, TicketId};
use crate::promotion::LinkRefusal;
use crate::result::Outcome;
use crate::ticket::{Subticket, Ticket, TicketEnd, TicketFiles, TicketStatus, WorkflowStep};

impl Draft<'_> {
    pub(super) fn create(&mut self, mut new: NewTicket) -> Result<(), Refusal> {
        if new.subtickets.is_empty() && new.preparation.is_none() && new.options.rebuild.is_none() {
            return Err(Refusal::NothingToDo);
        }
        for (place, source) in new.subtickets.iter().enumerate() {
            if let Some(&after) = source.build_after.iter().find(|&&after| after >= place) {
                return Err(Refusal::BadOrder { place, after });
            }
        }
        self.can_ever_hold(new.options.pool_repositories)?;
        let id = self.state.numbers().ticket.next();
        let first = self.state.numbers().subticket.0 + 1;
        let subtickets: Vec<Subticket> = new
            .subtickets
            .iter()
            .zip(first..)
            .map(|(source, number)| Subticket {
                id: SubticketId(number),
                source: source.source.clone(),
                version: source.version.clone(),
                origin: source.origin.clone(),
                signature: source.signature.clone(),
                staged: source.staged.clone(),
                needs_source_package: source.needs_source_package,
            })
            .collect();
        let jobs = graph::jobs(id, &new, &subtickets, self.state.numbers().job);
        let queued = self
            .state
            .open_tickets()
            .filter(|ticket| ticket.status == TicketStatus::Queued)
            .count();
        let (status, queued_at, queue_position) = match new.wait {
            true => (TicketStatus::Waiting, None, None),
            false => (TicketStatus::Queued, Some(self.now), u32::try_from(queued + 1).ok()),
        };
        // From here on it is the ticket's own.
        let kept_image = new.options.replay_of.as_mut().and_then(|replay| replay.image.take());
        self.push(Event::TicketCreated(Box::new(Ticket {
            id,
            title: new.title,
            description: new.description,
            bug: new.bug,
            owner: new.owner,
            series: new.series,
            options: new.options,
            step: WorkflowStep::Queued,
            status,
            kept: false,
            created_at: self.now,
            queued_at,
            queue_position,
            started_at: None,
            end: None,
            subtickets,
            jobs,
            tests: vec![],
            findings: vec![],
            artifacts: vec![],
            gone: BTreeSet::new(),
            image: kept_image,
            warnings: new.warnings,
            origin: None,
        })));
        Ok(())
    }

    pub(super) fn update(&mut self, id: TicketId, edit: Edit, queue: bool) -> Result<(), Refusal> {
        let status = self.ticket(id)?.status;
        if queue && status != TicketStatus::Waiting {
            return Err(Refusal::NotWaiting(id, status));
        }
        if edit != Edit::default() {
            self.push(Event::TicketEdited { ticket: id, edit });
        }
        if queue {
            self.push(Event::TicketQueued {
                ticket: id,
                at: self.now,
            });
        }
        Ok(())
    }

    pub(super) fn cancel(&mut self, id: TicketId) -> Result<(), Refusal> {
        let ticket = self.ticket(id)?;
        let unfinished = ticket.jobs.iter().filter(|job| !job.state.is_final());
        let jobs: Vec<JobId> = unfinished.map(|job| job.id).collect();
        let has_ended = ticket.status.is_final();
        if has_ended && jobs.is_empty() {
            return Err(Refusal::Ended(id));
        }
        for job in jobs {
            self.push(Event::JobCancelled { ticket: id, job });
        }
        if has_ended {
            // They were reruns, which change nothing of how it ended.
            return Ok(());
        }
        let end = TicketEnd {
            outcome: Outcome::Cancelled,
            exit_code: ExitCode::CANCELLED,
            reason: Some("cancelled".to_owned()),
            at: self.now,
        };
        self.push(Event::TicketEnded {
            ticket: id,
            status: TicketStatus::Cancelled,
            end,
        });
        Ok(())
    }

    pub(super) fn remove(&mut self, id: TicketId) -> Result<(), Refusal> {
        let ticket = self.ticket(id)?;
        if ticket.is_active() {
            return Err(Refusal::Active(id));
        }
        if ticket.kept {
            return Err(Refusal::Kept(id));
        }
        if let Some(link) = self.state.link_to(id).cloned() {
            return Err(LinkRefusal::PointsAt { link, ticket: id }.into());
        }
        self.push(Event::TicketRemoved { ticket: id });
        Ok(())
    }

    /// Told twice it is the same as told once: a daemon that died in between tells again.
    pub(super) fn forget_files(&mut self, id: TicketId, files: TicketFiles) -> Result<(), Refusal> {
        let ticket = self.ticket(id)?;
        if ticket.is_active() {
            return Err(Refusal::Active(id));
        }
        if !ticket.gone.contains(&files) {
            self.push(Event::FilesForgotten { ticket: id, files });
        }
        Ok(())
    }
}
