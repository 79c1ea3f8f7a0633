//! Which repository a request means: a ticket's own, or one of the PPA pool as long as that ticket holds it.

use preflight_core::TicketId;
use preflight_core::pool::{PoolNumber, PoolNumberError};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::repository::RepositoryState;

use super::{Context, of_ticket};
use crate::repositories::Repositories;

/// The repositories, where all these states are of tickets that there are.
pub(super) async fn repositories(context: &Context, states: &[&RepositoryState]) -> Result<Repositories, RpcError> {
    for state in states {
        of_ticket(context, state.ticket, |_, _| ()).await?;
        if let Some(name) = &state.pool {
            must_hold(context, TicketId(state.ticket.0), name).await?;
        }
    }
    Ok(Repositories::new(context.tickets.clone(), context.pool.clone()))
}

async fn must_hold(context: &Context, ticket: TicketId, name: &str) -> Result<(), RpcError> {
    let hint = "`preflight ppa pool list` shows who holds which";
    let number: PoolNumber = name
        .parse()
        .map_err(|error: PoolNumberError| RpcError::new(ErrorCode::InvalidParams, error.to_string()).with_hint(hint))?;
    let held = context
        .dispatcher
        .read(move |view| view.state.pool_of(ticket).any(|held| held == number));
    if held.await? {
        return Ok(());
    }
    let message = format!("ticket {ticket} does not hold {number}");
    Err(RpcError::new(ErrorCode::Conflict, message).with_hint(hint))
}
