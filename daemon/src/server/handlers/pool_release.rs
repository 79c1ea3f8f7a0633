//! `pool/release`: take a repository of the PPA pool from a ticket, and have it cleaned.

use preflight_core::Command;
use preflight_core::pool::{PoolCommand, PoolNumber};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::{PoolList, PoolRelease};
use preflight_protocol::pool::PoolRepository;

use super::{Context, pool_list};

pub(super) async fn handle(context: &Context, request: PoolRelease) -> Result<Vec<PoolRepository>, RpcError> {
    let number: PoolNumber = request
        .name
        .parse()
        .map_err(|error: preflight_core::pool::PoolNumberError| {
            RpcError::new(ErrorCode::InvalidParams, error.to_string())
                .with_hint("`preflight ppa pool list` shows what there is")
        })?;
    let command = PoolCommand::Release { number };
    context.dispatcher.command(Command::Pool(command)).await?;
    pool_list::handle(context, PoolList {}).await
}
