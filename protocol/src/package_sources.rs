//! Where packages come from beside a ticket's own: as it is asked for, in the words that people use. What becomes of it, with
//! every name resolved, is the daemon's and stays with the ticket.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
