//! `results/export`: write what came of a ticket's tests, in the format of others.

use preflight_core::{JobId, TicketId};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::result_export::{ResultsExport, ResultsExported};

use super::{Context, of_ticket};
use crate::result_export::{ExportFailure, Wanted, gather, write};

pub(super) async fn handle(context: &Context, request: ResultsExport) -> Result<ResultsExported, RpcError> {
    let ResultsExport {
        ticket: id,
        format,
        source,
        job,
        output,
    } = request;
    if !output.is_absolute() {
        let message = format!("the output {output:?} is not an absolute path");
        return Err(RpcError::new(ErrorCode::InvalidParams, message));
    }
    let wanted = Wanted {
        source,
        job: job.map(|job| JobId(job.0)),
    };
    let ticket = of_ticket(context, id, |ticket, _| ticket.clone()).await?;
    if wanted.jobs(&ticket).next().is_none() {
        let of = match (&wanted.source, wanted.job) {
            (Some(source), _) => format!(" of a source {source}"),
            (None, Some(job)) => format!(" by a job {job}"),
            (None, None) => String::new(),
        };
        let message = format!("ticket {id} has no tests{of}");
        return Err(RpcError::new(ErrorCode::NotFound, message)
            .with_hint(format!("`preflight ticket show {id}` names its jobs")));
    }
    if wanted.jobs(&ticket).any(|job| job.is_open() || !job.state.is_final()) {
        let message = format!("the tests of ticket {id} have not ended");
        return Err(RpcError::new(ErrorCode::Conflict, message).with_hint(format!(
            "`preflight results {id} --format subunit --follow` prints them as they come"
        )));
    }
    let folder = context.tickets.ticket(TicketId(id.0));
    let writing = tokio::task::spawn_blocking(move || {
        let architecture = preflight_vm_images::host_architecture();
        let architecture = architecture.as_ref().map_or("unknown", |name| name.as_str());
        let runs = gather(&ticket, &folder, &wanted, architecture);
        let sources = runs.iter().map(|run| run.source.clone()).collect();
        let written = write(&runs, format, &output)?;
        Ok(ResultsExported {
            output,
            sources,
            files: written.files,
            size: written.size,
            notes: written.notes,
        })
    });
    let written = writing
        .await
        .map_err(|error| RpcError::new(ErrorCode::Internal, error.to_string()))?;
    written.map_err(|failure: ExportFailure| {
        let message = format!("the results of ticket {id} cannot be written: {failure}");
        match failure {
            ExportFailure::Several(_) => {
                RpcError::new(ErrorCode::InvalidParams, message).with_hint("name one with --source")
            }
            ExportFailure::Occupied { .. } => {
                RpcError::new(ErrorCode::InvalidParams, message).with_hint("name another place with -o")
            }
            ExportFailure::Io { .. } => RpcError::new(ErrorCode::Internal, message),
        }
    })
}
