//! What a command does to the state, as events. Whether something may happen is decided here and nowhere else.

mod attempt;
mod baseline;
mod import;
mod pool;
mod ppa;
mod promotion;
mod rerun;
mod ticket;

use std::collections::BTreeMap;

use crate::command::{Command, Refusal};
use crate::event::Event;
use crate::ids::{JobId, Moment, TicketId};
use crate::job::Job;
use crate::state::State;
use crate::ticket::{Priority, Ticket, TicketStatus};

/// What the command does. The events are to be stored, then applied in their order.
///
/// # Errors
/// Why the command is refused; nothing is to be done then.
pub fn decide(state: &State, command: Command, now: Moment) -> Result<Vec<Event>, Refusal> {
    let mut draft = Draft {
        state,
        now,
        tickets: BTreeMap::new(),
        events: vec![],
    };
    match command {
        Command::Create(new) => draft.create(*new)?,
        Command::Import(imported) => draft.import(*imported)?,
        Command::Update { ticket, edit, queue } => draft.update(ticket, edit, queue)?,
        Command::Cancel { ticket } => draft.cancel(ticket)?,
        Command::Start { job } => draft.start(job)?,
        Command::Report { job, attempt, report } => draft.report(job, attempt, report)?,
        Command::Interrupt { job, reason } => draft.interrupt(job, reason)?,
        Command::Rerun { ticket, test, staged } => draft.rerun(ticket, &test, staged)?,
        Command::Baseline { ticket, tests } => draft.baselines(ticket, &tests)?,
        Command::Remove { ticket } => draft.remove(ticket)?,
        Command::ForgetKept { job, attempt } => draft.forget_kept(job, attempt)?,
        Command::ForgetFiles { ticket, files } => draft.forget_files(ticket, files)?,
        Command::Link(command) => draft.link(command)?,
        Command::Pool(command) => draft.pool(command)?,
        Command::Ppa(command) => draft.ppa(command)?,
        Command::ForgetImage { id } => draft.push(Event::ImageRemoved { id }),
    }
    draft.release_of_ended();
    draft.reserve_for_queued();
    draft.place_queue();
    Ok(draft.events)
}

/// Events so far, and the tickets that they are about as they stand after them.
struct Draft<'a> {
    state: &'a State,
    now: Moment,
    tickets: BTreeMap<TicketId, Ticket>,
    events: Vec<Event>,
}

impl Draft<'_> {
    fn ticket(&self, id: TicketId) -> Result<&Ticket, Refusal> {
        self.tickets
            .get(&id)
            .or_else(|| self.state.ticket(id))
            .ok_or(Refusal::NoTicket(id))
    }

    fn job(&self, id: JobId) -> Result<(&Ticket, &Job), Refusal> {
        let ticket = self.ticket(self.state.job(id).ok_or(Refusal::NoJob(id))?.ticket)?;
        Ok((ticket, ticket.job(id).ok_or(Refusal::NoJob(id))?))
    }

    fn push(&mut self, event: Event) {
        if let Event::TicketCreated(ticket) | Event::TicketImported(ticket) = &event {
            self.tickets.insert(ticket.id, (**ticket).clone());
        } else if let Some(id) = event.ticket() {
            if let Some(ticket) = self.state.ticket(id) {
                self.tickets.entry(id).or_insert_with(|| ticket.clone());
            }
            if let Some(ticket) = self.tickets.get_mut(&id) {
                ticket.apply(&event);
            }
        }
        self.events.push(event);
    }

    /// An event after which nothing more is decided. Guests send these by thousands: no ticket is copied for one.
    fn tell(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Tells every queued ticket whose place has changed. The more urgent ones stand before the others.
    fn place_queue(&mut self) {
        let touched: Vec<TicketId> = self.tickets.keys().copied().collect();
        let others = self.state.open_tickets().filter(|ticket| !touched.contains(&ticket.id));
        let mut queue: Vec<(Priority, Option<Moment>, TicketId, Option<u32>)> = others
            .chain(self.tickets.values())
            .filter(|ticket| ticket.status == TicketStatus::Queued)
            .map(|ticket| {
                (
                    ticket.options.priority,
                    ticket.queued_at,
                    ticket.id,
                    ticket.queue_position,
                )
            })
            .collect();
        queue.sort_unstable();
        for ((_, _, ticket, position), place) in queue.into_iter().zip(1..) {
            if position != Some(place) {
                self.push(Event::QueuePlaced {
                    ticket,
                    position: place,
                });
            }
        }
    }
}
