//! `ticket/rerun`: run one test of a ticket once more, with what its owner has edited.

use preflight_core::TicketId;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids;
use preflight_protocol::method::{TicketRerun, TicketRerunning};

use super::{Context, of_ticket};
use crate::convert;

pub(super) async fn handle(context: &Context, request: TicketRerun) -> Result<TicketRerunning, RpcError> {
    let invalid = |message: String| RpcError::new(ErrorCode::InvalidParams, message);
    // Before anything is copied for a ticket that is not there.
    of_ticket(context, request.ticket, |_, _| ()).await?;
    let (staging, test) = match &request.with {
        None => (None, request.test),
        Some(with) if !with.is_absolute() => return Err(invalid(format!("{with:?} is not an absolute path"))),
        Some(with) => {
            let staged = context.services.intake.stage_rerun(with).await?;
            let test = test_of(request.test, staged.source.as_deref()).map_err(invalid)?;
            (Some(staged.staging), test)
        }
    };
    let ticket = TicketId(request.ticket.0);
    let (job, attempt) = context.dispatcher.rerun(ticket, test, staging).await?;
    Ok(TicketRerunning {
        job: convert::job_id(job),
        attempt: ids::Attempt(attempt.0),
    })
}

/// The test with the name of its source, where that is known.
fn test_of(test: String, staged: Option<&str>) -> Result<String, String> {
    match (test.split_once('/'), staged) {
        (None, Some(source)) => Ok(format!("{source}/{test}")),
        (Some((asked, _)), Some(source)) if asked != source => {
            Err(format!("{test} is a test of {asked}, and the tree is of {source}"))
        }
        _ => Ok(test),
    }
}

#[cfg(test)]
mod tests {
    use super::test_of;

    #[test]
    fn a_tree_says_which_source_is_meant() {
        for (test, staged, expected) in [
            ("upstream", None, Ok("upstream")),
            ("hello/upstream", None, Ok("hello/upstream")),
            ("upstream", Some("hello"), Ok("hello/upstream")),
            ("hello/upstream", Some("hello"), Ok("hello/upstream")),
            ("world/upstream", Some("hello"), Err(())),
        ] {
            let found = test_of(test.to_owned(), staged);
            assert_eq!(found.as_deref().map_err(|_| ()), expected, "{test} {staged:?}");
        }
    }
}
