//! `ppa/refresh`: take PPAs anew. One that is refused keeps the state that it had.

use preflight_protocol::error::RpcError;
use preflight_protocol::method::PpaRefresh;
use preflight_protocol::ppa::PpaRefreshed;

use super::Context;
use crate::ppas::{self, Refreshing};

pub(super) async fn handle(context: &Context, request: PpaRefresh) -> Result<Vec<PpaRefreshed>, RpcError> {
    let series = request.series.as_deref();
    let asked = Refreshing {
        name: request.name.as_deref().map(ppas::name).transpose()?,
        series: series
            .map(|series| context.services.snapshots.series(Some(series)))
            .transpose()?,
    };
    context.services.ppas.refresh(&context.dispatcher, asked).await
}
