//! `ppa/add`: fetch and verify PPAs for one series, and add them.

use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::PpaAdd;
use preflight_protocol::ppa::Ppa;

use super::{Context, ppa_show};

pub(super) async fn handle(context: &Context, request: PpaAdd) -> Result<Vec<Ppa>, RpcError> {
    if let Some(relative) = request.key.as_ref().filter(|key| !key.is_absolute()) {
        let message = format!("the key file {relative:?} is not an absolute path");
        return Err(RpcError::new(ErrorCode::InvalidParams, message));
    }
    let series = context.services.snapshots.series(request.series.as_deref())?;
    let names = context.services.ppas.add(&context.dispatcher, &series, request).await?;
    let mut added = Vec::new();
    for name in names {
        added.push(ppa_show::named(context, name).await?);
    }
    Ok(added)
}
