//! Promotions: named links to states of tickets' repositories, what must be true before one is moved, and where it has
//! been. All of it is pure; criteria come from files, and generations from folders, that others read.

mod criteria;
mod evaluate;
mod link;
mod missing;

pub use criteria::{Criteria, Exemption, HowMany, JobRequirement, Requirement, Which};
pub use evaluate::evaluate;
pub use link::{Link, LinkMove, LinkName, LinkNameError, RepositoryState};
pub use missing::{Found, MissingCriterion, Wanted};

use crate::ids::TicketId;

/// What is asked of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkCommand {
    /// Move it to a state of a ticket's repository, if its criteria are met.
    Promote {
        /// The link; it need not be there yet.
        link: LinkName,
        /// Where it is to point.
        to: RepositoryState,
        /// What must be true.
        criteria: Criteria,
        /// Who moves it.
        by: String,
        /// Why, in the mover's words.
        why: Option<String>,
    },
    /// Move it to what it pointed at before.
    RollBack {
        /// The link.
        link: LinkName,
        /// Who moves it.
        by: String,
        /// Why, in the mover's words.
        why: Option<String>,
    },
}

/// Why a link stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefusal {
    /// No such link.
    #[error("the link {0} has never been moved")]
    NoLink(LinkName),
    /// It has been rolled back all the way.
    #[error("the link {0} points at nothing, and can go no further back")]
    NothingBefore(LinkName),
    /// What it pointed at before is gone.
    #[error("the link {link} pointed at ticket {ticket} before, which has been removed")]
    Gone {
        /// The link.
        link: LinkName,
        /// The ticket that was removed.
        ticket: TicketId,
    },
    /// Its criteria are not met.
    #[error("ticket {ticket} cannot be promoted to {link}:{}", lines(.missing))]
    Missing {
        /// The link.
        link: LinkName,
        /// What was to be promoted.
        ticket: TicketId,
        /// What is missing, each a line.
        missing: Vec<MissingCriterion>,
    },
    /// The ticket stays for as long as a link points at it.
    #[error("the link {link} points at ticket {ticket}")]
    PointsAt {
        /// The link.
        link: LinkName,
        /// The ticket.
        ticket: TicketId,
    },
}

fn lines(missing: &[MissingCriterion]) -> String {
    missing.iter().map(|criterion| format!("\n{criterion}")).collect()
}
