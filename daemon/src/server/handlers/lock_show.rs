//! `lock/show`: what a ticket's jobs have fetched.

use preflight_core::TicketId;
use preflight_protocol::archive::Lock;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::LockShow;

use super::{Context, of_ticket};
use crate::convert;

pub(super) async fn handle(context: &Context, request: LockShow) -> Result<Vec<Lock>, RpcError> {
    of_ticket(context, request.ticket, |_, _| ()).await?;
    let locks = context.dispatcher.store().locks(TicketId(request.ticket.0)).await;
    let locks = locks.map_err(|error| RpcError::new(ErrorCode::Internal, error.to_string()))?;
    Ok(locks.into_iter().map(convert::lock).collect())
}
