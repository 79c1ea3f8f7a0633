//! A link: its name, what it points at, and every move that it ever made. What a move needs is not known here.

use std::fmt;

use crate::ids::{Moment, Sha256, TicketId};

/// The longest name, in characters.
const LONGEST: usize = 64;

/// A link's name, such as `consistent`: lower-case letters, digits, `.`, `_` and `-`, and a letter or digit first. It is
/// a file's name, too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName(String);

/// A text that cannot name a link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot name a link: a name is lower-case letters, digits, `.`, `_` and `-`, a letter or digit first, and at most {LONGEST} characters"
)]
pub struct LinkNameError(String);

impl LinkName {
    /// A name.
    ///
    /// # Errors
    /// Where the text cannot be one.
    pub fn new(text: &str) -> Result<Self, LinkNameError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = text.len() <= LONGEST
            && text.starts_with(plain)
            && text.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(LinkNameError(text.chars().take(LONGEST + 1).collect()))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One state of a ticket's repository, which is never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryState {
    /// The ticket.
    pub ticket: TicketId,
    /// The generation: the digest of its `Release`.
    pub generation: Sha256,
}

/// One move of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkMove {
    /// The link.
    pub link: LinkName,
    /// What it pointed at before.
    pub from: Option<RepositoryState>,
    /// What it points at from then on; nothing where the very first move was rolled back.
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

/// A link and every move that it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    moves: Vec<LinkMove>,
    /// What was promoted and not rolled back, oldest first: the last is what it points at.
    stack: Vec<RepositoryState>,
}

impl Link {
    /// A link that has made its first move.
    pub(crate) fn new(first: LinkMove) -> Self {
        let mut link = Self {
            moves: vec![],
            stack: vec![],
        };
        link.note(first);
        link
    }

    pub(crate) fn note(&mut self, step: LinkMove) {
        if step.rollback {
            self.stack.pop();
        } else {
            self.stack.extend(step.to);
        }
        self.moves.push(step);
    }

    /// Every move, oldest first; one at least.
    #[must_use]
    pub fn moves(&self) -> &[LinkMove] {
        &self.moves
    }

    /// What it points at.
    #[must_use]
    pub fn points_at(&self) -> Option<RepositoryState> {
        self.stack.last().copied()
    }

    /// What a rollback would have it point at: `Some(None)` is nothing, and `None` says that it points at nothing
    /// already. A rollback goes further back each time; it is no move that can be rolled back itself.
    #[must_use]
    pub fn before(&self) -> Option<Option<RepositoryState>> {
        let below = self.stack.len().checked_sub(1)?;
        Some(below.checked_sub(1).and_then(|place| self.stack.get(place)).copied())
    }

    /// Whether this state was promoted to it, be it long ago, and not rolled back since.
    #[must_use]
    pub fn has_been_at(&self, state: RepositoryState) -> bool {
        self.stack.contains(&state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_file_names_and_nothing_else() {
        for good in ["current", "current-passed-ci", "1.0_rc", "a", &"x".repeat(64)] {
            assert_eq!(LinkName::new(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "-x",
            "Tested",
            "a/b",
            "a b",
            "ü",
            "a\0",
            &"x".repeat(65),
        ] {
            assert!(LinkName::new(bad).is_err(), "{bad:?}");
        }
    }

    fn state(ticket: u64) -> RepositoryState {
        RepositoryState {
            ticket: TicketId(ticket),
            generation: Sha256([0; 32]),
        }
    }

    /// A move to a ticket, or back.
    fn step(link: &mut Option<Link>, to: Option<u64>) {
        let before = link.as_ref().and_then(Link::before);
        let step = LinkMove {
            link: LinkName::new("l").unwrap(),
            from: link.as_ref().and_then(Link::points_at),
            to: to.map(state).or_else(|| before.flatten()),
            rollback: to.is_none(),
            by: "jane".into(),
            why: None,
            at: Moment(0),
        };
        match link {
            Some(link) => link.note(step),
            None => *link = Some(Link::new(step)),
        }
    }

    #[test]
    fn rollbacks_go_back_step_by_step() {
        let mut link = None;
        for (to, points_at, before, has_been_at_2) in [
            (Some(1), Some(1), Some(None), false),
            (Some(2), Some(2), Some(Some(1)), true),
            (Some(3), Some(3), Some(Some(2)), true),
            (None, Some(2), Some(Some(1)), true),
            (None, Some(1), Some(None), false),
            (Some(4), Some(4), Some(Some(1)), false),
            (None, Some(1), Some(None), false),
            (None, None, None, false),
            (Some(2), Some(2), Some(None), true),
        ] {
            step(&mut link, to);
            let link = link.as_ref().unwrap();
            assert_eq!(link.points_at(), points_at.map(state), "{to:?}");
            assert_eq!(link.before(), before.map(|before| before.map(state)), "{to:?}");
            assert_eq!(link.has_been_at(state(2)), has_been_at_2, "{to:?}");
            assert_eq!(link.moves().last().unwrap().to, link.points_at());
        }
        assert_eq!(link.unwrap().moves().len(), 9, "every move is kept");
    }
}
