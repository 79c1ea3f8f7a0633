//! `ticket/agreement`: whether a replay agrees with the ticket that it runs again.

use preflight_core::{Origin, Run, TicketId, compare};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::replay::{Agreement, TicketAgreement};

use super::{Context, runs};
use crate::convert;

pub(super) async fn handle(context: &Context, request: TicketAgreement) -> Result<Agreement, RpcError> {
    let id = TicketId(request.ticket.0);
    let later = runs::ended(context, id).await?;
    let Some(replay) = later.ticket.options.replay_of.clone() else {
        let error = RpcError::new(ErrorCode::InvalidParams, format!("ticket {id} is no replay"));
        return Err(error.with_hint(format!("`preflight replay {id}` makes one of it")));
    };
    if let Some(Origin::Ticket(origin)) = &later.ticket.origin {
        let message = format!("the ticket that it replays is {} on {}", replay.ticket, origin.host);
        return Err(RpcError::new(ErrorCode::Conflict, message).with_hint("ask there, before it is removed"));
    }
    let earlier = runs::ended(context, replay.ticket)
        .await
        .map_err(|error| match error.code {
            ErrorCode::NotFound => RpcError::new(
                ErrorCode::Conflict,
                format!("ticket {}, which it replays, has been removed", replay.ticket),
            ),
            _ => error,
        })?;
    let found = compare(
        Run {
            ticket: &earlier.ticket,
            locks: &earlier.locks,
        },
        Run {
            ticket: &later.ticket,
            locks: &later.locks,
        },
        replay.job.as_ref(),
    );
    Ok(convert::agreement(id, &replay, &found))
}
