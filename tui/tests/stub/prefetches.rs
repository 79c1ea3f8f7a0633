//! Prefetching by invented tickets: ticket 2 has all, ticket 3 lacks something, and ticket 1 did not come so far.

use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids::TicketId;
use preflight_protocol::method::{ArchivePrefetch, ArchivePrefetched, Method};
use preflight_protocol::prefetch::{ArchivePrefetching, FileCount, Missing, PrefetchResult};
use serde_json::Value;

use super::{read, write};

pub(super) fn answer(method: &str, params: &Value) -> Option<Result<Value, RpcError>> {
    Some(match method {
        ArchivePrefetch::NAME => read(params.clone()).and_then(|request: ArchivePrefetch| {
            let ticket = match (request.ticket, request.offline) {
                (Some(ticket), _) => ticket,
                (None, true) => TicketId(3),
                (None, false) => TicketId(2),
            };
            write(ArchivePrefetching {
                ticket,
                warnings: vec!["not signed\u{7}".into()],
            })
        }),
        ArchivePrefetched::NAME => read(params.clone()).and_then(|request: ArchivePrefetched| {
            let all = PrefetchResult {
                fetched: FileCount {
                    files: 2,
                    bytes: 117_000,
                },
                ..PrefetchResult::default()
            };
            match request.ticket {
                TicketId(2) => write(all),
                TicketId(3) => write(PrefetchResult {
                    missing: vec![Missing {
                        what: "nosuch".into(),
                        reason: "Unable to locate package nosuch\u{1b}[2J".into(),
                    }],
                    ..all
                }),
                _ => Err(RpcError::new(ErrorCode::NotFound, "it has prefetched nothing")),
            }
        }),
        _ => return None,
    })
}
