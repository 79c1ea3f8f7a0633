//! What is measured, and how often.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};

/// One measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Measure {
    /// GNU hello from `.dsc` to results: cold, cached, warm, identical
    Hello,
    /// From a claim to the first output of a command
    Claim,
    /// Clones one after another and four at a time, each held against the others
    Clones,
    /// A package with twenty tests that do nothing
    Tests,
    /// One edited test again
    Rerun,
    /// Memory and disk of clones, templates and layers
    Cost,
    /// The daemon at rest
    Idle,
    /// A large file into a guest
    Tunnel,
    /// Index updates, apt's own beside them
    Archive,
    /// An image that gains one package, beside one made from nothing
    Rebuild,
    /// The peer's testbed: open, revert, memory
    PeerOpen,
    /// The peer's twenty tests
    PeerTests,
    /// The peer's hello
    PeerHello,
    /// A large file into the peer's guest
    PeerNetwork,
}

impl Measure {
    /// Whether it measures the peer.
    pub(crate) fn is_peers(self) -> bool {
        matches!(
            self,
            Self::PeerOpen | Self::PeerTests | Self::PeerHello | Self::PeerNetwork
        )
    }

    /// How often it is repeated where nothing else is said: hello's builds take minutes under emulation.
    fn default_count(self) -> u32 {
        match self {
            Self::Hello => 1,
            Self::Claim => 20,
            Self::Clones => 100,
            Self::Tests | Self::Archive | Self::Rebuild | Self::PeerOpen | Self::PeerTests | Self::PeerHello => 3,
            Self::Tunnel | Self::PeerNetwork => 5,
            Self::Rerun => 7,
            Self::Cost => 4,
            Self::Idle => 1,
        }
    }
}

/// A word of `--only`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// This one.
    One(Measure),
    /// All of the peer's.
    Peer,
    /// All of Preflight's.
    Ours,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "peer" => Ok(Self::Peer),
            "ours" => Ok(Self::Ours),
            word => Measure::from_str(word, false).map(Self::One).map_err(|_| unknown(word)),
        }
    }
}

/// How often one measure is repeated: `clones=10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repeat {
    measure: Measure,
    count: u32,
}

impl FromStr for Repeat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, count) = text.split_once('=').ok_or("it has to be MEASURE=NUMBER")?;
        let measure = Measure::from_str(word, false).map_err(|_| unknown(word))?;
        let count = count.parse().map_err(|_| format!("{count:?} is no number"))?;
        if count == 0 {
            return Err(format!("{word} cannot be measured no times: leave it out of --only"));
        }
        Ok(Self { measure, count })
    }
}

fn unknown(word: &str) -> String {
    let names: Vec<_> = Measure::value_variants()
        .iter()
        .filter_map(ValueEnum::to_possible_value)
        .map(|value| value.get_name().to_owned())
        .collect();
    format!("no measure {word:?}: there are {}, peer and ours", names.join(", "))
}

/// Measures Preflight, and autopkgtest's qemu server beside it, on this machine. Needs a quiet one: what else runs on it is
/// measured too.
#[derive(Debug, Parser)]
#[command(name = "preflight-bench")]
pub(crate) struct Options {
    /// What to measure: names of measures, `ours`, `peer`; all where nothing is named
    #[arg(long, value_delimiter = ',', value_name = "MEASURE")]
    only: Vec<Choice>,
    /// How often: MEASURE=NUMBER. For `cost` that is clones at once, for `idle` minutes, for the peer's runs tries
    #[arg(long, value_delimiter = ',', value_name = "MEASURE=NUMBER")]
    repeat: Vec<Repeat>,
    /// Where the home that is measured, the peer's image and the numbers lie
    #[arg(long, value_name = "FOLDER", default_value = "/var/tmp/preflight-bench")]
    pub(crate) folder: PathBuf,
    /// Leave the home as it is at the end
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Options {
    /// The measures in the order in which they run: hello first, since it begins with nothing; the peer last.
    pub(crate) fn measures(&self) -> Vec<Measure> {
        let all = Measure::value_variants().iter().copied();
        if self.only.is_empty() {
            return all.collect();
        }
        let chosen = |measure: Measure| {
            self.only.iter().any(|choice| match choice {
                Choice::One(one) => *one == measure,
                Choice::Peer => measure.is_peers(),
                Choice::Ours => !measure.is_peers(),
            })
        };
        all.filter(|measure| chosen(*measure)).collect()
    }

    /// How often a measure is repeated.
    pub(crate) fn count(&self, measure: Measure) -> u32 {
        let said = self.repeat.iter().rev().find(|repeat| repeat.measure == measure);
        said.map_or_else(|| measure.default_count(), |repeat| repeat.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Options {
        Options::try_parse_from(std::iter::once(&"bench").chain(arguments)).unwrap()
    }

    #[test]
    fn measures_are_chosen() {
        let table: &[(&[&str], &[Measure])] = &[
            (&[], Measure::value_variants()),
            (&["--only", "clones,claim"], &[Measure::Claim, Measure::Clones]),
            (
                &["--only", "idle,peer"],
                &[
                    Measure::Idle,
                    Measure::PeerOpen,
                    Measure::PeerTests,
                    Measure::PeerHello,
                    Measure::PeerNetwork,
                ],
            ),
        ];
        for (arguments, measures) in table {
            assert_eq!(options(arguments).measures(), *measures, "{arguments:?}");
        }
    }

    #[test]
    fn counts_are_taken_as_said() {
        let options = options(&["--repeat", "clones=10,peer-open=1"]);
        assert_eq!(options.count(Measure::Clones), 10);
        assert_eq!(options.count(Measure::PeerOpen), 1);
        assert_eq!(options.count(Measure::Hello), 1);
    }

    #[test]
    fn nonsense_is_refused() {
        for arguments in [
            ["--only", "everything"],
            ["--repeat", "clones"],
            ["--repeat", "clones=0"],
        ] {
            assert!(Options::try_parse_from(std::iter::once("bench").chain(arguments)).is_err());
        }
    }
}
