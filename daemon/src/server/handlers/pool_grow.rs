//! `pool/grow`: add repositories to the PPA pool.

use preflight_core::Command;
use preflight_core::pool::PoolCommand;
use preflight_protocol::error::RpcError;
use preflight_protocol::method::{PoolGrow, PoolList};
use preflight_protocol::pool::PoolRepository;

use super::{Context, pool_list};

pub(super) async fn handle(context: &Context, request: PoolGrow) -> Result<Vec<PoolRepository>, RpcError> {
    let command = PoolCommand::Grow { by: request.by };
    context.dispatcher.command(Command::Pool(command)).await?;
    pool_list::handle(context, PoolList {}).await
}
