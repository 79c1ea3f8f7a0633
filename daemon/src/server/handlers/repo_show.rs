//! `repository/show`: one state of a ticket's repository.

use preflight_protocol::error::RpcError;
use preflight_protocol::repository::{Generation, RepositoryShow};

use super::{Context, of_ticket};
use crate::repositories::Repositories;

pub(super) async fn handle(context: &Context, request: RepositoryShow) -> Result<Generation, RpcError> {
    of_ticket(context, request.state.ticket, |_, _| ()).await?;
    Repositories::new(context.tickets.clone()).show(request.state).await
}
