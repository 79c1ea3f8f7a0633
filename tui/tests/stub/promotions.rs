//! Invented links and an invented pool.

use std::path::PathBuf;

use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids::{Moment, Sha256, TicketId};
use preflight_protocol::method::{self, Method};
use preflight_protocol::pool::{PoolRepository, PoolState};
use preflight_protocol::promotion::{LinkInfo, LinkMove, LinkStanding, Missing, Promoted, RepositoryState};
use preflight_protocol::repository::{GenerationSummary, Repository};
use serde_json::Value;

use super::{read, write};

fn state(ticket: u64) -> RepositoryState {
    RepositoryState {
        ticket: TicketId(ticket),
        generation: Sha256(format!("{ticket:02x}").repeat(32)),
    }
}

fn missing() -> Vec<Missing> {
    vec![Missing {
        wanted: "test of hello on debian-bookworm with pass".into(),
        found: "that of ticket 3 has fail (upstream\u{1b}[31m)".into(),
    }]
}

fn links(now: Moment) -> Vec<LinkInfo> {
    let step = |from: Option<u64>, to: u64, rollback, why: Option<&str>| LinkMove {
        link: "tested".into(),
        from: from.map(state),
        to: Some(state(to)),
        rollback,
        by: "jane".into(),
        why: why.map(str::to_owned),
        at: now,
    };
    let link = |name: &str, points_at: Option<u64>, moves| LinkInfo {
        name: name.into(),
        points_at: points_at.map(state),
        criteria: None,
        fault: None,
        moves,
    };
    vec![
        link("consistent", None, vec![]),
        LinkInfo {
            criteria: Some(PathBuf::from("/config/promotions/own.toml")),
            fault: Some("/config/promotions/own.toml:2:1: unknown field `except`".into()),
            ..link("own", None, vec![])
        },
        link(
            "tested",
            Some(1),
            vec![
                step(Some(2), 1, true, None),
                step(Some(1), 2, false, Some("for the \u{1b}[31mdemo")),
                step(None, 1, false, None),
            ],
        ),
    ]
}

/// None for requests about something else.
pub(super) fn answer(name: &str, params: &Value, now: Moment) -> Option<Result<Value, RpcError>> {
    let promoted = |link: String, ticket: u64, missing: Vec<Missing>, moved| Promoted {
        link,
        ticket: Some(TicketId(ticket)),
        from: Some(state(1)),
        to: Some(state(ticket)),
        moved,
        hint: (!missing.is_empty()).then(|| "`preflight results 3` shows what failed".to_owned()),
        missing,
    };
    let params = params.clone();
    Some(match name {
        method::Promote::NAME => read(params).and_then(|request: method::Promote| {
            let ticket = request.ticket.map_or(2, |ticket| ticket.0);
            let missing = if ticket == 3 { missing() } else { vec![] };
            let moved = missing.is_empty() && !request.dry_run && ticket != 1;
            write(promoted(request.link, ticket, missing, moved))
        }),
        method::RollBack::NAME => read(params).and_then(|request: method::RollBack| {
            write(Promoted {
                to: None,
                ..promoted(request.link, 1, vec![], !request.dry_run)
            })
        }),
        method::PromotionList::NAME => read(params).and_then(|request: method::PromotionList| {
            let mut links = links(now);
            links.retain(|link| request.link.as_ref().is_none_or(|name| link.name == *name));
            if links.is_empty() {
                return Err(RpcError::new(ErrorCode::NotFound, "there is no such link"));
            }
            write(links)
        }),
        method::PromotionCheck::NAME => {
            let standing = |link: &str, points_here, missing| LinkStanding {
                link: link.into(),
                points_here,
                missing,
                fault: None,
            };
            write(vec![
                standing("consistent", true, vec![]),
                standing("tested", false, missing()),
            ])
        }
        method::RepositoryList::NAME => write(vec![Repository {
            ticket: TicketId(3),
            title: "hello".into(),
            folder: PathBuf::from("/state/tickets/3/repository"),
            generations: vec![GenerationSummary {
                generation: state(3).generation,
                published_at: now,
                by: "build of hello".into(),
                current: true,
                packages: 2,
                size: 4000,
            }],
        }]),
        method::PoolList::NAME | method::PoolGrow::NAME | method::PoolRelease::NAME => {
            let one = |number: u32, state, ticket: Option<u64>| PoolRepository {
                name: format!("pool/{number:02}"),
                state,
                ticket: ticket.map(TicketId),
                since: now,
            };
            write(vec![
                one(1, PoolState::Reserved, Some(3)),
                one(2, PoolState::Dirty, None),
                one(3, PoolState::Cleaning, None),
                one(4, PoolState::Free, None),
            ])
        }
        _ => return None,
    })
}
