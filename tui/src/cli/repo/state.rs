//! How a state of a repository is written on the command line: `12`, `#12`, `12@1f2e3d4c`.

use std::str::FromStr;

use preflight_protocol::ids::TicketId;
use preflight_protocol::repository::RepositoryState;

/// A ticket's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TicketNumber(pub(super) TicketId);

impl FromStr for TicketNumber {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix('#').unwrap_or(text).parse();
        number.map(Self).map_err(|_| "a ticket's number is wanted, such as 12")
    }
}

/// A ticket, or a state of its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// The ticket.
    pub(super) ticket: TicketId,
    /// The beginning of the generation's digest; the current one where it is missing.
    pub(super) generation: Option<String>,
}

impl FromStr for State {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (ticket, generation) = match text.split_once('@') {
            Some((ticket, generation)) => (ticket, Some(generation)),
            None => (text, None),
        };
        let is_digest =
            |text: &str| (4..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if generation.is_some_and(|generation| !is_digest(generation)) {
            return Err("after the @ four or more digits of a generation are wanted, as `repo list TICKET` shows them");
        }
        Ok(Self {
            ticket: TicketNumber::from_str(ticket)?.0,
            generation: generation.map(str::to_ascii_lowercase),
        })
    }
}

impl From<State> for RepositoryState {
    fn from(state: State) -> Self {
        Self {
            ticket: state.ticket,
            generation: state.generation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states() {
        for (text, ticket, generation) in [
            ("12", 12, None),
            ("#12", 12, None),
            ("12@1F2E", 12, Some("1f2e")),
            ("#3@0123456789ab", 3, Some("0123456789ab")),
        ] {
            let state: State = text.parse().unwrap();
            assert_eq!(
                (state.ticket.0, state.generation.as_deref()),
                (ticket, generation),
                "{text}"
            );
        }
        for wrong in ["", "x", "12@", "12@1f2", "12@xyzw", "12@1f2e@1f2e", "@1f2e", "-1"] {
            assert!(wrong.parse::<State>().is_err(), "{wrong}");
        }
    }
}
