//! Replays of invented tickets: each is its own replay. That of ticket 2 agrees, all others differ.

use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids::TicketId;
use preflight_protocol::job::JobKind;
use preflight_protocol::method::{Method, TicketAgreement, TicketReplay};
use preflight_protocol::replay::{
    Agreement, AgreementCounts, Difference, DifferenceKind, JobLabel, ReplayOf, TicketReplaying,
};
use serde_json::Value;

use super::{read, write};

/// A ticket that lacks something.
const LACKING: TicketId = TicketId(99);

fn label() -> JobLabel {
    JobLabel {
        kind: JobKind::Test,
        source: Some("hello\u{1b}[31m".into()),
    }
}

fn agreement(ticket: TicketId) -> Agreement {
    let agrees = ticket == TicketId(2);
    let difference = |what, text: &str| Difference {
        job: label(),
        what,
        text: text.into(),
    };
    let differences = vec![
        difference(DifferenceKind::Test, "test upstream: FAIL, was PASS\u{7}"),
        difference(
            DifferenceKind::Package,
            "hello_2.10-3_amd64.deb differs: 0202, was 0101",
        ),
    ];
    Agreement {
        ticket,
        replay_of: ReplayOf {
            ticket,
            job: (!agrees).then(label),
        },
        agrees,
        same_results: agrees,
        same: AgreementCounts {
            jobs: 3,
            tests: 1,
            packages: 0,
            files: 84,
        },
        differences: if agrees { vec![] } else { differences },
    }
}

pub(super) fn answer(method: &str, params: &Value) -> Option<Result<Value, RpcError>> {
    Some(match method {
        TicketReplay::NAME => read::<TicketReplay>(params.clone()).and_then(|request| {
            if request.ticket == LACKING {
                let error = RpcError::new(ErrorCode::Conflict, "the lock of ticket 99 names what is gone");
                return Err(error.with_hint("`preflight archive prefetch --ticket 99`"));
            }
            write(TicketReplaying { id: request.ticket })
        }),
        TicketAgreement::NAME => {
            read::<TicketAgreement>(params.clone()).and_then(|request| write(agreement(request.ticket)))
        }
        _ => return None,
    })
}
