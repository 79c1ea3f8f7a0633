//! `ticket/list`: all tickets, newest first.

use preflight_protocol::error::RpcError;
use preflight_protocol::method::TicketList;
use preflight_protocol::ticket::TicketSummary;

use super::Context;
use crate::convert;

pub(super) async fn handle(context: &Context, request: TicketList) -> Result<Vec<TicketSummary>, RpcError> {
    let list = context.dispatcher.read(move |view| {
        let wanted = view
            .state
            .tickets()
            .rev()
            .filter(|ticket| !request.open || !ticket.status.is_final());
        wanted.map(|ticket| convert::summary(ticket, view.live)).collect()
    });
    Ok(list.await?)
}
