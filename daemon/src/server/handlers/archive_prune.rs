//! `archive/prune`: snapshots that nobody needs are forgotten. Those that a kept ticket, or one for which something is still
//! to be done, is pinned to stay.

use preflight_protocol::archive::{ArchivePrune, ArchivePruned, SnapshotStays};
use preflight_protocol::error::RpcError;

use super::Context;
use super::archive_list::users;

pub(super) async fn handle(context: &Context, request: ArchivePrune) -> Result<ArchivePruned, RpcError> {
    let needed = context
        .dispatcher
        .read(|view| users(view.state, |ticket| ticket.kept || ticket.is_active()))
        .await?;
    let snapshots = &context.services.snapshots;
    let before = snapshots.list(None).await?;
    let named = needed.keys().cloned().collect();
    let gone = snapshots.prune(named, request.keep as usize, request.dry_run).await?;
    let stay = before.into_iter().filter(|snapshot| !gone.contains(&snapshot.name));
    let stay = stay
        .map(|snapshot| SnapshotStays {
            why: match needed.get(&snapshot.name).and_then(|tickets| tickets.first()) {
                Some(ticket) => format!("ticket #{ticket} is pinned to it"),
                None => format!("one of the newest of {}", snapshot.series),
            },
            name: snapshot.name,
        })
        .collect();
    Ok(ArchivePruned { gone, stay })
}
