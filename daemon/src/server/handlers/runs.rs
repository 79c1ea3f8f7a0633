//! Tickets that have ended, with what their jobs have fetched.

use preflight_core::{JobId, LockEntry, Refusal, Ticket, TicketId};
use preflight_protocol::error::{ErrorCode, RpcError};

use super::{Context, no_ticket};
use crate::convert;

/// A ticket that has ended.
pub(super) struct EndedRun {
    pub(super) ticket: Ticket,
    pub(super) locks: Vec<(JobId, Vec<LockEntry>)>,
}

/// Reads one.
///
/// # Errors
/// There is none, or it still runs.
pub(super) async fn ended(context: &Context, id: TicketId) -> Result<EndedRun, RpcError> {
    let ticket = context
        .dispatcher
        .read(move |view| view.state.ticket(id).cloned())
        .await?;
    let ticket = ticket.ok_or_else(|| no_ticket(id))?;
    if ticket.is_active() {
        return Err(convert::refusal(&Refusal::Active(id)));
    }
    let locks = context.dispatcher.store().locks(id).await;
    let locks = locks.map_err(|error| RpcError::new(ErrorCode::Internal, error.to_string()))?;
    Ok(EndedRun { ticket, locks })
}
