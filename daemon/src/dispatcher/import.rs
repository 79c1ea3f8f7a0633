//! Taking over a ticket from another machine: its files get their names of here and become the ticket's folder before the
//! turn that makes it is stored, as those of any new ticket do.

use preflight_core::{Command, Event, ImportedTicket, TicketId, decide};
use preflight_protocol::error::{ErrorCode, RpcError};

use super::{Dispatcher, Turn};
use crate::convert;
use crate::services::Staging;
use crate::transfer;

impl Dispatcher {
    pub(super) fn import(
        &mut self,
        mut imported: ImportedTicket,
        staging: Staging,
        turn: &mut Turn,
    ) -> Result<TicketId, RpcError> {
        let there = imported.ticket.clone();
        let artifacts = self.tickets.ticket(self.state.numbers().ticket.next()).artifacts();
        for record in &mut imported.ticket.artifacts {
            record.artifact.path = artifacts.join(&record.artifact.name);
        }
        let now = self.tick();
        let events = decide(&self.state, Command::Import(Box::new(imported)), now);
        let events = events.map_err(|refusal| convert::refusal(&refusal))?;
        let Some(Event::TicketImported(here)) = events.first() else {
            return Err(RpcError::new(ErrorCode::Internal, "no ticket came of its import"));
        };
        let id = here.id;
        let placed = transfer::place(staging.path(), &there, here).and_then(|()| self.make_folder(id, Some(staging)));
        placed.map_err(|error| {
            let folder = self.tickets.ticket(id);
            RpcError::new(
                ErrorCode::Host,
                format!("the ticket's folder {:?} cannot be made: {error}", folder.root()),
            )
        })?;
        self.apply(events, turn);
        Ok(id)
    }
}
