//! Where a ticket's packages come from beside its own. All of it is resolved when the ticket is made: what becomes of
//! snapshots and PPAs later changes nothing of it, so that a ticket can be run again though its PPA is gone. Plain data.

use std::fmt;
use std::str::FromStr;

use crate::ids::{Sha256, TicketId};
use crate::promotion::LinkName;

/// A ticket's package sources; by default the archive as the base image has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackageSources {
    /// The snapshot of the series' archive; without one, the archive as the base image has it.
    pub snapshot: Option<PinnedSnapshot>,
    /// Suites beside the release, in the order in which they were asked for.
    pub pockets: Vec<PocketUse>,
    /// Repositories that are added, in the order in which they were asked for.
    pub ppas: Vec<PpaUse>,
    /// What other tickets have built, in the order in which it was asked for.
    pub repositories: Vec<RepositoryUse>,
}

impl PackageSources {
    /// Whether there is nothing but the archive as the base image has it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self == &Self::default()
    }
}

/// A suite, as a line of apt's sources names it (sources.list(5)).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AptSuite {
    /// The repository's URL without `dists/…`, with no secret in it; http, as guests ask for it.
    pub uri: String,
    /// The suite; one that ends in a slash is a flat repository's folder.
    pub suite: String,
    /// The components; none for a flat repository.
    pub components: Vec<String>,
}

/// A snapshot of a series' archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedSnapshot {
    /// Its name.
    pub name: String,
    /// The digest of the set of its release files.
    pub state: Sha256,
    /// The suites that every testbed of the series has; its pockets are not among them.
    pub suites: Vec<AptSuite>,
}

/// A suite beside the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pocket {
    /// Updates of the release (Debian's `SERIES-updates`, Ubuntu's `-updates`).
    Updates,
    /// Security updates.
    Security,
    /// What is to become an update (Debian's `SERIES-proposed-updates`, Ubuntu's `-proposed`).
    Proposed,
    /// Newer versions, built for the release.
    Backports,
    /// Debian's `experimental`.
    Experimental,
}

impl Pocket {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Updates,
        Self::Security,
        Self::Proposed,
        Self::Backports,
        Self::Experimental,
    ];

    /// Its name, as people and recipes write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Updates => "updates",
            Self::Security => "security",
            Self::Proposed => "proposed",
            Self::Backports => "backports",
            Self::Experimental => "experimental",
        }
    }
}

impl fmt::Display for Pocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No pocket has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no pocket {0:?}: there are updates, security, proposed, backports and experimental")]
pub struct UnknownPocket(String);

impl FromStr for Pocket {
    type Err = UnknownPocket;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|pocket| pocket.name() == text);
        found.ok_or_else(|| UnknownPocket(text.chars().take(80).collect()))
    }
}

/// A pocket that a ticket uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PocketUse {
    /// Which.
    pub pocket: Pocket,
    /// Its suite.
    pub suite: AptSuite,
    /// The packages that come from it, as autopkgtest's `--apt-pocket` has them: `NAME`, or `src:NAME` for all packages of
    /// a source. Where it is empty, all that the pocket has may come from it.
    pub packages: Vec<String>,
}

/// A repository that a ticket adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PpaUse {
    /// Its name.
    pub name: String,
    /// Its suite.
    pub suite: AptSuite,
    /// Where the daemon fetches what guests ask of the suite's URL: the same, or https; with no secret in it.
    pub upstream: String,
    /// The keys that may sign it: OpenPGP certificates as armored text.
    pub keys: String,
    /// The digest of the set of its release files.
    pub state: Sha256,
    /// apt's priority of all its packages, where it is not apt's default (apt_preferences(5)).
    pub priority: Option<i16>,
    /// The packages that come from it whatever their version, as for a pocket.
    pub packages: Vec<String>,
}

/// A state of another ticket's repository. Its files are the using ticket's own: the other one may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryUse {
    /// Whose it was, where the ticket was made that uses it.
    pub ticket: TicketId,
    /// The generation: the digest of its `Release`.
    pub generation: Sha256,
    /// The promotion link that pointed there, where it was asked for by that.
    pub link: Option<LinkName>,
}

impl fmt::Display for RepositoryUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repository of ticket #{}", self.ticket)?;
        match &self.link {
            Some(link) => write!(f, " ({link})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pockets_are_known_by_name() {
        for pocket in Pocket::ALL {
            assert_eq!(pocket.name().parse(), Ok(pocket));
        }
        assert!("release".parse::<Pocket>().unwrap_err().to_string().contains("updates"));
    }
}
