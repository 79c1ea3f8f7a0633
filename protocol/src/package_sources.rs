//! Where packages come from beside a ticket's own: as it is asked for, in the words that people use, and as it was resolved,
//! once, when the ticket was made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Sha256, TicketId};

/// Package sources as they are asked for; by default the archive as the base image has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedSources {
    /// The snapshot of the series' archive, by its name or the beginning of it; the archive as the base image has it where it
    /// is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Suites beside the release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pockets: Vec<AskedPocket>,
    /// Repositories that are added; they were made known by `ppa/add`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ppas: Vec<AskedPpa>,
    /// What other tickets of the series have built.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<AskedRepository>,
}

/// A pocket, and what comes from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedPocket {
    /// `updates`, `security`, `proposed`, `backports` or `experimental`.
    pub pocket: String,
    /// The packages that come from it: `NAME`, or `src:NAME` for all packages of a source. Where it is empty, all that the
    /// pocket has may come from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
}

/// A PPA, and what comes from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedPpa {
    /// Its name.
    pub name: String,
    /// apt's priority of all its packages (apt_preferences(5)) in the place of the one that it was added with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i16>,
    /// Packages that come from it whatever their version, beside those that it was added with: `NAME` or `src:NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
}

/// A state of another ticket's repository. All that it has may come from it: before what PPAs and the archive have, whatever
/// the version, and after what the ticket itself has built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskedRepository {
    /// By its ticket.
    Ticket {
        /// The ticket.
        ticket: TicketId,
        /// The generation's digest, or as much of its beginning as is of no other; the current one where it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generation: Option<String>,
    },
    /// What this promotion link points at.
    Link(String),
}

/// A pocket that a ticket uses, as its snapshot has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsedPocket {
    /// Its name, such as `proposed`.
    pub pocket: String,
    /// Its suite, such as `bookworm-proposed-updates`.
    pub suite: String,
    /// The packages that come from it; where it is empty, all that it has may.
    pub packages: Vec<String>,
}

/// A PPA that a ticket uses, as it was when the ticket was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsedPpa {
    /// Its name.
    pub name: String,
    /// The repository's URL.
    pub uri: String,
    /// Its suite; one that ends in a slash is a flat repository's folder.
    pub suite: String,
    /// The digest of the set of its release files.
    pub state: Sha256,
    /// apt's priority of all its packages, where it is not apt's default.
    pub priority: Option<i16>,
    /// The packages that come from it whatever their version.
    pub packages: Vec<String>,
}

/// A state of another ticket's repository that a ticket uses; its files are the ticket's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsedRepository {
    /// The ticket that had built it, where the ticket was made that uses it.
    pub ticket: TicketId,
    /// The digest of its `Release`.
    pub generation: Sha256,
    /// The promotion link that pointed there, where it was asked for by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}
