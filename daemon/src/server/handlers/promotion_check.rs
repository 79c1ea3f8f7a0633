//! `promotion/check`: which links a ticket meets, and what is missing for the others.

use preflight_core::promotion::{Criteria, Link, LinkName, evaluate};
use preflight_core::{Moment, TicketId};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::PromotionCheck;
use preflight_protocol::promotion::LinkStanding;

use super::{Context, no_ticket, promotion_list};
use crate::convert;
use crate::promotions::current_generation;

pub(super) async fn handle(context: &Context, request: PromotionCheck) -> Result<Vec<LinkStanding>, RpcError> {
    let id = TicketId(request.ticket.0);
    let generation = current_generation(&context.tickets.ticket(id))
        .map_err(|error| RpcError::new(ErrorCode::Internal, format!("the repository of ticket {id}: {error}")))?;
    let links = promotion_list::all(context).await?;
    let wanted: Vec<_> = links
        .into_iter()
        .map(|link| {
            let criteria = promotion_list::read(context, &link);
            (link, criteria.map_err(|error| error.to_string()))
        })
        .collect();
    let standings = context.dispatcher.read(move |view| {
        let ticket = view.state.ticket(id)?;
        let now = Moment(jiff::Timestamp::now().as_microsecond());
        let standing = |(link, criteria): (LinkName, Result<Option<Criteria>, String>)| {
            let points_at = view.state.link(&link).and_then(Link::points_at);
            let mut standing = LinkStanding {
                link: link.to_string(),
                points_here: points_at.is_some_and(|state| state.ticket == id),
                missing: vec![],
                fault: None,
            };
            match criteria {
                Ok(Some(criteria)) => {
                    let missing = evaluate(&criteria, ticket, generation, view.state, now).err();
                    standing.missing = convert::missing(&missing.unwrap_or_default());
                }
                Ok(None) => standing.fault = Some("it has no criteria".to_owned()),
                Err(error) => standing.fault = Some(error),
            }
            standing
        };
        Some(wanted.into_iter().map(standing).collect())
    });
    standings.await?.ok_or_else(|| no_ticket(id))
}
