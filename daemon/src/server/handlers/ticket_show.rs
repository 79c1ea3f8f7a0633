//! `ticket/show`: one ticket, whole.

use std::sync::Arc;

use preflight_protocol::error::RpcError;
use preflight_protocol::method::TicketShow;
use preflight_protocol::ticket::Ticket;

use super::{Context, of_ticket};
use crate::convert;

pub(super) async fn handle(context: &Context, request: TicketShow) -> Result<Ticket, RpcError> {
    let look = |ticket: &_, live: &_| (Arc::new(Clone::clone(ticket)), convert::ticket(ticket, live));
    let (ticket, shown) = of_ticket(context, request.id, look).await?;
    context.services.executor.interest(ticket);
    Ok(shown)
}
