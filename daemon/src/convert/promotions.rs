//! Links and the PPA pool as clients are told of them.

use preflight_core as core;
use preflight_core::pool::{PoolRefusal, PoolRepository, PoolState};
use preflight_core::promotion::{Found, Link, LinkMove, LinkRefusal, MissingCriterion, RepositoryState, Wanted};
use preflight_protocol as wire;
use preflight_protocol::error::{ErrorCode, RpcError};

use super::{digest, moment, ticket_id};

pub(crate) fn repository_state(state: RepositoryState) -> wire::promotion::RepositoryState {
    wire::promotion::RepositoryState {
        ticket: ticket_id(state.ticket),
        generation: digest(state.generation),
    }
}

pub(crate) fn link_move(step: &LinkMove) -> wire::promotion::LinkMove {
    wire::promotion::LinkMove {
        link: step.link.to_string(),
        from: step.from.map(repository_state),
        to: step.to.map(repository_state),
        rollback: step.rollback,
        by: step.by.clone(),
        why: step.why.clone(),
        at: moment(step.at),
    }
}

/// A link's moves, the newest first.
pub(crate) fn history(link: &Link) -> Vec<wire::promotion::LinkMove> {
    link.moves().iter().rev().map(link_move).collect()
}

pub(crate) fn missing(missing: &[MissingCriterion]) -> Vec<wire::promotion::Missing> {
    let one = |criterion: &MissingCriterion| wire::promotion::Missing {
        wanted: criterion.wanted.to_string(),
        found: criterion.found.to_string(),
    };
    missing.iter().map(one).collect()
}

/// What to do about a criterion that is not met.
pub(crate) fn advice(missing: &[MissingCriterion]) -> Option<String> {
    missing
        .iter()
        .find_map(|criterion| match (&criterion.wanted, &criterion.found) {
            (Wanted::Link(link), _) => Some(format!("`preflight promote {link}` comes first")),
            (_, Found::State(ticket, core::JobState::Queued | core::JobState::Running)) => {
                Some(format!("`preflight status {ticket}` says how far it is"))
            }
            (Wanted::Job { series, .. }, Found::NoTicket) => Some(format!(
                "`preflight check --series {series}` checks the same sources there"
            )),
            (_, Found::Outcome { ticket, .. }) => Some(format!("`preflight results {ticket}` shows what failed")),
            _ => None,
        })
}

pub(crate) fn pool_repository(repository: &PoolRepository) -> wire::pool::PoolRepository {
    wire::pool::PoolRepository {
        name: repository.number.to_string(),
        state: match repository.state {
            PoolState::Free => wire::pool::PoolState::Free,
            PoolState::Reserved(_) => wire::pool::PoolState::Reserved,
            PoolState::Dirty => wire::pool::PoolState::Dirty,
            PoolState::Cleaning => wire::pool::PoolState::Cleaning,
        },
        ticket: repository.state.holder().map(ticket_id),
        since: moment(repository.since),
    }
}

/// A link's refusal as clients are told of it.
pub(super) fn link_refusal(refusal: &LinkRefusal) -> RpcError {
    let code = match refusal {
        LinkRefusal::NoLink(_) => ErrorCode::NotFound,
        LinkRefusal::NothingBefore(_)
        | LinkRefusal::Gone { .. }
        | LinkRefusal::Missing { .. }
        | LinkRefusal::PointsAt { .. } => ErrorCode::Conflict,
    };
    let error = RpcError::new(code, refusal.to_string());
    match refusal {
        LinkRefusal::NoLink(_) | LinkRefusal::NothingBefore(_) => {
            error.with_hint("`preflight promotions` lists the links and where they point")
        }
        LinkRefusal::Gone { link, .. } => {
            error.with_hint(format!("`preflight promote {link} TICKET` moves it forward"))
        }
        LinkRefusal::Missing { missing, .. } => match advice(missing) {
            Some(hint) => error.with_hint(hint),
            None => error,
        },
        LinkRefusal::PointsAt { link, .. } => error.with_hint(format!(
            "`preflight promote {link} TICKET` moves it to another, `preflight promote {link} --rollback` back"
        )),
    }
}

/// The pool's refusal as clients are told of it.
pub(super) fn pool_refusal(refusal: &PoolRefusal) -> RpcError {
    let code = match refusal {
        PoolRefusal::NoRepository(_) => ErrorCode::NotFound,
        PoolRefusal::TooManyForOne(_) | PoolRefusal::TooMany(_) => ErrorCode::InvalidParams,
        PoolRefusal::Illegal { .. } | PoolRefusal::TooSmall { .. } | PoolRefusal::Running { .. } => ErrorCode::Conflict,
    };
    let error = RpcError::new(code, refusal.to_string());
    match refusal {
        PoolRefusal::NoRepository(_) | PoolRefusal::Illegal { .. } => {
            error.with_hint("`preflight ppa pool list` shows what there is")
        }
        PoolRefusal::TooSmall { .. } => error.with_hint("`preflight ppa pool grow 1` adds one"),
        PoolRefusal::Running { ticket, .. } => error.with_hint(format!("`preflight ticket cancel {ticket}` ends it")),
        PoolRefusal::TooManyForOne(_) | PoolRefusal::TooMany(_) => error,
    }
}
