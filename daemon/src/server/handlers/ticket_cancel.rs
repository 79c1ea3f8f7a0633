//! `ticket/cancel`: end a ticket.

use preflight_core::{Command, TicketId};
use preflight_protocol::error::RpcError;
use preflight_protocol::method::TicketCancel;
use preflight_protocol::ticket::TicketSummary;

use super::{Context, summary_of};

pub(super) async fn handle(context: &Context, request: TicketCancel) -> Result<TicketSummary, RpcError> {
    context
        .dispatcher
        .command(Command::Cancel {
            ticket: TicketId(request.id.0),
        })
        .await?;
    summary_of(context, request.id).await
}
