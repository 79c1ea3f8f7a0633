//! `log/list`: where a ticket's logs are.

use preflight_core::{Attempt, JobId, LogName, TicketId};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids;
use preflight_protocol::log::LogInfo;
use preflight_protocol::method::LogList;

use super::{Context, of_ticket};
use crate::convert;

struct Found {
    job: JobId,
    attempt: Attempt,
    name: LogName,
    growing: bool,
}

pub(super) async fn handle(context: &Context, request: LogList) -> Result<Vec<LogInfo>, RpcError> {
    let wanted = request.job.map(|id| JobId(id.0));
    let found = of_ticket(context, request.ticket, move |ticket, _| {
        if wanted.is_some_and(|id| ticket.job(id).is_none()) {
            return None;
        }
        let jobs = ticket.jobs.iter().filter(|job| wanted.is_none_or(|id| id == job.id));
        let logs = jobs.flat_map(|job| {
            job.attempts.iter().map(|record| Found {
                job: job.id,
                attempt: record.attempt,
                name: record.log.clone(),
                growing: record.is_open(),
            })
        });
        Some(logs.collect::<Vec<_>>())
    });
    let found = found.await?.ok_or_else(|| {
        let job = wanted.unwrap_or_default();
        RpcError::new(
            ErrorCode::NotFound,
            format!("ticket {} has no job {job}", request.ticket),
        )
    })?;
    let folder = context.tickets.ticket(TicketId(request.ticket.0));
    let mut logs = Vec::with_capacity(found.len());
    for log in found {
        let path = folder.log(&log.name);
        // Not there yet: its job has just started.
        let size = tokio::fs::metadata(&path).await.map_or(0, |metadata| metadata.len());
        logs.push(LogInfo {
            name: convert::log_name(&log.name),
            job: convert::job_id(log.job),
            attempt: ids::Attempt(log.attempt.0),
            index: folder.index(&log.name),
            path,
            size,
            growing: log.growing,
        });
    }
    Ok(logs)
}
