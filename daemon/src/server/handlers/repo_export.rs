//! `repository/export`: a state of a ticket's repository, as a tree that any host's apt accepts.

use preflight_protocol::error::RpcError;
use preflight_protocol::repository::{ExportedRepository, RepositoryExport};

use super::Context;
use super::repo_state::repositories;

pub(super) async fn handle(context: &Context, request: RepositoryExport) -> Result<ExportedRepository, RpcError> {
    let repositories = repositories(context, &[&request.state]).await?;
    repositories.export(request.state, request.folder, request.uri).await
}
