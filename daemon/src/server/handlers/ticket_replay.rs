//! `ticket/replay`: make a ticket that runs another one again from its locks alone. All that it needs is looked for first.

use std::sync::Arc;

use preflight_core::{JobId, TicketId};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::replay::{TicketReplay, TicketReplaying};

use super::ticket_create::user_name;
use super::{Context, runs};
use crate::convert;
use crate::replay::{Earlier, plan};

pub(super) async fn handle(context: &Context, request: TicketReplay) -> Result<TicketReplaying, RpcError> {
    let id = TicketId(request.ticket.0);
    let earlier = runs::ended(context, id).await?;
    let heads = context.dispatcher.store().lock_heads(id).await;
    let heads = heads.map_err(|error| RpcError::new(ErrorCode::Internal, error.to_string()))?;
    let earlier = Earlier {
        ticket: earlier.ticket,
        locks: earlier.locks,
        heads,
    };
    let plan = plan(&earlier, request.job.map(|job| JobId(job.0)))?;
    let images = context.services.images.list().await?;
    plan.images_are_there(&images, earlier.ticket.series.as_str())?;
    let (tickets, archive) = (context.tickets.clone(), context.services.transfer.archive.clone());
    let (plan, ticket) = (Arc::new(plan), Arc::new(earlier.ticket));
    let staging = {
        let (plan, ticket) = (Arc::clone(&plan), Arc::clone(&ticket));
        tokio::task::spawn_blocking(move || {
            plan.objects_are_there(&archive, &ticket.options.sources, ticket.id)?;
            plan.stage(&tickets, &ticket)
        })
    };
    let staging = staging
        .await
        .map_err(|error| RpcError::new(ErrorCode::Internal, error.to_string()))??;
    let owner = request.owner.unwrap_or_else(user_name);
    let new = plan.ticket(&ticket, owner);
    let replaying = context.dispatcher.create(new, Some(staging)).await?;
    Ok(TicketReplaying {
        id: convert::ticket_id(replaying),
    })
}
