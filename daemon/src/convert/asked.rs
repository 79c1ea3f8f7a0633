//! What clients ask for, in the daemon's own words, and why it is refused, in theirs.

use std::time::Duration;

use preflight_core as core;
use preflight_protocol as wire;
use preflight_protocol::error::{ErrorCode, RpcError};

/// The options of a ticket that is to be made.
pub(crate) fn options(request: &wire::method::TicketCreate) -> core::Options {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    core::Options {
        add_packages: request.add_packages.clone(),
        remove_packages: request.remove_packages.clone(),
        // Resolved by whoever knows the archive.
        sources: core::PackageSources::default(),
        rebuild: None,
        offline: request.offline,
        test_timeout: request.test_timeout_s.map(seconds),
        build_timeout: request.build_timeout_s.map(seconds),
        keep_going: request.keep_going,
        keep_failed: match request.keep_failed {
            wire::ticket::KeepFailed::Never => core::KeepFailed::Never,
            wire::ticket::KeepFailed::Newest => core::KeepFailed::Newest,
            wire::ticket::KeepFailed::Always => core::KeepFailed::Always,
        },
        priority: match request.priority {
            wire::ticket::Priority::Interactive => core::Priority::Interactive,
            wire::ticket::Priority::Normal => core::Priority::Normal,
            wire::ticket::Priority::Background => core::Priority::Background,
        },
        pool_repositories: request.pool.into(),
        // Judged by whoever can refuse them.
        tests: core::TestOptions::default(),
        replay_of: None,
    }
}

/// A refusal as clients are told of it.
pub(crate) fn refusal(refusal: &core::Refusal) -> RpcError {
    use core::Refusal;
    let code = match refusal {
        Refusal::Link(refusal) => return super::promotions::link_refusal(refusal),
        Refusal::Pool(refusal) => return super::promotions::pool_refusal(refusal),
        Refusal::Ppa(refusal) => return super::ppa_refusal(refusal),
        Refusal::NoTicket(_) | Refusal::NoJob(_) | Refusal::NoTest(..) => ErrorCode::NotFound,
        Refusal::NothingToDo | Refusal::BadOrder { .. } | Refusal::Ambiguous { .. } => ErrorCode::InvalidParams,
        Refusal::NothingBuilt(_)
        | Refusal::Ended(_)
        | Refusal::Active(_)
        | Refusal::Kept(_)
        | Refusal::NoImage(_)
        | Refusal::OnlyResults(_)
        | Refusal::NoSources(_)
        | Refusal::NotKept(..)
        | Refusal::NotWaiting(..)
        | Refusal::NotReady(..)
        | Refusal::Stale(..)
        | Refusal::InUse(..)
        | Refusal::HasChild(..)
        | Refusal::TooMany(..) => ErrorCode::Conflict,
    };
    let error = RpcError::new(code, refusal.to_string());
    match refusal {
        Refusal::Active(ticket) => error.with_hint(format!("`preflight ticket cancel {ticket}` ends it")),
        Refusal::Kept(ticket) => error.with_hint(format!("`preflight ticket unkeep {ticket}` gives it free")),
        Refusal::NoSources(_) => error.with_hint("check them again: a rerun runs in their tree"),
        Refusal::OnlyResults(_) => error.with_hint("check the source package itself: `preflight check`"),
        Refusal::NoImage(_) => error.with_hint("check the sources again: the image is made after their builds"),
        Refusal::NoTest(ticket, _) => error.with_hint(format!("`preflight ticket show {ticket}` names its tests")),
        Refusal::Ambiguous { test, sources, .. } => {
            let source = sources.first().map(String::as_str).unwrap_or_default();
            error.with_hint(format!("name one of them: {source}/{test}"))
        }
        _ => error,
    }
}
