//! `ticket/baseline`: run tests of a ticket without the change, as far as that was not done.

use preflight_core::{BaselineTests, Command, JobState, Purpose, TicketId};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::TicketBaseline;
use preflight_protocol::verdict::TicketBaselining;

use super::{Context, of_ticket};
use crate::convert;

pub(super) async fn handle(context: &Context, request: TicketBaseline) -> Result<TicketBaselining, RpcError> {
    let tests = match (request.tests.is_empty(), request.all) {
        (true, false) => BaselineTests::Failed,
        (true, true) => BaselineTests::All,
        (false, false) => BaselineTests::Named(request.tests),
        (false, true) => {
            let error = RpcError::new(ErrorCode::InvalidParams, "all tests are asked for, and some by name");
            return Err(error.with_hint("leave out one of the two"));
        }
    };
    let command = Command::Baseline {
        ticket: TicketId(request.ticket.0),
        tests,
    };
    context.dispatcher.command(command).await?;
    let jobs = of_ticket(context, request.ticket, |ticket, _| {
        let is_baseline = |job: &&preflight_core::Job| {
            let rerun = job.rerun.as_ref();
            rerun.is_some_and(|rerun| rerun.purpose == Purpose::Baseline)
        };
        let unfinished = |job: &&preflight_core::Job| matches!(job.state, JobState::Queued | JobState::Running);
        let jobs = ticket.jobs.iter().filter(is_baseline).filter(unfinished);
        jobs.map(|job| convert::job_id(job.id)).collect()
    });
    Ok(TicketBaselining { jobs: jobs.await? })
}
