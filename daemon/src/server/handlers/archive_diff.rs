//! `archive/diff`: what differs between two snapshots.

use preflight_protocol::archive::{ArchiveDiff, SnapshotDiff};
use preflight_protocol::error::RpcError;

use super::Context;

pub(super) async fn handle(context: &Context, request: ArchiveDiff) -> Result<SnapshotDiff, RpcError> {
    context.services.snapshots.diff(&request.from, &request.to).await
}
