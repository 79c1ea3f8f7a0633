//! `repository/diff`: how two states of tickets' repositories differ.

use preflight_protocol::error::RpcError;
use preflight_protocol::repository::{RepositoryChanges, RepositoryDiff};

use super::Context;
use super::repo_state::repositories;

pub(super) async fn handle(context: &Context, request: RepositoryDiff) -> Result<RepositoryChanges, RpcError> {
    let repositories = repositories(context, &[&request.from, &request.to]).await?;
    repositories.diff(request.from, request.to).await
}
