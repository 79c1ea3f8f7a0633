//! PPAs: apt repositories that were added by name, and the requests about them. No answer and no event holds a secret.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Moment, Series, Sha256};

/// A PPA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ppa {
    /// Its name.
    pub name: String,
    /// Where it is fetched: the repository's URL.
    pub uri: String,
    /// Its suite; `{series}` in it stands for the series' code name. One that ends in a slash is a flat repository's folder.
    pub suite: String,
    /// Its components; none for a flat repository.
    pub components: Vec<String>,
    /// The Debian architectures for which it may be used; all where it is empty.
    pub architectures: Vec<String>,
    /// The fingerprints of the keys that may sign it.
    pub fingerprints: Vec<String>,
    /// apt's priority of all its packages, where it is not apt's default (apt_preferences(5)).
    pub priority: Option<i16>,
    /// Packages that come from it whatever their version: `NAME`, or `src:NAME` for all packages of a source.
    pub packages: Vec<String>,
    /// Whether it wants credentials.
    pub private: bool,
    /// When it was added.
    pub added_at: Moment,
    /// Its newest state for each series that it was taken for.
    pub states: Vec<PpaState>,
}

/// A PPA at one moment, verified, for one series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PpaState {
    /// The series.
    pub series: Series,
    /// The digest of the set of its release files.
    pub state: Sha256,
    /// The suite that was taken, as apt's sources name it.
    pub suite: String,
    /// When it was published, by its own word.
    pub date: Option<Moment>,
    /// Who publishes it, by its own word: `Origin` of its release file.
    pub origin: String,
    /// How many binary packages it has for this host's architecture.
    pub packages: u64,
    /// When it was last found to be the newest.
    pub refreshed_at: Moment,
}

/// `USER:TOKEN`, or the text of an auth.conf(5) of apt's; nothing but serialization shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// Add a PPA, or all those that a file names: each is fetched and verified at once, for one series, and none is added where
/// one is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PpaAdd {
    /// `ppa:OWNER/NAME`, or the absolute path of a `.sources` file, or a URL, a suite and components.
    pub source: Vec<String>,
    /// What to call it; otherwise Launchpad's name, the file's or the URL's.
    #[serde(default)]
    pub name: Option<String>,
    /// The absolute path of a file with the keys that may sign it, in place of what the source itself says.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The series that it is verified for; the configured one where it is missing.
    #[serde(default)]
    pub series: Option<String>,
    /// apt's priority of all its packages (apt_preferences(5)).
    #[serde(default)]
    pub priority: Option<i16>,
    /// Packages that come from it whatever their version: `NAME` or `src:NAME`.
    #[serde(default)]
    pub packages: Vec<String>,
    /// The subscription of a private one.
    #[serde(default)]
    pub token: Option<Token>,
}

/// The PPAs that were added, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PpaList {}

/// One PPA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PpaShow {
    /// Its name.
    pub name: String,
}

/// Take PPAs anew. One that is refused keeps the state that it had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PpaRefresh {
    /// Which; all where it is missing.
    #[serde(default)]
    pub name: Option<String>,
    /// For this series; for all that each was taken for where it is missing.
    #[serde(default)]
    pub series: Option<String>,
}

/// What became of one PPA for one series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PpaRefreshed {
    /// Which.
    pub name: String,
    /// For which series.
    pub series: Series,
    /// Its state before; none where it was never taken for the series.
    pub before: Option<PpaState>,
    /// Its state now; none where it was refused.
    pub after: Option<PpaState>,
    /// Why it was refused.
    pub refused: Option<PpaRefused>,
}

/// Why a PPA was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PpaRefused {
    /// For people.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Remove a PPA. Tickets keep what they have of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PpaRemove {
    /// Which.
    pub name: String,
}
