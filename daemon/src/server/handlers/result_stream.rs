//! `result/stream`: where the subunit v2 streams of a ticket's test jobs are.

use preflight_core::{JobId, JobKind, TicketId};
use preflight_protocol::error::RpcError;
use preflight_protocol::method::{ResultStream, ResultStreamFile};

use super::{Context, of_ticket};
use crate::convert;

pub(super) async fn handle(context: &Context, request: ResultStream) -> Result<Vec<ResultStreamFile>, RpcError> {
    let jobs = of_ticket(context, request.ticket, |ticket, _| {
        let tests = ticket
            .jobs
            .iter()
            .filter(|job| job.kind == JobKind::Test && job.rerun.is_none() && !job.attempts.is_empty());
        tests.map(|job| job.id).collect::<Vec<JobId>>()
    });
    let folder = context.tickets.ticket(TicketId(request.ticket.0));
    let mut streams = Vec::new();
    for job in jobs.await? {
        let path = folder.result_stream(job);
        // Not there yet: its first test has just started.
        let size = tokio::fs::metadata(&path).await.map_or(0, |metadata| metadata.len());
        streams.push(ResultStreamFile {
            job: convert::job_id(job),
            path,
            size,
        });
    }
    Ok(streams)
}
