//! Promotions: named links to states of tickets' repositories, and the requests about them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Moment, Sha256, TicketId};

/// One state of a ticket's repository; it never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepositoryState {
    /// The ticket.
    pub ticket: TicketId,
    /// The generation: the digest of its `Release`.
    pub generation: Sha256,
}

/// One move of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkMove {
    /// The link.
    pub link: String,
    /// What it pointed at before.
    pub from: Option<RepositoryState>,
    /// What it points at from then on; nothing where its very first move was rolled back.
    pub to: Option<RepositoryState>,
    /// Whether it went back to what was there before.
    pub rollback: bool,
    /// Who moved it.
    pub by: String,
    /// Why, in the mover's words.
    pub why: Option<String>,
    /// When.
    pub at: Moment,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkInfo {
    /// Its name.
    pub name: String,
    /// What it points at.
    pub points_at: Option<RepositoryState>,
    /// The file that says what it wants; none where that is built in, or missing.
    pub criteria: Option<PathBuf>,
    /// Why it cannot be moved, whatever it is moved to: the file cannot be used.
    pub fault: Option<String>,
    /// Every move, the newest first.
    pub moves: Vec<LinkMove>,
}

/// A criterion that is not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    /// What was wanted, in one line.
    pub wanted: String,
    /// What was found instead, in one line.
    pub found: String,
}

/// How a ticket stands to a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkStanding {
    /// The link.
    pub link: String,
    /// Whether it points at the ticket.
    pub points_here: bool,
    /// What is missing; nothing where the ticket could be promoted.
    pub missing: Vec<Missing>,
    /// Why that cannot be told.
    pub fault: Option<String>,
}

/// Move a link to a ticket's repository as it is now, if the link's criteria are met.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Promote {
    /// The link.
    pub link: String,
    /// The ticket; the newest that has ended where it is missing.
    pub ticket: Option<TicketId>,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// Who moves it; the peer's user name where it is missing.
    pub by: Option<String>,
    /// Why.
    pub why: Option<String>,
}

/// Move a link to what it pointed at before; each time one further back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RollBack {
    /// The link.
    pub link: String,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// Who moves it; the peer's user name where it is missing.
    pub by: Option<String>,
    /// Why.
    pub why: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Promoted {
    /// The link.
    pub link: String,
    /// The ticket that was looked at; none where a link is rolled back to nothing.
    pub ticket: Option<TicketId>,
    /// What the link pointed at.
    pub from: Option<RepositoryState>,
    /// What it points at now, or would; none where the ticket has no repository, or it is rolled back to nothing.
    pub to: Option<RepositoryState>,
    /// Whether it was moved: not where something is missing, where it was there already, and in a dry run.
    pub moved: bool,
    /// The criteria that are not met.
    pub missing: Vec<Missing>,
    /// What to do about them.
    pub hint: Option<String>,
}

/// The links with their history, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromotionList {
    /// Only this one.
    pub link: Option<String>,
}

/// How a ticket stands to every link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromotionCheck {
    /// The ticket.
    pub ticket: TicketId,
}
