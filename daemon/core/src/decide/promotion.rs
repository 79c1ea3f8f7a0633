//! Moves of links: forward where the criteria are met, back to what was there before.

use super::Draft;
use crate::command::Refusal;
use crate::event::Event;
use crate::promotion::{Link, LinkCommand, LinkMove, LinkName, LinkRefusal, RepositoryState, evaluate};
use crate::text::{LONGEST_LINE, LONGEST_NAME, clean};

/// Who moves a link, and why.
struct Mover {
    by: String,
    why: Option<String>,
}

impl Draft<'_> {
    pub(super) fn link(&mut self, command: LinkCommand) -> Result<(), Refusal> {
        match command {
            LinkCommand::Promote {
                link,
                to,
                criteria,
                by,
                why,
            } => {
                let ticket = self.ticket(to.ticket)?;
                if let Err(missing) = evaluate(&criteria, ticket, Some(to.generation), self.state, self.now) {
                    let ticket = to.ticket;
                    return Err(LinkRefusal::Missing { link, ticket, missing }.into());
                }
                if self.state.link(&link).and_then(Link::points_at) == Some(to) {
                    // It is there: history tells of moves, not of wishes.
                    return Ok(());
                }
                self.move_link(link, Some(to), false, Mover { by, why });
            }
            LinkCommand::RollBack { link, by, why } => {
                let known = self.state.link(&link);
                let known = known.ok_or_else(|| LinkRefusal::NoLink(link.clone()))?;
                let before = known.before();
                let before = before.ok_or_else(|| LinkRefusal::NothingBefore(link.clone()))?;
                if let Some(RepositoryState { ticket, .. }) = before
                    && self.state.ticket(ticket).is_none()
                {
                    return Err(LinkRefusal::Gone { link, ticket }.into());
                }
                self.move_link(link, before, true, Mover { by, why });
            }
        }
        Ok(())
    }

    fn move_link(&mut self, link: LinkName, to: Option<RepositoryState>, rollback: bool, mover: Mover) {
        let from = self.state.link(&link).and_then(Link::points_at);
        self.push(Event::LinkMoved(LinkMove {
            link,
            from,
            to,
            rollback,
            by: clean(&mover.by, LONGEST_NAME),
            why: mover.why.map(|why| clean(&why, LONGEST_LINE)),
            at: self.now,
        }));
    }
}
