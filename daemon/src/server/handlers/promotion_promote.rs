//! `promotion/promote`: move a link to a ticket's repository, or say what is missing.

use preflight_core::promotion::{Link, LinkCommand, MissingCriterion, RepositoryState, evaluate};
use preflight_core::{Command, Moment, State, Ticket, TicketId};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::Promote;
use preflight_protocol::promotion::Promoted;

use super::ticket_create::user_name;
use super::{Context, no_ticket, promotion_list};
use crate::convert;
use crate::promotions::current_generation;

pub(super) async fn handle(context: &Context, request: Promote) -> Result<Promoted, RpcError> {
    let link = promotion_list::name(&request.link)?;
    let criteria = promotion_list::criteria(context, &link).await?;
    let ticket = chosen(context, request.ticket.map(|id| TicketId(id.0))).await?;
    let generation = current_generation(&context.tickets.ticket(ticket)).map_err(|error| {
        RpcError::new(
            ErrorCode::Internal,
            format!("the repository of ticket {ticket}: {error}"),
        )
    })?;
    let to = generation.map(|generation| RepositoryState { ticket, generation });
    let (wanted, name) = (criteria.clone(), link.clone());
    let looked = context.dispatcher.read(move |view| {
        let whole = view.state.ticket(ticket)?;
        let now = Moment(jiff::Timestamp::now().as_microsecond());
        let missing = evaluate(&wanted, whole, generation, view.state, now).err();
        let from = view.state.link(&name).and_then(Link::points_at);
        Some((missing.unwrap_or_default(), from))
    });
    let (missing, from) = looked.await?.ok_or_else(|| no_ticket(ticket))?;
    let moves = missing.is_empty() && from != to;
    if let Some(to) = to.filter(|_| moves && !request.dry_run) {
        let command = LinkCommand::Promote {
            link: link.clone(),
            to,
            criteria,
            by: request.by.unwrap_or_else(user_name),
            why: request.why,
        };
        context.dispatcher.command(Command::Link(command)).await?;
    }
    Ok(answer(
        &link.to_string(),
        ticket,
        (from, to),
        &missing,
        moves && !request.dry_run,
    ))
}

fn answer(
    link: &str,
    ticket: TicketId,
    (from, to): (Option<RepositoryState>, Option<RepositoryState>),
    missing: &[MissingCriterion],
    moved: bool,
) -> Promoted {
    Promoted {
        link: link.to_owned(),
        ticket: Some(convert::ticket_id(ticket)),
        from: from.map(convert::repository_state),
        to: to.map(convert::repository_state),
        moved,
        missing: convert::missing(missing),
        hint: convert::advice(missing),
    }
}

/// The ticket that is meant: where none is named, the newest that has ended and has sources.
async fn chosen(context: &Context, named: Option<TicketId>) -> Result<TicketId, RpcError> {
    if let Some(id) = named {
        return Ok(id);
    }
    let newest = |state: &State| {
        let mut newest_first = state.tickets().rev();
        let done = |ticket: &&Ticket| ticket.status.is_final() && !ticket.subtickets.is_empty();
        newest_first.find(done).map(|ticket| ticket.id)
    };
    let found = context.dispatcher.read(move |view| newest(view.state)).await?;
    found.ok_or_else(|| {
        RpcError::new(ErrorCode::NotFound, "no ticket has ended that could be promoted")
            .with_hint("`preflight check` makes one; name a ticket that still runs by its number")
    })
}
