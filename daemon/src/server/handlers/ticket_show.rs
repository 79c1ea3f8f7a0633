//! `ticket/show`: one ticket, whole.

use preflight_protocol::error::RpcError;
use preflight_protocol::method::TicketShow;
use preflight_protocol::ticket::Ticket;

use super::{Context, of_ticket};
use crate::convert;

pub(super) async fn handle(context: &Context, request: TicketShow) -> Result<Ticket, RpcError> {
    of_ticket(context, request.id, convert::ticket).await
}
