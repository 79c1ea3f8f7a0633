//! Which PPAs are known, and which state of each is its newest: one never goes back.

use std::collections::{BTreeMap, BTreeSet};

use super::Draft;
use crate::command::Refusal;
use crate::event::Event;
use crate::ids::{Moment, Series};
use crate::ppa::{MOST, NewPpa, PpaCommand, PpaName, PpaRecord, PpaRefusal, PpaState};

impl Draft<'_> {
    pub(super) fn ppa(&mut self, command: PpaCommand) -> Result<(), Refusal> {
        match command {
            PpaCommand::Add(new) => self.add_ppas(new),
            PpaCommand::NoteRefreshed {
                name,
                added_at,
                series,
                state,
            } => self.note_refreshed(name, added_at, series, *state),
            PpaCommand::Remove { name } => self.remove_ppa(name),
        }
    }

    fn add_ppas(&mut self, new: Vec<NewPpa>) -> Result<(), Refusal> {
        let mut names: BTreeSet<PpaName> = self.state.ppas().map(|ppa| ppa.name().clone()).collect();
        for ppa in &new {
            if !names.insert(ppa.definition.name.clone()) {
                return Err(PpaRefusal::Exists(ppa.definition.name.clone()).into());
            }
        }
        if names.len() > MOST {
            return Err(PpaRefusal::TooMany(names.len()).into());
        }
        for NewPpa {
            definition,
            series,
            state,
        } in new
        {
            self.push(Event::PpaAdded(Box::new(PpaRecord {
                definition,
                added_at: self.now,
                states: BTreeMap::from([(series, state)]),
            })));
        }
        Ok(())
    }

    fn note_refreshed(
        &mut self,
        name: PpaName,
        added_at: Moment,
        series: Series,
        state: PpaState,
    ) -> Result<(), Refusal> {
        let known = self.state.ppa(&name).filter(|ppa| ppa.added_at == added_at);
        let Some(known) = known else {
            return Err(PpaRefusal::NoPpa(name).into());
        };
        let before = known.states.get(&series);
        // Who stops telling when it was published could go back unseen.
        if before.is_some_and(|before| state.date < before.date) {
            return Err(PpaRefusal::RolledBack { name, series }.into());
        }
        self.push(Event::PpaRefreshed { name, series, state });
        Ok(())
    }

    fn remove_ppa(&mut self, name: PpaName) -> Result<(), Refusal> {
        let known = self.state.ppa(&name);
        let known = known.ok_or_else(|| PpaRefusal::NoPpa(name.clone()))?;
        if known.definition.private {
            let mut active = self.state.active_tickets();
            let user = active.find(|ticket| {
                ticket
                    .options
                    .sources
                    .ppas
                    .iter()
                    .any(|used| used.name == name.as_str())
            });
            if let Some(ticket) = user {
                let ticket = ticket.id;
                return Err(PpaRefusal::InUse { name, ticket }.into());
            }
        }
        self.push(Event::PpaRemoved { name });
        Ok(())
    }
}
