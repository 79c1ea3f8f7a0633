//! `daemon/stop`: stop gracefully. The answer comes at once; the connection's end says that it has stopped.

use preflight_protocol::error::RpcError;
use preflight_protocol::method::{Empty, Stop};

use super::Context;

pub(super) async fn handle(context: &Context, _: Stop) -> Result<Empty, RpcError> {
    tracing::info!("a client has asked to stop");
    context.stop.cancel();
    Ok(Empty {})
}
