//! The PPA pool: repositories that tickets get and give back, as the Ubuntu CI Engine's assigner has them. A repository
//! that was given back is dirty until it has been cleaned; two tickets never hold the same one. What is in a repository,
//! and who cleans it, is not known here.

use std::fmt;
use std::str::FromStr;

use crate::ids::{Moment, TicketId};

/// How many repositories one ticket may hold: one for what it is built on, one for that with its branch.
pub const MOST_PER_TICKET: u8 = 2;
/// How many repositories there may be.
pub const MOST: u32 = 1000;

/// A repository's number in the pool, counted from 1; shown as `pool/07`. None is ever another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolNumber(pub u32);

impl fmt::Display for PoolNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("pool/{:02}", self.0))
    }
}

/// A text that names no repository of a pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no repository of the pool: it is a number, or `pool/` and a number")]
pub struct PoolNumberError(String);

impl FromStr for PoolNumber {
    type Err = PoolNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("pool/").unwrap_or(text);
        let number = digits
            .parse()
            .ok()
            .filter(|_| digits.chars().all(|c| c.is_ascii_digit()));
        number
            .map(Self)
            .ok_or_else(|| PoolNumberError(text.chars().take(80).collect()))
    }
}

/// Where a repository of the pool stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PoolState {
    /// Empty, and nobody's.
    Free,
    /// A ticket's.
    Reserved(TicketId),
    /// Given back, with whatever its ticket has left in it.
    Dirty,
    /// Being emptied.
    Cleaning,
}

/// What can happen to a repository of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PoolStep {
    /// A ticket gets it.
    Reserve(TicketId),
    /// Its ticket gives it back.
    Release,
    /// It begins to be emptied.
    BeginCleaning,
    /// It is empty.
    Cleaned,
}

/// A step that a repository cannot take where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is {from}, and can't be {step}")]
pub struct IllegalStep {
    /// Where it stands.
    pub from: PoolState,
    /// What was to happen.
    pub step: PoolStep,
}

impl PoolState {
    /// Where the step leads.
    ///
    /// # Errors
    /// From here it leads nowhere.
    pub fn after(self, step: PoolStep) -> Result<Self, IllegalStep> {
        match (self, step) {
            (Self::Free, PoolStep::Reserve(ticket)) => Ok(Self::Reserved(ticket)),
            (Self::Reserved(_), PoolStep::Release) => Ok(Self::Dirty),
            (Self::Dirty, PoolStep::BeginCleaning) => Ok(Self::Cleaning),
            (Self::Cleaning, PoolStep::Cleaned) => Ok(Self::Free),
            (from, step) => Err(IllegalStep { from, step }),
        }
    }

    /// The ticket that holds it.
    #[must_use]
    pub fn holder(self) -> Option<TicketId> {
        match self {
            Self::Reserved(ticket) => Some(ticket),
            Self::Free | Self::Dirty | Self::Cleaning => None,
        }
    }
}

impl fmt::Display for PoolState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.pad("free"),
            Self::Reserved(ticket) => f.pad(&format!("reserved for ticket {ticket}")),
            Self::Dirty => f.pad("dirty"),
            Self::Cleaning => f.pad("being cleaned"),
        }
    }
}

impl fmt::Display for PoolStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserve(ticket) => write!(f, "reserved for ticket {ticket}"),
            Self::Release => f.write_str("released"),
            Self::BeginCleaning => f.write_str("cleaned"),
            Self::Cleaned => f.write_str("given free"),
        }
    }
}

/// A repository of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolRepository {
    /// Its number.
    pub number: PoolNumber,
    /// Where it stands.
    pub state: PoolState,
    /// Since when.
    pub since: Moment,
}

/// What is asked of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolCommand {
    /// Add so many repositories.
    Grow {
        /// How many.
        by: u32,
    },
    /// Take one from a ticket none of whose jobs run. A ticket's end does the same by itself.
    Release {
        /// The repository.
        number: PoolNumber,
    },
    /// Take note that it begins to be emptied.
    BeginCleaning {
        /// The repository.
        number: PoolNumber,
    },
    /// Take note that it is empty.
    NoteCleaned {
        /// The repository.
        number: PoolNumber,
    },
}

/// Why the pool stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolRefusal {
    /// No such repository.
    #[error("there is no repository {0}")]
    NoRepository(PoolNumber),
    /// The repository stands elsewhere.
    #[error("{number}: {source}")]
    Illegal {
        /// The repository.
        number: PoolNumber,
        /// The step that it cannot take.
        source: IllegalStep,
    },
    /// A ticket could wait for ever.
    #[error("{wanted} of the pool's repositories are wanted, and the pool has {all}")]
    TooSmall {
        /// How many are wanted.
        wanted: u8,
        /// How many there are.
        all: usize,
    },
    /// More than a ticket may hold.
    #[error("a ticket gets {MOST_PER_TICKET} repositories of the pool at most, and {0} are wanted")]
    TooManyForOne(u8),
    /// More than there may be.
    #[error("there may be {MOST} repositories in the pool, and there would be {0}")]
    TooMany(u64),
    /// A job of its ticket runs, and may be writing to it.
    #[error("{number} is held by ticket {ticket}, which still runs")]
    Running {
        /// The repository.
        number: PoolNumber,
        /// The ticket.
        ticket: TicketId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_goes_round_and_takes_no_short_cut() {
        use PoolState::{Cleaning, Dirty, Free, Reserved};
        use PoolStep::{BeginCleaning, Cleaned, Release, Reserve};
        let (one, other) = (TicketId(1), TicketId(2));
        let steps = [Reserve(one), Reserve(other), Release, BeginCleaning, Cleaned];
        for (from, after) in [
            (Free, [Some(Reserved(one)), Some(Reserved(other)), None, None, None]),
            (Reserved(one), [None, None, Some(Dirty), None, None]),
            (Dirty, [None, None, None, Some(Cleaning), None]),
            (Cleaning, [None, None, None, None, Some(Free)]),
        ] {
            for (step, after) in steps.into_iter().zip(after) {
                let expected = after.ok_or(IllegalStep { from, step });
                assert_eq!(from.after(step), expected, "{from:?} {step:?}");
            }
        }
        let refused = Reserved(one).after(Reserve(other)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "it is reserved for ticket 1, and can't be reserved for ticket 2"
        );
    }

    #[test]
    fn numbers_are_read_as_they_are_shown() {
        for (text, number) in [("pool/07", 7), ("7", 7), ("07", 7), ("pool/123", 123)] {
            assert_eq!(text.parse(), Ok(PoolNumber(number)), "{text}");
        }
        assert_eq!(PoolNumber(7).to_string(), "pool/07");
        assert_eq!(PoolNumber(123).to_string(), "pool/123");
        for bad in ["", "pool/", "pool/x", "pool/-1", "+1", "pool/../1", "99999999999"] {
            assert!(bad.parse::<PoolNumber>().is_err(), "{bad}");
        }
    }
}
