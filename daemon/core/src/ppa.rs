//! PPAs: apt repositories that were added by name, what each is, and the newest state of it that was taken for each series.
//! What a state holds, how it is judged, and what a private one wants to be told is not known here.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::ids::{Moment, Series, Sha256, TicketId};

/// How many there may be.
pub const MOST: usize = 500;
/// The longest name, in characters.
const LONGEST_NAME: usize = 100;

/// A PPA's name: `owner/name` for Launchpad's, otherwise what its file, its URL or its owner says. Segments, parted by
/// slashes, of letters, digits, `+`, `.` and `-`, which begin with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PpaName(String);

/// A text that cannot name a PPA.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot name a PPA: a name is letters, digits, `+`, `.` and `-`, in segments that begin with a letter or digit, and at most {LONGEST_NAME} characters"
)]
pub struct PpaNameError(String);

impl PpaName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PpaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for PpaName {
    type Err = PpaNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-' | '/');
        let segment = |segment: &str| segment.starts_with(|c: char| c.is_ascii_alphanumeric());
        if text.len() <= LONGEST_NAME && text.chars().all(plain) && text.split('/').all(segment) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PpaNameError(text.chars().take(LONGEST_NAME + 1).collect()))
        }
    }
}

/// What a PPA is: all that is needed to use it, and nothing secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PpaDefinition {
    /// What it is called here.
    pub name: PpaName,
    /// Where it is fetched: the repository's URL, without user and password.
    pub uri: String,
    /// Its suite; `{series}` in it stands for the series' code name. One that ends in a slash is a flat repository's folder.
    pub suite: String,
    /// Its components; none for a flat repository.
    pub components: Vec<String>,
    /// The Debian architectures for which it may be used; all where it is empty.
    pub architectures: Vec<String>,
    /// The keys that may sign it: OpenPGP certificates as armored text.
    pub keys: String,
    /// Their fingerprints.
    pub fingerprints: Vec<String>,
    /// apt's priority of all its packages, where it is not apt's default (apt_preferences(5)).
    pub priority: Option<i16>,
    /// Packages that come from it whatever their version: `NAME`, or `src:NAME` for all packages of a source.
    pub packages: Vec<String>,
    /// Whether it wants credentials, which are kept elsewhere.
    pub private: bool,
}

/// What a suite calls itself: the fields of its release file that apt's pins can match; empty where there are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PpaLabels {
    /// `Origin`.
    pub origin: String,
    /// `Label`.
    pub label: String,
    /// `Suite`.
    pub suite: String,
    /// `Codename`.
    pub codename: String,
}

/// A PPA at one moment, verified, for one series. What it names never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PpaState {
    /// The digest of the set of its release files.
    pub state: Sha256,
    /// The suite that was taken, as apt's sources name it.
    pub suite: String,
    /// When it was published, by its own word.
    pub date: Option<Moment>,
    /// What it calls itself.
    pub labels: PpaLabels,
    /// How many binary packages it has.
    pub packages: u64,
    /// When it was last found to be the newest.
    pub refreshed_at: Moment,
}

/// A PPA that was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PpaRecord {
    /// What it is.
    pub definition: PpaDefinition,
    /// When it was added. Together with its name it tells it from one that was removed before.
    pub added_at: Moment,
    /// Its newest state by series.
    pub states: BTreeMap<Series, PpaState>,
}

impl PpaRecord {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &PpaName {
        &self.definition.name
    }
}

/// A PPA that is to be added, with its first state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPpa {
    /// What it is.
    pub definition: PpaDefinition,
    /// The series that it was verified for.
    pub series: Series,
    /// What was found.
    pub state: PpaState,
}

/// What is asked of the list of PPAs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PpaCommand {
    /// Add these, all of them or none.
    Add(Vec<NewPpa>),
    /// Take note of a newer state.
    NoteRefreshed {
        /// Which.
        name: PpaName,
        /// When the one that was asked was added.
        added_at: Moment,
        /// For which series.
        series: Series,
        /// What was found.
        state: Box<PpaState>,
    },
    /// Remove one. Tickets keep what they have of it.
    Remove {
        /// Which.
        name: PpaName,
    },
}

/// Why the list of PPAs stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PpaRefusal {
    /// No such PPA.
    #[error("there is no PPA {0}")]
    NoPpa(PpaName),
    /// The name is another's.
    #[error("there is a PPA {0} already")]
    Exists(PpaName),
    /// More than there may be.
    #[error("there may be {MOST} PPAs, and there would be {0}")]
    TooMany(usize),
    /// What was taken is older than what is known.
    #[error("the PPA {name} is refused for {series}: what it serves is older than what was taken before")]
    RolledBack {
        /// Which.
        name: PpaName,
        /// For which series.
        series: Series,
    },
    /// Its credentials are still needed.
    #[error("the PPA {name} is private, and ticket {ticket}, which is not done, fetches from it")]
    InUse {
        /// Which.
        name: PpaName,
        /// The ticket.
        ticket: TicketId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["jane/tools", "jane/debian/tools", "a", "A+b.c-9"] {
            assert_eq!(good.parse::<PpaName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            "-a",
            "a/../b",
            "a_b",
            "a b",
            "ä",
            &"a".repeat(101),
        ] {
            assert!(bad.parse::<PpaName>().is_err(), "{bad:?}");
        }
    }
}
