//! `disk/free`: free disk, or say what would go.

use preflight_protocol::disk::Freed;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::DiskFree;

use super::Context;

pub(super) async fn handle(context: &Context, request: DiskFree) -> Result<Freed, RpcError> {
    if request.all && request.to.is_some() {
        return Err(RpcError::new(
            ErrorCode::InvalidParams,
            "either all that may go is freed, or as much as is said",
        ));
    }
    context.services.disk.free(request).await
}
