//! `archive/list`: the snapshots, with the tickets that are pinned to them.

use std::collections::BTreeMap;

use preflight_core::{State, Ticket, TicketId};
use preflight_protocol::archive::{ArchiveList, ArchiveSnapshot};
use preflight_protocol::error::RpcError;

use super::Context;
use crate::convert;

pub(super) async fn handle(context: &Context, request: ArchiveList) -> Result<Vec<ArchiveSnapshot>, RpcError> {
    let snapshots = &context.services.snapshots;
    let series = match &request.series {
        Some(name) => Some(snapshots.series(Some(name))?),
        None => None,
    };
    let mut list = snapshots.list(series.as_ref()).await?;
    let users = context.dispatcher.read(|view| users(view.state, |_| true)).await?;
    for snapshot in &mut list {
        let tickets = users.get(&snapshot.name).into_iter().flatten();
        snapshot.users = tickets.copied().map(convert::ticket_id).collect();
    }
    Ok(list)
}

/// By snapshot's name, those of the tickets that are pinned to it.
pub(super) fn users(state: &State, counts: impl Fn(&Ticket) -> bool) -> BTreeMap<String, Vec<TicketId>> {
    let mut users: BTreeMap<String, Vec<TicketId>> = BTreeMap::new();
    for ticket in state.tickets().filter(|ticket| counts(ticket)) {
        if let Some(snapshot) = &ticket.options.sources.snapshot {
            users.entry(snapshot.name.clone()).or_default().push(ticket.id);
        }
    }
    users
}
