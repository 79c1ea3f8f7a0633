//! `promotion/roll_back`: move a link to what it pointed at before.

use preflight_core::promotion::{Link, LinkCommand};
use preflight_core::{Command, Moment, decide};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::RollBack;
use preflight_protocol::promotion::Promoted;

use super::ticket_create::user_name;
use super::{Context, promotion_list};
use crate::convert;
use crate::promotions::has_generation;

pub(super) async fn handle(context: &Context, request: RollBack) -> Result<Promoted, RpcError> {
    let link = promotion_list::name(&request.link)?;
    let name = link.clone();
    let known = context.dispatcher.read(move |view| {
        let link = view.state.link(&name);
        (link.and_then(Link::points_at), link.and_then(Link::before).flatten())
    });
    let (from, to) = known.await?;
    if let Some(to) = to {
        let ticket = context.tickets.ticket(to.ticket);
        // Who has removed the ticket is told of by the command itself.
        if ticket.root().exists() && !has_generation(&ticket, to.generation) {
            let message = format!(
                "{link} pointed at ticket {} before, whose repository has been freed",
                to.ticket
            );
            return Err(RpcError::new(ErrorCode::Conflict, message)
                .with_hint(format!("`preflight promote {link} TICKET` moves it forward")));
        }
    }
    let command = Command::Link(LinkCommand::RollBack {
        link: link.clone(),
        by: request.by.unwrap_or_else(user_name),
        why: request.why,
    });
    if request.dry_run {
        let tried = context.dispatcher.read(move |view| {
            let now = Moment(jiff::Timestamp::now().as_microsecond());
            decide(view.state, command, now).map(drop)
        });
        tried.await?.map_err(|refusal| convert::refusal(&refusal))?;
    } else {
        context.dispatcher.command(command).await?;
    }
    Ok(Promoted {
        link: link.to_string(),
        ticket: to.map(|to| convert::ticket_id(to.ticket)),
        from: from.map(convert::repository_state),
        to: to.map(convert::repository_state),
        moved: !request.dry_run,
        missing: vec![],
        hint: None,
    })
}
