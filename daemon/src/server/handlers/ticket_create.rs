//! `ticket/create`: have the sources examined, then make a ticket of them. Nothing is stored before all is in order.

use preflight_core::{BaselinePolicy, NewSubticket, NewTicket, Preparation, TicketId, TicketStatus};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::{TicketCreate, TicketCreated};

use super::{Context, mounted_repositories, package_sources};
use crate::convert;
use crate::services::ExaminedSource;

pub(super) async fn handle(context: &Context, request: TicketCreate) -> Result<TicketCreated, RpcError> {
    if request.sources.is_empty() {
        let error = RpcError::new(ErrorCode::InvalidParams, "no source is given");
        return Err(error.with_hint("name folders with debian/, .dsc files or _source.changes files"));
    }
    if let Some(relative) = request.sources.iter().find(|source| !source.is_absolute()) {
        let message = format!("the source {relative:?} is not an absolute path");
        return Err(RpcError::new(ErrorCode::InvalidParams, message));
    }
    let owner = request.owner.clone().unwrap_or_else(user_name);
    let tests = convert::test_options::asked(&request.tests)?;
    if tests.no_build {
        builds_nothing(request.pool, "a repository of the PPA pool")?;
        builds_nothing(tests.baseline != BaselinePolicy::Never, "a baseline")?;
    }
    let examined = context.services.intake.examine(&request, &owner).await?;
    let missing = context.services.images.missing(&examined.series).await?;
    let titles = examined
        .sources
        .iter()
        .map(|source| format!("{} {}", source.name, source.version));
    let mut options = convert::options(&request);
    options.sources = package_sources::resolve(context, &examined.series, &request.package_sources).await?;
    options.tests = tests;
    mounted_repositories::give(context, &options.sources, &examined.staging, None).await?;
    let new = NewTicket {
        title: request.title.unwrap_or_else(|| titles.collect::<Vec<_>>().join(", ")),
        description: request.description.unwrap_or_default(),
        bug: request.bug,
        owner,
        series: examined.series,
        options,
        subtickets: examined.sources.into_iter().map(subticket).collect(),
        preparation: missing.then_some(Preparation::BaseImage),
        wait: request.wait,
        warnings: examined.warnings.clone(),
    };
    let id = context.dispatcher.create(new, Some(examined.staging)).await?;
    let mut warnings = examined.warnings;
    if awaits_pool(context, id).await? {
        warnings.push("no repository of the PPA pool is free: the ticket waits in the queue for one".to_owned());
    }
    Ok(TicketCreated {
        id: convert::ticket_id(id),
        warnings,
    })
}

/// Refuses what makes no sense of a ticket that builds nothing.
fn builds_nothing(is_asked: bool, what: &str) -> Result<(), RpcError> {
    if !is_asked {
        return Ok(());
    }
    let message = format!("a ticket that builds nothing has no use for {what}");
    let error = RpcError::new(ErrorCode::InvalidParams, message);
    Err(error.with_hint("its tests run with the archive's packages: leave out one of the two"))
}

async fn awaits_pool(context: &Context, id: TicketId) -> Result<bool, RpcError> {
    let awaits = context.dispatcher.read(move |view| {
        let ticket = view.state.ticket(id);
        ticket.is_some_and(|ticket| ticket.status == TicketStatus::Queued && view.state.awaits_pool(ticket))
    });
    Ok(awaits.await?)
}

fn subticket(source: ExaminedSource) -> NewSubticket {
    NewSubticket {
        source: source.name,
        version: source.version,
        origin: source.origin,
        signature: source.signature,
        staged: source.staged,
        needs_source_package: source.needs_source_package,
        build_after: source.build_after,
    }
}

/// Peers are of the daemon's own user.
pub(super) fn user_name() -> String {
    let uid = nix::unistd::geteuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}
