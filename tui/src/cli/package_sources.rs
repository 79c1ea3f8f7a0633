//! The options that say where packages come from, which all commands that put packages into testbeds share.

use std::str::FromStr;

use preflight_protocol::package_sources::{AskedPocket, AskedPpa, AskedRepository, AskedSources};
use preflight_protocol::ticket::Ticket;

use super::repo::state::{Owner, State};

/// Where packages come from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PackageSources {
    /// The snapshot of the series' archive that packages come from; without one, the archive as the base image has it, or
    /// with --pocket the newest snapshot
    #[arg(long, value_name = "NAME")]
    pub snapshot: Option<String>,
    /// A pocket of the series (updates, security, proposed, backports, experimental), or only the packages of it that are
    /// named, src:NAME for all of a source; may be repeated
    #[arg(long = "pocket", visible_alias = "apt-pocket", value_name = "POCKET[=PACKAGE,...]")]
    pub pockets: Vec<NamedSource>,
    /// A PPA that `preflight ppa add` has made known, and packages that come from it whatever their version; may be repeated
    #[arg(long = "ppa", value_name = "NAME[=PACKAGE,...]")]
    pub ppas: Vec<NamedSource>,
    /// What another ticket of the series has built, in its current state or an earlier one, or what a promotion link points
    /// at; before what PPAs and the archive have, whatever the version; may be repeated
    #[arg(long = "repository", value_name = "TICKET[@GENERATION]|LINK")]
    pub repositories: Vec<NamedRepository>,
}

impl PackageSources {
    /// As the daemon is asked for them.
    #[must_use]
    pub fn asked(self) -> AskedSources {
        let pocket = |NamedSource { name, packages }| AskedPocket { pocket: name, packages };
        let ppa = |NamedSource { name, packages }| AskedPpa {
            name,
            priority: None,
            packages,
        };
        AskedSources {
            snapshot: self.snapshot,
            pockets: self.pockets.into_iter().map(pocket).collect(),
            ppas: self.ppas.into_iter().map(ppa).collect(),
            repositories: self.repositories.into_iter().map(|named| named.0).collect(),
        }
    }
}

/// The pockets, PPAs and others' repositories of a ticket, one a line: what it is, and the line.
pub(super) fn used(ticket: &Ticket) -> Vec<(&'static str, String)> {
    let line = |name: String, packages: &[String]| match packages {
        [] => name,
        packages => format!("{name}: {}", packages.join(", ")),
    };
    let pocket = ticket.pockets.iter().map(|used| {
        let name = format!("{} ({})", used.pocket, used.suite);
        ("pocket", line(name, &used.packages))
    });
    let ppa = ticket.ppas.iter().map(|used| {
        let priority = used
            .priority
            .map_or_else(String::new, |priority| format!(", priority {priority}"));
        let state: String = used.state.to_string().chars().take(8).collect();
        let name = format!("{} ({} {}, state {state}{priority})", used.name, used.uri, used.suite);
        ("PPA", line(name, &used.packages))
    });
    let repository = ticket.repositories.iter().map(|used| {
        let link = used.link.iter().map(|link| format!(" ({link})"));
        let generation: String = used.generation.to_string().chars().take(8).collect();
        let name = format!("#{}@{generation}{}", used.ticket, link.collect::<String>());
        ("repository", name)
    });
    pocket.chain(ppa).chain(repository).collect()
}

/// A state of another ticket's repository: `12`, `#12`, `12@1f2e3d4c`, or a promotion link's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRepository(AskedRepository);

/// A text that names no repository.
#[derive(Debug, thiserror::Error)]
pub enum NoRepository {
    /// It looks like a state, and is none.
    #[error("{0}")]
    State(&'static str),
    /// The pool's belong to whoever holds them.
    #[error("a repository of the pool has what its ticket has built: name the ticket, such as 12")]
    Pool,
    /// It is nothing.
    #[error("a ticket's number is wanted, such as 12 or 12@1f2e3d4c, or a link's name, such as tested")]
    Neither,
}

impl FromStr for NamedRepository {
    type Err = NoRepository;

    fn from_str(text: &str) -> Result<Self, NoRepository> {
        let is_link = |text: &str| {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
            text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
                && text.bytes().all(plain)
        };
        match text.parse::<State>() {
            Ok(State {
                owner: Owner::Ticket(ticket),
                generation,
            }) => Ok(Self(AskedRepository::Ticket { ticket, generation })),
            Ok(State {
                owner: Owner::Pool(_), ..
            }) => Err(NoRepository::Pool),
            Err(_) if is_link(text) => Ok(Self(AskedRepository::Link(text.to_owned()))),
            Err(why) if text.contains(['@', '/']) => Err(NoRepository::State(why)),
            Err(_) => Err(NoRepository::Neither),
        }
    }
}

/// A source of packages and packages that come from it, as autopkgtest has it: `NAME`, or `NAME=PACKAGE,src:SOURCE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSource {
    name: String,
    packages: Vec<String>,
}

/// A text that names no source.
#[derive(Debug, thiserror::Error)]
#[error("NAME or NAME=PACKAGE,src:SOURCE is wanted, with a name and no empty package")]
pub struct NoSource;

impl FromStr for NamedSource {
    type Err = NoSource;

    fn from_str(text: &str) -> Result<Self, NoSource> {
        let (name, packages) = match text.split_once('=') {
            Some((name, list)) => (name, list.split(',').map(|package| package.trim().to_owned()).collect()),
            None => (text, Vec::new()),
        };
        if name.trim().is_empty() || packages.iter().any(String::is_empty) {
            return Err(NoSource);
        }
        Ok(Self {
            name: name.trim().to_owned(),
            packages,
        })
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn sources_are_named_as_autopkgtest_names_pockets() {
        for (text, name, packages) in [
            ("proposed", "proposed", &[][..]),
            ("proposed=src:glibc", "proposed", &["src:glibc"]),
            ("backports=src:a, b", "backports", &["src:a", "b"]),
            ("jane/tools=g++-12", "jane/tools", &["g++-12"]),
        ] {
            let source: NamedSource = text.parse().unwrap();
            assert_eq!(
                (source.name.as_str(), source.packages.as_slice()),
                (name, &packages.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>()[..])
            );
        }
        for bad in ["", "=a", "proposed=", "proposed=a,", "proposed=,a"] {
            assert!(bad.parse::<NamedSource>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn repositories_go_by_ticket_or_by_link() {
        use preflight_protocol::ids::TicketId;
        let of = |ticket, generation: Option<&str>| AskedRepository::Ticket {
            ticket: TicketId(ticket),
            generation: generation.map(str::to_owned),
        };
        for (text, expected) in [
            ("12", of(12, None)),
            ("#12@1F2E", of(12, Some("1f2e"))),
            ("tested", AskedRepository::Link("tested".to_owned())),
            ("1.0-rc", AskedRepository::Link("1.0-rc".to_owned())),
        ] {
            assert_eq!(
                text.parse::<NamedRepository>().unwrap(),
                NamedRepository(expected),
                "{text}"
            );
        }
        for (bad, said) in [
            ("", "a link's name"),
            ("Tested", "a link's name"),
            ("12@x", "digits of a generation"),
            ("tested@1f2e", "a ticket's number"),
            ("pool/07", "name the ticket"),
        ] {
            let error = bad.parse::<NamedRepository>().unwrap_err().to_string();
            assert!(error.contains(said), "{bad}: {error}");
        }
    }
}
