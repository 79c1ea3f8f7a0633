//! `archive/prefetched`: what came of a ticket that prefetches.

use preflight_core::TicketId;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::prefetch::{ArchivePrefetched, PrefetchResult};

use super::{Context, of_ticket};
use crate::prefetch::read_result;

pub(super) async fn handle(context: &Context, request: ArchivePrefetched) -> Result<PrefetchResult, RpcError> {
    of_ticket(context, request.ticket, |_, _| ()).await?;
    let id = TicketId(request.ticket.0);
    let folder = context.tickets.ticket(id);
    let read = tokio::task::spawn_blocking(move || read_result(folder.root())).await;
    match read.map_err(std::io::Error::other).and_then(|read| read) {
        Ok(Some(result)) => Ok(result),
        Ok(None) => {
            let error = RpcError::new(ErrorCode::NotFound, format!("ticket #{id} has prefetched nothing"));
            Err(error.with_hint("it did not come so far, or it does something else: `preflight ticket show` tells"))
        }
        Err(error) => Err(RpcError::new(
            ErrorCode::Internal,
            format!("what ticket #{id} has prefetched: {error}"),
        )),
    }
}
