//! `results/import`: make a ticket of results of tests that others have run, whole or not at all.

use jiff::Timestamp;
use preflight_core::{Moment, Origin};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids::Series;
use preflight_protocol::results::{ResultsImport, ResultsImported};
use preflight_results::{Format, Identity};

use super::Context;
use super::ticket_create::user_name;
use crate::convert;
use crate::transfer::{WantedResults, judged};

pub(super) async fn handle(context: &Context, request: ResultsImport) -> Result<ResultsImported, RpcError> {
    let format = request.format.as_deref().map(str::parse::<Format>).transpose();
    let format = format.map_err(|error| RpcError::new(ErrorCode::InvalidParams, error.to_string()))?;
    let identity = judged(Identity {
        source: request.source,
        version: request.version,
        series: request.series.map(|series| series.0),
        architecture: None,
    })?;
    let wanted = WantedResults {
        place: request.place,
        format,
        identity,
        title: request.title,
        owner: request.owner.unwrap_or_else(user_name),
        now: Moment(Timestamp::now().as_microsecond()),
    };
    let read = context.services.transfer.read_results(wanted).await?;
    let ticket = read.ticket.ticket.clone();
    let Origin::Results(origin) = &read.ticket.origin else {
        return Err(RpcError::new(
            ErrorCode::Internal,
            "results have become a ticket of another machine",
        ));
    };
    let origin = convert::results_origin(origin);
    let number = context.dispatcher.import(read.ticket, read.staging).await?;
    let subticket = ticket.subtickets.first();
    let of = |text: Option<&String>| text.cloned().unwrap_or_default();
    Ok(ResultsImported {
        ticket: convert::ticket_id(number),
        origin,
        source: of(subticket.map(|subticket| &subticket.source)),
        version: of(subticket.map(|subticket| &subticket.version)),
        series: Series(ticket.series.0.clone()),
        tests: ticket.tests.len() as u64,
        exit_code: ticket.end.as_ref().map_or(0, |end| end.exit_code.code()),
        warnings: ticket.warnings.clone(),
    })
}
