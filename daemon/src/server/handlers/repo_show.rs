//! `repository/show`: one state of a ticket's repository.

use preflight_protocol::error::RpcError;
use preflight_protocol::repository::{Generation, RepositoryShow};

use super::Context;
use super::repo_state::repositories;

pub(super) async fn handle(context: &Context, request: RepositoryShow) -> Result<Generation, RpcError> {
    let repositories = repositories(context, &[&request.state]).await?;
    repositories.show(request.state).await
}
