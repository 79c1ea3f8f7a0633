//! Who gets and gives back which repository of the pool. A ticket's end gives back what it holds, once nothing of it
//! runs any more that could still write there.

use super::Draft;
use crate::command::Refusal;
use crate::event::Event;
use crate::ids::TicketId;
use crate::job::Job;
use crate::pool::{MOST, MOST_PER_TICKET, PoolCommand, PoolNumber, PoolRefusal, PoolRepository, PoolState, PoolStep};

impl Draft<'_> {
    pub(super) fn pool(&mut self, command: PoolCommand) -> Result<(), Refusal> {
        match command {
            PoolCommand::Grow { by } => self.grow_pool(by),
            PoolCommand::Reserve { ticket, count } => self.reserve(ticket, count),
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

    fn reserve(&mut self, id: TicketId, count: u8) -> Result<(), Refusal> {
        if self.ticket(id)?.status.is_final() {
            return Err(Refusal::Ended(id));
        }
        if count > MOST_PER_TICKET {
            return Err(PoolRefusal::TooManyForOne(count).into());
        }
        // Asked twice, an executor that was interrupted say, it gets no more.
        let held = self.held_by(id).len();
        let wanted = usize::from(count).saturating_sub(held);
        let free = self
            .state
            .pool()
            .filter(|repository| repository.state == PoolState::Free);
        let free: Vec<PoolNumber> = free.map(|repository| repository.number).collect();
        if free.len() < wanted {
            return Err(PoolRefusal::Exhausted {
                ticket: id,
                wanted: u8::try_from(wanted).unwrap_or(count),
                free: free.len(),
                all: self.state.pool().count(),
            }
            .into());
        }
        for number in free.into_iter().take(wanted) {
            self.step(number, PoolStep::Reserve(id))?;
        }
        Ok(())
    }

    fn held_by(&self, ticket: TicketId) -> Vec<PoolNumber> {
        let held = self
            .state
            .pool()
            .filter(|repository| repository.state.holder() == Some(ticket));
        held.map(|repository| repository.number).collect()
    }

    /// Gives back what those tickets hold that have just ended, and of which nothing runs.
    pub(super) fn release_of_ended(&mut self) {
        let ended = self.tickets.values().filter(|ticket| !ticket.is_active());
        let held: Vec<PoolNumber> = ended.flat_map(|ticket| self.held_by(ticket.id)).collect();
        for number in held {
            self.change_pool(number, PoolState::Dirty);
        }
    }
}
