//! `lock/show`: what a ticket's jobs have started from, and what they have fetched.

use std::collections::BTreeMap;

use preflight_core::{JobId, LockEntry, LockHead, Ticket, TicketId};
use preflight_protocol::archive::Lock;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::LockShow;

use super::{Context, of_ticket};
use crate::convert;

pub(super) async fn handle(context: &Context, request: LockShow) -> Result<Vec<Lock>, RpcError> {
    let asked = |ticket: &Ticket| (ticket.options.sources.clone(), ticket.is_of_results());
    let (sources, is_of_results) = of_ticket(context, request.ticket, move |ticket, _| asked(ticket)).await?;
    if is_of_results {
        let message = format!(
            "ticket {} was made of results that others have, which do not tell what was fetched",
            request.ticket
        );
        let hint = "the packages of its testbed may be among the files of its tests: testbed-packages";
        return Err(RpcError::new(ErrorCode::Conflict, message).with_hint(hint));
    }
    let (id, store) = (TicketId(request.ticket.0), context.dispatcher.store());
    let internal = |error: preflight_store::StoreError| RpcError::new(ErrorCode::Internal, error.to_string());
    let mut locks: BTreeMap<JobId, (Option<LockHead>, Vec<LockEntry>)> = BTreeMap::new();
    for (job, entries) in store.locks(id).await.map_err(internal)? {
        locks.entry(job).or_default().1 = entries;
    }
    for (job, head) in store.lock_heads(id).await.map_err(internal)? {
        locks.entry(job).or_default().0 = Some(head);
    }
    let lock =
        |(job, (head, entries)): (JobId, (Option<LockHead>, _))| convert::lock(job, head.as_ref(), entries, &sources);
    let wanted = |job: &JobId| request.job.is_none_or(|wanted| wanted.0 == job.0);
    Ok(locks.into_iter().filter(|(job, _)| wanted(job)).map(lock).collect())
}
