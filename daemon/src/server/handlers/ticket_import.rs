//! `ticket/import`: take over a ticket from a file, whole or not at all.

use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::transfer::{TicketImport, TicketImported};

use super::Context;
use crate::convert;

pub(super) async fn handle(context: &Context, request: TicketImport) -> Result<TicketImported, RpcError> {
    if !request.file.is_absolute() {
        let message = format!("the file {:?} is not an absolute path", request.file);
        return Err(RpcError::new(ErrorCode::InvalidParams, message));
    }
    let desk = &context.services.transfer;
    let unpacked = desk.unpack(request.file).await?;
    let objects = unpacked.objects;
    let origin = convert::origin(&unpacked.origin);
    desk.keep_objects(&objects).await?;
    let ticket = context.dispatcher.import(unpacked.ticket, unpacked.staging).await?;
    // Before the ticket was there, nothing kept them from being freed.
    desk.keep_objects(&objects).await?;
    Ok(TicketImported {
        ticket: convert::ticket_id(ticket),
        origin,
        objects: objects.len() as u64,
    })
}
