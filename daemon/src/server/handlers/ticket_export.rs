//! `ticket/export`: write an ended ticket with all its evidence to one file.

use preflight_core::{Refusal, TicketId};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::transfer::{TicketExport, TicketExported};

use super::{Context, no_ticket};
use crate::convert;
use crate::transfer::Outgoing;

pub(super) async fn handle(context: &Context, request: TicketExport) -> Result<TicketExported, RpcError> {
    let file = request.file;
    if !file.is_absolute() {
        let message = format!("the file {file:?} is not an absolute path");
        return Err(RpcError::new(ErrorCode::InvalidParams, message));
    }
    let id = TicketId(request.ticket.0);
    let found = context.dispatcher.read(move |view| {
        let ticket = view.state.ticket(id)?.clone();
        Some((ticket, view.state.images().cloned().collect()))
    });
    let (ticket, images) = found.await?.ok_or_else(|| no_ticket(id))?;
    if ticket.is_active() {
        return Err(convert::refusal(&Refusal::Active(id)));
    }
    if ticket.subtickets.is_empty() {
        let message = format!("ticket {id} has no sources: there is nothing in it for another machine");
        return Err(RpcError::new(ErrorCode::Conflict, message));
    }
    let locks = context.dispatcher.store().locks(id).await;
    let locks = locks.map_err(|error| RpcError::new(ErrorCode::Internal, error.to_string()))?;
    let heads = context.dispatcher.store().lock_heads(id).await;
    let heads = heads.map_err(|error| RpcError::new(ErrorCode::Internal, error.to_string()))?;
    let outgoing = Outgoing {
        ticket,
        locks,
        heads,
        images,
    };
    let exported = context
        .services
        .transfer
        .export(outgoing, file.clone(), request.with_packages)
        .await?;
    Ok(TicketExported {
        file,
        size: exported.size,
        files: exported.files as u64,
        objects: exported.objects as u64,
        left_out: exported.left_out,
    })
}
