//! `pool/list`: the repositories of the PPA pool.

use preflight_protocol::error::RpcError;
use preflight_protocol::method::PoolList;
use preflight_protocol::pool::PoolRepository;

use super::Context;
use crate::convert;

pub(super) async fn handle(context: &Context, _: PoolList) -> Result<Vec<PoolRepository>, RpcError> {
    let pool = context.dispatcher.read(|view| {
        let pool = view.state.pool();
        pool.map(convert::pool_repository).collect()
    });
    Ok(pool.await?)
}
