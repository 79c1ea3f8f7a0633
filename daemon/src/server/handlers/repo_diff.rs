//! `repository/diff`: how two states of tickets' repositories differ.

use preflight_protocol::error::RpcError;
use preflight_protocol::repository::{RepositoryChanges, RepositoryDiff};

use super::{Context, of_ticket};
use crate::repositories::Repositories;

pub(super) async fn handle(context: &Context, request: RepositoryDiff) -> Result<RepositoryChanges, RpcError> {
    of_ticket(context, request.from.ticket, |_, _| ()).await?;
    of_ticket(context, request.to.ticket, |_, _| ()).await?;
    let repositories = Repositories::new(context.tickets.clone());
    repositories.diff(request.from, request.to).await
}
