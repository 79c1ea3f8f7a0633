//! `archive/show`: one snapshot.

use preflight_protocol::archive::{ArchiveShow, ArchiveSnapshot};
use preflight_protocol::error::RpcError;

use super::Context;
use super::archive_list::users;
use crate::convert;

pub(super) async fn handle(context: &Context, request: ArchiveShow) -> Result<ArchiveSnapshot, RpcError> {
    let mut snapshot = context.services.snapshots.show(&request.name).await?;
    let mut users = context.dispatcher.read(|view| users(view.state, |_| true)).await?;
    let tickets = users.remove(&snapshot.name).unwrap_or_default();
    snapshot.users = tickets.into_iter().map(convert::ticket_id).collect();
    Ok(snapshot)
}
