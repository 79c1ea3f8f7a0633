//! `ticket/verdicts`: what a ticket's tests mean, with what is known of their runs with the change and without it.

use preflight_core::TicketId;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::TicketVerdicts;
use preflight_protocol::verdict::JudgedTest;

use super::{Context, of_ticket};
use crate::verdicts;

pub(super) async fn handle(context: &Context, request: TicketVerdicts) -> Result<Vec<JudgedTest>, RpcError> {
    let ticket = of_ticket(context, request.ticket, |ticket, _| ticket.clone()).await?;
    let folder = context.tickets.ticket(TicketId(request.ticket.0));
    // Logs may be long.
    let judging = tokio::task::spawn_blocking(move || verdicts::judged(&ticket, &folder));
    judging
        .await
        .map_err(|error| RpcError::new(ErrorCode::Internal, format!("the logs cannot be compared: {error}")))
}
