//! `ppa/remove`: forget a PPA. Tickets keep what they have of it.

use preflight_protocol::error::RpcError;
use preflight_protocol::method::{Empty, PpaRemove};

use super::Context;
use crate::ppas;

pub(super) async fn handle(context: &Context, request: PpaRemove) -> Result<Empty, RpcError> {
    let name = ppas::name(&request.name)?;
    context.services.ppas.remove(&context.dispatcher, &name).await?;
    Ok(Empty {})
}
