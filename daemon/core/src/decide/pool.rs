//! Who gets and gives back which repository of the pool. A queued ticket gets all that it wants at once, when as many are
//! free, and nobody who came later gets them before. A ticket's end gives back what it holds, once nothing of it runs any
//! more that could still write there.

use std::collections::BTreeMap;

use super::Draft;
use crate::command::Refusal;
use crate::event::Event;
use crate::ids::TicketId;
use crate::job::Job;
use crate::pool::{MOST, MOST_PER_TICKET, PoolCommand, PoolNumber, PoolRefusal, PoolRepository, PoolState, PoolStep};
use crate::ticket::{Ticket, TicketStatus};

impl Draft<'_> {
    pub(super) fn pool(&mut self, command: PoolCommand) -> Result<(), Refusal> {
        match command {
            PoolCommand::Grow { by } => self.grow_pool(by),
            PoolCommand::Release { number } => {
                let holder = self.pool_repository(number)?.state.holder();
                if let Some(ticket) = holder
                    && self
                        .ticket(ticket)
                        .is_ok_and(|ticket| ticket.jobs.iter().any(Job::is_open))
                {
                    return Err(PoolRefusal::Running { number, ticket }.into());
                }
                self.step(number, PoolStep::Release)
            }
            PoolCommand::BeginCleaning { number } => self.step(number, PoolStep::BeginCleaning),
            PoolCommand::NoteCleaned { number } => self.step(number, PoolStep::Cleaned),
        }
    }

    fn pool_repository(&self, number: PoolNumber) -> Result<PoolRepository, PoolRefusal> {
        let found = self.state.pool().find(|repository| repository.number == number);
        found.copied().ok_or(PoolRefusal::NoRepository(number))
    }

    fn step(&mut self, number: PoolNumber, step: PoolStep) -> Result<(), Refusal> {
        let repository = self.pool_repository(number)?;
        let state = repository.state.after(step);
        let state = state.map_err(|source| PoolRefusal::Illegal { number, source })?;
        self.change_pool(number, state);
        Ok(())
    }

    fn change_pool(&mut self, number: PoolNumber, state: PoolState) {
        self.push(Event::PoolChanged(PoolRepository {
            number,
            state,
            since: self.now,
        }));
    }

    fn grow_pool(&mut self, by: u32) -> Result<(), Refusal> {
        let last = self
            .state
            .pool()
            .next_back()
            .map_or(0, |repository| repository.number.0);
        let most = u64::from(last) + u64::from(by);
        if most > u64::from(MOST) {
            return Err(PoolRefusal::TooMany(most).into());
        }
        for number in 1..=by {
            self.change_pool(PoolNumber(last + number), PoolState::Free);
        }
        Ok(())
    }

    /// Whether a new ticket that wants so many could ever get them.
    pub(super) fn can_ever_hold(&self, wanted: u8) -> Result<(), PoolRefusal> {
        if wanted > MOST_PER_TICKET {
            return Err(PoolRefusal::TooManyForOne(wanted));
        }
        let all = self.state.pool().count();
        if all < usize::from(wanted) {
            return Err(PoolRefusal::TooSmall { wanted, all });
        }
        Ok(())
    }

    /// The pool as it stands after the events so far.
    fn pool_now(&self) -> BTreeMap<PoolNumber, PoolState> {
        let before = self.state.pool();
        let since = self.events.iter().filter_map(|event| match event {
            Event::PoolChanged(repository) => Some(repository),
            _ => None,
        });
        before
            .chain(since)
            .map(|repository| (repository.number, repository.state))
            .collect()
    }

    /// Gives queued tickets what they wait for, the first in the queue first.
    pub(super) fn reserve_for_queued(&mut self) {
        let pool = self.pool_now();
        let mut free: Vec<PoolNumber> = pool
            .iter()
            .filter(|(_, state)| **state == PoolState::Free)
            .map(|(number, _)| *number)
            .collect();
        if free.is_empty() {
            return;
        }
        let mut waiting: Vec<(_, TicketId, usize)> = self
            .queued()
            .filter_map(|ticket| {
                let held = pool.values().filter(|state| state.holder() == Some(ticket.id)).count();
                let wanted = usize::from(ticket.options.pool_repositories).checked_sub(held)?;
                let rank = (ticket.options.priority, ticket.queued_at);
                (wanted > 0).then_some((rank, ticket.id, wanted))
            })
            .collect();
        waiting.sort_unstable();
        for (_, ticket, wanted) in waiting {
            if free.len() < wanted {
                return;
            }
            for number in free.drain(..wanted).collect::<Vec<_>>() {
                self.change_pool(number, PoolState::Reserved(ticket));
            }
        }
    }

    fn queued(&self) -> impl Iterator<Item = &Ticket> {
        let others = self.state.open_tickets();
        let others = others.filter(|ticket| !self.tickets.contains_key(&ticket.id));
        let all = others.chain(self.tickets.values());
        all.filter(|ticket| ticket.status == TicketStatus::Queued)
    }

    /// Gives back what those tickets hold that have just ended, and of which nothing runs.
    pub(super) fn release_of_ended(&mut self) {
        let ended = |ticket: &TicketId| self.tickets.get(ticket).is_some_and(|ticket| !ticket.is_active());
        let pool = self.pool_now();
        let held = pool
            .iter()
            .filter(|(_, state)| state.holder().as_ref().is_some_and(ended));
        let held: Vec<PoolNumber> = held.map(|(number, _)| *number).collect();
        for number in held {
            self.change_pool(number, PoolState::Dirty);
        }
    }
}
