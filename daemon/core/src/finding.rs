//! Findings: what a run reveals besides its outcome: what testbeds try to reach and are refused, and the lines of its log that
//! matter. Plain data with its words; how it is noticed is the executor's matter.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::ids::{Attempt, JobId};
use crate::log_finding::LogFinding;
use crate::text::{LONGEST_LINE, LONGEST_NAME, clean};

/// The most words of a command line, and the most ancestors of a process, that are kept.
const MOST_WORDS: usize = 16;
/// The longest such word that is kept, in characters.
const LONGEST_WORD: usize = 128;

/// How a guest tried to reach the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NetworkProtocol {
    /// A TCP connection.
    Tcp,
    /// A UDP datagram.
    Udp,
    /// A name to look up.
    Dns,
    /// An ICMP echo.
    Ping,
    /// An IP protocol by its number.
    Other(u8),
}

impl fmt::Display for NetworkProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.pad("tcp"),
            Self::Udp => f.pad("udp"),
            Self::Dns => f.pad("dns"),
            Self::Ping => f.pad("ping"),
            Self::Other(number) => write!(f, "IP protocol {number}"),
        }
    }
}

/// A process in a guest, as the guest tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestProcess {
    /// Its number; of several like it, the first one's.
    pub pid: u32,
    /// Its user's number.
    pub uid: u32,
    /// Its name.
    pub name: String,
    /// Its command and arguments; the first ones, where they are many.
    pub command_line: Vec<String>,
    /// The names of its ancestors, parent first.
    pub parents: Vec<String>,
}

impl GuestProcess {
    fn bounded(self) -> Self {
        let words = |words: Vec<String>| {
            let bounded = words.iter().take(MOST_WORDS).map(|word| clean(word, LONGEST_WORD));
            bounded.collect()
        };
        Self {
            name: clean(&self.name, LONGEST_WORD),
            command_line: words(self.command_line),
            parents: words(self.parents),
            ..self
        }
    }

    /// Whether it does the same for the same: one that is started again has another number, and nothing else.
    fn is_like(&self, other: &Self) -> bool {
        (self.uid, &self.name, &self.command_line, &self.parents)
            == (other.uid, &other.name, &other.command_line, &other.parents)
    }
}

impl fmt::Display for GuestProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {}, uid {})", self.name, self.pid, self.uid)
    }
}

/// An attempt to reach the network that a guest does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkFinding {
    /// How.
    pub protocol: NetworkProtocol,
    /// Whom; the name server, where a name was looked up.
    pub destination: IpAddr,
    /// The name that was looked up.
    pub name: Option<String>,
    /// The destination's port, where the protocol has ports.
    pub port: Option<u16>,
    /// Who, if it was still there to be found.
    pub process: Option<GuestProcess>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingKind {
    /// A guest tried to reach the network.
    Network(NetworkFinding),
    /// A guest asked the package tunnel for what it may not have, such as what the lock of a sealed testbed does not name.
    Fetch {
        /// The URL.
        url: String,
        /// Why it was refused.
        reason: String,
    },
    /// Attempts of any kind that were too many or came too fast to be told one by one.
    Unlisted,
    /// A line of the log that matters.
    Log(LogFinding),
}

impl FindingKind {
    /// The same, fit to be stored and shown: without control characters, and no longer than what is of use.
    #[must_use]
    pub fn bounded(self) -> Self {
        match self {
            Self::Network(attempt) => Self::Network(NetworkFinding {
                name: attempt.name.map(|name| clean(&name, LONGEST_NAME)),
                process: attempt.process.map(GuestProcess::bounded),
                ..attempt
            }),
            Self::Fetch { url, reason } => Self::Fetch {
                url: clean(&url, LONGEST_LINE),
                reason: clean(&reason, LONGEST_LINE),
            },
            Self::Unlisted => Self::Unlisted,
            Self::Log(said) => Self::Log(said.bounded()),
        }
    }

    /// Whether it is the same as another one, once more.
    #[must_use]
    pub fn is_again(&self, other: &Self) -> bool {
        let (Self::Network(one), Self::Network(other)) = (self, other) else {
            return self == other;
        };
        let whom = |attempt: &NetworkFinding| (attempt.protocol, attempt.destination, attempt.port);
        let is_by_same = match (&one.process, &other.process) {
            (Some(one), Some(other)) => one.is_like(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        is_by_same && whom(one) == whom(other) && one.name == other.name
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(attempt) => {
                let NetworkFinding {
                    protocol, destination, ..
                } = attempt;
                write!(f, "network attempt refused: {protocol} to ")?;
                match (&attempt.name, attempt.port) {
                    (Some(name), _) => write!(f, "{destination} (asking for {name})")?,
                    (None, Some(port)) => write!(f, "{}", SocketAddr::new(*destination, port))?,
                    (None, None) => write!(f, "{destination}")?,
                }
                match &attempt.process {
                    Some(process) => write!(f, " by {process}"),
                    None => f.write_str(" by a process that was gone"),
                }
            }
            Self::Fetch { url, reason } => write!(f, "fetch refused: {url} ({reason})"),
            Self::Unlisted => f.write_str("more attempts refused than can be listed"),
            Self::Log(said) => write!(f, "{said}"),
        }
    }
}

/// What a run revealed besides its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The test whose doing it is; none for what happened in a build, an image's making, or before a test.
    pub test: Option<String>,
    /// What was found.
    pub kind: FindingKind,
    /// Whether that was to be expected: the test says `needs-internet`.
    pub declared: bool,
    /// The line of the job's log that tells of it first, counted from 1.
    pub log_line: Option<u64>,
    /// How often it happened, at least: a guest tells the same once in some seconds.
    pub count: u64,
}

impl Finding {
    /// The same, fit to be stored and shown.
    #[must_use]
    pub fn bounded(self) -> Self {
        Self {
            test: self.test.map(|test| clean(&test, LONGEST_NAME)),
            kind: self.kind.bounded(),
            ..self
        }
    }

    /// All that is known of it, in some lines without an end.
    #[must_use]
    pub fn description(&self) -> String {
        let mut text = self.to_string();
        let FindingKind::Network(NetworkFinding {
            process: Some(process), ..
        }) = &self.kind
        else {
            return text;
        };
        if !process.command_line.is_empty() {
            text += &format!("\n    command line: {}", process.command_line.join(" "));
        }
        if !process.parents.is_empty() {
            text += &format!("\n    started by: {}", process.parents.join(", "));
        }
        text
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if self.count > 1 {
            write!(f, ", {} times", self.count)?;
        }
        if self.declared {
            f.write_str(", as needs-internet says")?;
        }
        Ok(())
    }
}

/// A finding with the run that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingRecord {
    /// The job that ran.
    pub job: JobId,
    /// Which run of it.
    pub attempt: Attempt,
    /// What was found.
    pub finding: Finding,
}

impl FindingRecord {
    /// By what a ticket's findings are sorted, those that are alike as they were told: by job, what testbeds did before what
    /// logs say.
    #[must_use]
    pub fn order(&self) -> (JobId, bool) {
        (self.job, matches!(self.finding.kind, FindingKind::Log(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, name: &str) -> GuestProcess {
        GuestProcess {
            pid,
            uid: 1000,
            name: name.to_owned(),
            command_line: vec![name.to_owned(), "-q".to_owned()],
            parents: vec!["bash".to_owned(), "agent".to_owned()],
        }
    }

    fn network(name: Option<&str>, port: Option<u16>, process: Option<GuestProcess>) -> NetworkFinding {
        NetworkFinding {
            protocol: if name.is_some() {
                NetworkProtocol::Dns
            } else {
                NetworkProtocol::Tcp
            },
            destination: [192, 0, 2, 1].into(),
            name: name.map(str::to_owned),
            port,
            process,
        }
    }

    #[test]
    fn findings_have_words() {
        let curl = || Some(process(7, "curl"));
        let other = NetworkFinding {
            protocol: NetworkProtocol::Other(89),
            destination: std::net::Ipv6Addr::LOCALHOST.into(),
            ..network(None, None, None)
        };
        let sealed = FindingKind::Fetch {
            url: "http://mirror.example/x".to_owned(),
            reason: "sealed".to_owned(),
        };
        for (kind, declared, count, words) in [
            (
                FindingKind::Network(network(None, Some(80), curl())),
                false,
                1,
                "network attempt refused: tcp to 192.0.2.1:80 by curl (pid 7, uid 1000)",
            ),
            (
                FindingKind::Network(network(Some("www.example"), Some(53), None)),
                false,
                3,
                "network attempt refused: dns to 192.0.2.1 (asking for www.example) by a process that was gone, 3 times",
            ),
            (
                FindingKind::Network(other),
                true,
                1,
                "network attempt refused: IP protocol 89 to ::1 by a process that was gone, as needs-internet says",
            ),
            (sealed, false, 1, "fetch refused: http://mirror.example/x (sealed)"),
            (
                FindingKind::Unlisted,
                false,
                9,
                "more attempts refused than can be listed, 9 times",
            ),
        ] {
            let finding = Finding {
                test: None,
                kind,
                declared,
                log_line: None,
                count,
            };
            assert_eq!(finding.to_string(), words);
        }
        let finding = Finding {
            test: None,
            kind: FindingKind::Network(network(None, Some(80), curl())),
            declared: false,
            log_line: None,
            count: 1,
        };
        let lines: Vec<String> = finding.description().lines().map(str::to_owned).collect();
        assert_eq!(lines[1..], ["    command line: curl -q", "    started by: bash, agent"]);
    }

    #[test]
    fn the_same_once_more_is_the_same() {
        let kind = |port, process| FindingKind::Network(network(None, port, process));
        let first = kind(Some(80), Some(process(7, "curl")));
        for (other, is_again) in [
            (kind(Some(80), Some(process(8, "curl"))), true),
            (kind(Some(80), Some(process(7, "wget"))), false),
            (kind(Some(443), Some(process(7, "curl"))), false),
            (kind(Some(80), None), false),
            (
                FindingKind::Network(network(Some("a"), Some(80), Some(process(7, "curl")))),
                false,
            ),
            (FindingKind::Unlisted, false),
        ] {
            assert_eq!(first.is_again(&other), is_again, "{other:?}");
            assert_eq!(other.is_again(&first), is_again, "{other:?}");
        }
        assert!(FindingKind::Unlisted.is_again(&FindingKind::Unlisted));
    }

    #[test]
    fn what_a_guest_says_is_bounded() {
        let hostile = GuestProcess {
            pid: 1,
            uid: 0,
            name: "\u{1b}[2J".repeat(1000),
            command_line: vec!["x\n".repeat(10_000); 1000],
            parents: vec![String::new(); 1000],
        };
        let kind = FindingKind::Network(network(Some(&"a".repeat(100_000)), Some(53), Some(hostile))).bounded();
        let fetch = FindingKind::Fetch {
            url: "u\r".repeat(100_000),
            reason: "r".repeat(100_000),
        };
        for kind in [kind, fetch.bounded()] {
            let text = format!("{kind} {kind:?}");
            assert!(text.len() < 40_000, "{}", text.len());
            assert!(!kind.to_string().contains(char::is_control));
            if let FindingKind::Network(NetworkFinding {
                process: Some(process), ..
            }) = &kind
            {
                assert_eq!(
                    (process.command_line.len(), process.parents.len()),
                    (MOST_WORDS, MOST_WORDS)
                );
                assert!(!process.command_line.concat().contains(char::is_control));
            }
        }
    }
}
