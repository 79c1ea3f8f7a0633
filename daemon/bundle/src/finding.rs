//! What a run revealed besides its outcome, as the file has it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A finding of a job's newest attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The number of the job that ran.
    pub job: u64,
    /// Which run of it.
    pub attempt: u32,
    /// The test whose doing it is.
    pub test: Option<String>,
    /// What was found.
    pub found: Found,
    /// It was to be expected.
    pub declared: bool,
    /// The line of the job's log that tells of it first, counted from 1.
    pub log_line: Option<u64>,
    /// How often it happened, at least.
    pub count: u64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Found {
    /// An attempt to reach the network that a guest does not have.
    Network {
        /// How.
        protocol: Protocol,
        /// Whom; the name server, where a name was looked up.
        destination: IpAddr,
        /// The name that was looked up.
        name: Option<String>,
        /// The destination's port.
        port: Option<u16>,
        /// Who, where that is known.
        process: Option<Process>,
    },
    /// A fetch of what the guest may not have.
    Fetch {
        /// The URL.
        url: String,
        /// Why it was refused.
        reason: String,
    },
    /// More attempts than can be told one by one.
    Unlisted,
    /// A line of the log that matters.
    Log {
        /// How bad it is.
        severity: Severity,
        /// The tool that says it.
        tool: String,
        /// What it says.
        message: String,
        /// What it is about.
        place: Option<FilePlace>,
    },
}

/// How bad a log's line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something failed.
    Error,
    /// Something may be wrong.
    Warning,
    /// Said beside others.
    Note,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePlace {
    /// The file: relative to the source's tree where it is there.
    pub file: String,
    /// Whether the source has this file.
    pub in_source: bool,
    /// The line.
    pub line: Option<u32>,
    /// The column.
    pub column: Option<u32>,
}

/// How a guest tried to reach the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
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

/// A process in a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its user's number.
    pub uid: u32,
    /// Its name.
    pub name: String,
    /// Its command and arguments.
    pub command_line: Vec<String>,
    /// The names of its ancestors, parent first.
    pub parents: Vec<String>,
}
