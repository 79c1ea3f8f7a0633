//! `ppa/list`: the PPAs that were added, by name.

use preflight_protocol::error::RpcError;
use preflight_protocol::method::PpaList;
use preflight_protocol::ppa::Ppa;

use super::Context;
use crate::convert;

pub(super) async fn handle(context: &Context, _request: PpaList) -> Result<Vec<Ppa>, RpcError> {
    let read = context
        .dispatcher
        .read(|view| view.state.ppas().map(convert::ppa).collect());
    Ok(read.await?)
}
