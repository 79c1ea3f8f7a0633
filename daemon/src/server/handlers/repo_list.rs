//! `repository/list`: what tickets have built, in every state.

use preflight_protocol::error::RpcError;
use preflight_protocol::repository::{Repository, RepositoryList};

use super::repo_state::repositories;
use super::{Context, of_ticket};

pub(super) async fn handle(context: &Context, request: RepositoryList) -> Result<Vec<Repository>, RpcError> {
    let tickets = match request.ticket {
        Some(id) => vec![of_ticket(context, id, |ticket, _| (ticket.id, ticket.title.clone())).await?],
        None => {
            let read = context.dispatcher.read(|view| {
                let tickets = view.state.tickets().rev();
                tickets.map(|ticket| (ticket.id, ticket.title.clone())).collect()
            });
            read.await?
        }
    };
    repositories(context, &[]).await?.list(tickets).await
}
