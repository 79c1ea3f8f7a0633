//! The PPA pool: repositories that tickets get and give back, and the requests about them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Moment, TicketId};

/// Where a repository of the pool stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PoolState {
    /// Empty, and nobody's.
    Free,
    /// A ticket's.
    Reserved,
    /// Given back, with whatever its ticket has left in it.
    Dirty,
    /// Being emptied.
    Cleaning,
}

/// A repository of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolRepository {
    /// Its name, such as `pool/07`.
    pub name: String,
    /// Where it stands.
    pub state: PoolState,
    /// The ticket that holds it.
    pub ticket: Option<TicketId>,
    /// Since when it stands there.
    pub since: Moment,
}

/// The repositories of the pool, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolList {}

/// Add repositories to the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolGrow {
    /// How many.
    pub by: u32,
}

/// Take a repository from a ticket of which nothing runs, and have it cleaned. A ticket's end does so by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolRelease {
    /// Its name.
    pub name: String,
}
