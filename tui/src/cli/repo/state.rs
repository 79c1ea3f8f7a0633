//! How a state of a repository is written on the command line: `12`, `#12`, `12@1f2e3d4c`, `pool/07`.

use std::str::FromStr;

use preflight_protocol::client::Connection;
use preflight_protocol::ids::TicketId;
use preflight_protocol::method::PoolList;
use preflight_protocol::pool::PoolRepository;
use preflight_protocol::repository::RepositoryState;

use crate::cli::context::ask;
use crate::cli::error::CliError;

/// A ticket's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct TicketNumber(pub(in crate::cli) TicketId);

impl FromStr for TicketNumber {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix('#').unwrap_or(text).parse();
        number.map(Self).map_err(|_| "a ticket's number is wanted, such as 12")
    }
}

/// Whose repository is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Owner {
    /// This ticket's own.
    Ticket(TicketId),
    /// This one of the PPA pool, of whichever ticket holds it.
    Pool(String),
}

/// A state of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct State {
    /// Whose repository.
    pub(in crate::cli) owner: Owner,
    /// The beginning of the generation's digest; the current one where it is missing.
    pub(in crate::cli) generation: Option<String>,
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
            owner: match ticket.strip_prefix("pool/") {
                Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) && !number.is_empty() => {
                    Owner::Pool(ticket.to_owned())
                }
                Some(_) => return Err("a repository of the pool is pool/ and a number, such as pool/07"),
                None => Owner::Ticket(TicketNumber::from_str(ticket)?.0),
            },
            generation: generation.map(str::to_ascii_lowercase),
        })
    }
}

impl State {
    /// As the daemon knows it: the pool's repositories by who holds them now.
    pub(in crate::cli) async fn resolve(&self, connection: &Connection) -> Result<RepositoryState, CliError> {
        let (ticket, pool) = match &self.owner {
            Owner::Ticket(ticket) => (*ticket, None),
            Owner::Pool(name) => {
                let held = ask(connection, &PoolList {}).await?;
                let (name, holder) = held_by(name, &held)?;
                (holder, Some(name))
            }
        };
        Ok(RepositoryState {
            ticket,
            generation: self.generation.clone(),
            pool,
        })
    }
}

/// The repository as the daemon names it, and who holds it.
fn held_by(name: &str, pool: &[PoolRepository]) -> Result<(String, TicketId), CliError> {
    let number = |name: &str| name.strip_prefix("pool/").and_then(|digits| digits.parse::<u32>().ok());
    let hint = "`preflight ppa pool list` shows who holds which; `preflight check --pool` takes one";
    let found = pool
        .iter()
        .find(|repository| number(&repository.name).is_some() && number(&repository.name) == number(name));
    match found {
        Some(repository) => match repository.ticket {
            Some(holder) => Ok((repository.name.clone(), holder)),
            None => Err(CliError::usage(format!("{} is no ticket's now", repository.name), hint)),
        },
        None => Err(CliError::usage(format!("there is no repository {name}"), hint)),
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
                (&state.owner, state.generation.as_deref()),
                (&Owner::Ticket(TicketId(ticket)), generation),
                "{text}"
            );
        }
        let pooled: State = "pool/07@1f2e".parse().unwrap();
        assert_eq!(pooled.owner, Owner::Pool("pool/07".to_owned()));
        for wrong in [
            "pool/",
            "pool/x",
            "pool/../1",
            "",
            "x",
            "12@",
            "12@1f2",
            "12@xyzw",
            "12@1f2e@1f2e",
            "@1f2e",
            "-1",
        ] {
            assert!(wrong.parse::<State>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_pools_repositories_are_found_by_number() {
        use preflight_protocol::pool::PoolState;
        let of = |name: &str, ticket| PoolRepository {
            name: name.to_owned(),
            state: if ticket == 0 {
                PoolState::Free
            } else {
                PoolState::Reserved
            },
            ticket: (ticket > 0).then_some(TicketId(ticket)),
            since: preflight_protocol::ids::Moment(jiff::Timestamp::UNIX_EPOCH),
        };
        let pool = [of("pool/01", 0), of("pool/02", 12)];
        assert_eq!(held_by("pool/2", &pool).unwrap(), ("pool/02".to_owned(), TicketId(12)));
        for name in ["pool/1", "pool/3"] {
            assert!(held_by(name, &pool).is_err(), "{name}");
        }
    }
}
