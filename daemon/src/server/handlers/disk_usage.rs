//! `disk/usage`: what takes the disk.

use preflight_protocol::disk::Usage;
use preflight_protocol::error::RpcError;
use preflight_protocol::method::DiskUsage;

use super::Context;

/// How many of the largest items are listed where nobody says.
const USUAL: u32 = 20;
/// How many are listed at most: an answer is one frame.
const MOST: u32 = 10_000;

pub(super) async fn handle(context: &Context, request: DiskUsage) -> Result<Usage, RpcError> {
    let items = request.items.unwrap_or(USUAL).min(MOST);
    context.services.disk.usage(items as usize).await
}
