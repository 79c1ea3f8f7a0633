//! `ticket/update`: change a ticket's own fields, and queue one that waits.

use preflight_core::{Command, Edit, TicketId};
use preflight_protocol::error::RpcError;
use preflight_protocol::method::TicketUpdate;
use preflight_protocol::ticket::TicketSummary;

use super::{Context, summary_of};

pub(super) async fn handle(context: &Context, request: TicketUpdate) -> Result<TicketSummary, RpcError> {
    let TicketUpdate {
        id,
        title,
        description,
        bug,
        owner,
        queue,
        keep,
    } = request;
    let edit = Edit {
        title,
        description,
        bug,
        owner,
        kept: keep,
    };
    context
        .dispatcher
        .command(Command::Update {
            ticket: TicketId(id.0),
            edit,
            queue,
        })
        .await?;
    summary_of(context, id).await
}
