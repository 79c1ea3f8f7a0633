//! `repository/export`: a state of a ticket's repository, as a tree that any host's apt accepts.

use preflight_protocol::error::RpcError;
use preflight_protocol::repository::{ExportedRepository, RepositoryExport};

use super::{Context, of_ticket};
use crate::repositories::Repositories;

pub(super) async fn handle(context: &Context, request: RepositoryExport) -> Result<ExportedRepository, RpcError> {
    of_ticket(context, request.state.ticket, |_, _| ()).await?;
    let repositories = Repositories::new(context.tickets.clone());
    repositories.export(request.state, request.folder, request.uri).await
}
