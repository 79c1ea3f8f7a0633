//! The options that say where packages come from, which all commands that put packages into testbeds share.

use std::str::FromStr;

use preflight_protocol::package_sources::{AskedPocket, AskedPpa, AskedSources};
use preflight_protocol::ticket::Ticket;

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
        }
    }
}

/// The pockets and PPAs of a ticket, one a line: what it is, and the line.
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
    pocket.chain(ppa).collect()
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
}
