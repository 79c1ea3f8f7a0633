//! Finds the states of other tickets' repositories that a request names, and gives what is staged their files: from then on
//! they are the new ticket's own.

use std::path::PathBuf;

use preflight_core::promotion::{Link, LinkName};
use preflight_core::{PackageSources, RepositoryUse, Series, Sha256, TicketId};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::package_sources::AskedRepository;
use preflight_protocol::repository::RepositoryState;

use super::{Context, of_ticket, promotion_list};
use crate::convert;
use crate::repositories::Repositories;
use crate::staging::Staging;

/// The state that is meant.
pub(super) async fn resolve(
    context: &Context,
    series: &Series,
    asked: &AskedRepository,
) -> Result<RepositoryUse, RpcError> {
    let (ticket, generation, link) = match asked {
        AskedRepository::Ticket { ticket, generation } => (TicketId(ticket.0), generation.clone(), None),
        AskedRepository::Link(name) => {
            let link = promotion_list::name(name)?;
            let state = pointed_at(context, &link).await?;
            (state.ticket, Some(state.generation.to_string()), Some(link))
        }
    };
    let id = convert::ticket_id(ticket);
    let built_for = of_ticket(context, id, |ticket, _| ticket.series.clone()).await?;
    if built_for != *series {
        let message = format!("ticket {ticket} was built for {built_for}, and this is for {series}");
        return Err(RpcError::new(ErrorCode::InvalidParams, message)
            .with_hint(format!("check that ticket's sources with --series {series} first")));
    }
    let state = RepositoryState {
        ticket: id,
        generation,
        pool: None,
    };
    let generation = repositories(context).usable(state).await?;
    Ok(RepositoryUse {
        ticket,
        generation: Sha256(*generation.digest().as_bytes()),
        link,
    })
}

/// Gives what is staged all files that its sources name, from those whose they are; what an image has already comes from
/// that image's folder of them.
pub(super) async fn give(
    context: &Context,
    sources: &PackageSources,
    staging: &Staging,
    image: Option<PathBuf>,
) -> Result<(), RpcError> {
    repositories(context).give(sources, staging, image).await
}

fn repositories(context: &Context) -> Repositories {
    Repositories::new(context.tickets.clone(), context.pool.clone())
}

async fn pointed_at(
    context: &Context,
    name: &LinkName,
) -> Result<preflight_core::promotion::RepositoryState, RpcError> {
    let link = name.clone();
    let points_at = context
        .dispatcher
        .read(move |view| view.state.link(&link).and_then(Link::points_at));
    if let Some(state) = points_at.await? {
        return Ok(state);
    }
    // One that nobody knows is told apart from one that was never moved.
    promotion_list::criteria(context, name).await?;
    let error = RpcError::new(ErrorCode::Conflict, format!("the link {name} points at nothing"));
    Err(error.with_hint(format!("`preflight promote {name}` moves it")))
}
