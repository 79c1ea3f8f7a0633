//! What daemon and agent say to one another, typed. Owns the messages' encoding (postcard, inside a frame of a known
//! version); knows nothing of how either side acts on them.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The virtio-serial port for what must not wait behind data.
pub const CONTROL_PORT: &str = "org.preflight.control";
/// The virtio-serial port for streams.
pub const BULK_PORT: &str = "org.preflight.bulk";
/// Where the agent's package tunnel listens on the guest's loopback.
pub const TUNNEL_PORT: u16 = 3128;

/// The payload is no such message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a message of the guest protocol could not be read")]
pub struct Unreadable;

/// A message's bytes, a frame's payload.
pub fn to_payload<M: Serialize>(message: &M) -> Vec<u8> {
    // Only a type without a known length or a failing writer can fail; messages hold neither.
    postcard::to_stdvec(message).unwrap_or_default()
}

/// The message that a payload holds, and nothing after it.
///
/// # Errors
/// [`Unreadable`].
pub fn of_payload<M: DeserializeOwned>(payload: &[u8]) -> Result<M, Unreadable> {
    match postcard::take_from_bytes(payload) {
        Ok((message, [])) => Ok(message),
        _ => Err(Unreadable),
    }
}

/// The daemon's hello, on both ports.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostHello {
    /// The daemon's version, for the agent's log.
    pub daemon: String,
    /// An earlier session (its number) that the daemon would like to go on with. Agents of this version start afresh.
    pub resume: Option<u64>,
}

/// The agent's answer to a hello, on the same port.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AgentHello {
    /// The agent's version.
    pub agent: String,
    /// `uname -r`.
    pub kernel: String,
    /// Whether that kernel came from the guest's own disk, and not from its image.
    pub own_kernel: bool,
    /// `uname -m`.
    pub machine: String,
    /// Of this boot, as the kernel gives it; the same in clones of one template.
    pub boot_id: String,
    /// Milliseconds since the guest's kernel started.
    pub uptime_ms: u64,
    /// Where the package tunnel listens on the guest's loopback.
    pub tunnel_port: u16,
    /// Whether leftovers of a command can be found and killed wherever they have gone (cgroup v2).
    pub has_cgroups: bool,
    /// The session that is resumed; `None`: old streams were aborted.
    pub resumed: Option<u64>,
}

/// A command to run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExecRequest {
    /// Program (searched in `PATH`) and arguments; not empty.
    pub argv: Vec<Vec<u8>>,
    /// Variables on top of the agent's basic environment (`PATH`, `HOME`, `USER`, `LOGNAME`, `SHELL`, `LANG=C.UTF-8`).
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Working directory; without one the user's home, or `/`.
    pub cwd: Option<Vec<u8>>,
    /// User by name, with the groups that `/etc/group` gives; without one, the agent's own.
    pub user: Option<String>,
    /// Whether standard input is the stream's main channel; otherwise it is empty.
    pub stdin: bool,
    /// What becomes of processes that the command leaves behind.
    pub leftovers: Leftovers,
    /// A terminal of its own and this size, whose session it leads: all output is [`crate::Channel::Stdout`], standard
    /// input is what is typed, and its end ends nothing. Without one, pipes.
    pub terminal: Option<TerminalSize>,
}

/// How large a terminal is, in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters a line.
    pub cols: u16,
}

/// Bytes of a [`Renewal`]'s seed: what the kernel's generator is keyed with.
pub const SEED_LEN: usize = 32;

/// What makes a clone of a template a machine of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Renewal {
    /// Bytes of the host's random generator, for this clone alone.
    pub seed: [u8; SEED_LEN],
    /// The time: seconds since 1970.
    pub seconds: u64,
    /// Nanoseconds within the second.
    pub nanoseconds: u32,
    /// The machine id, see machine-id(5); not all zeros.
    pub machine_id: [u8; 16],
    /// The host name, see hostname(7); without one, the template's stays.
    pub hostname: Option<String>,
}

/// What becomes of processes that are still there when a command's own process has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Leftovers {
    /// They live on; their output is read for a moment only.
    #[default]
    Keep,
    /// They are killed, in whatever session or process group they are.
    Kill,
}

/// Whom a signal reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SignalTo {
    /// The command's own process.
    Leader,
    /// Its process group.
    Group,
    /// Every process that it started, daemons too; they get SIGKILL whatever the signal.
    Everything,
}

/// From daemon to agent. Each request opens a stream with an id that the daemon has not used in this session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToGuest {
    /// Runs a command. Answered by [`ToHost::Started`], data, [`ToHost::Exited`]; or [`ToHost::Failed`]. Bulk port.
    Exec(ExecRequest),
    /// Writes a file from the main channel's data up to its end, replacing an old one whole. Parents are made. Bulk port.
    WriteFile {
        /// Absolute path.
        path: Vec<u8>,
        /// Permission bits.
        mode: u32,
        /// Owner by name (with its group); without one, the agent's own user.
        owner: Option<String>,
    },
    /// Reads a regular file: [`ToHost::FileInfo`], data, end, [`ToHost::Done`]. Bulk port.
    ReadFile {
        /// Absolute path.
        path: Vec<u8>,
        /// A longer file is refused.
        max_bytes: u64,
    },
    /// Unpacks the main channel's data, a tar stream, below a directory that is made if missing. Bulk port.
    WriteTree {
        /// Absolute path.
        path: Vec<u8>,
        /// Owner of all that is made; without one, the agent's own user.
        owner: Option<String>,
    },
    /// Packs a directory as a tar stream of names relative to it: data, end, [`ToHost::Done`]. Bulk port.
    ReadTree {
        /// Absolute path.
        path: Vec<u8>,
    },
    /// Sends a signal to the command of this stream. Control port; no answer.
    Signal {
        /// The signal's number on Linux.
        signal: i32,
        /// Whom it reaches.
        to: SignalTo,
    },
    /// The daemon has lost interest in this stream: a command and all that it started is killed. Control port; no answer.
    Abort,
    /// Sets the real-time clock. Either port; like all that changes the machine under the commands (this and the next two),
    /// it is done before the next frame of the same port is looked at, so that a command may be sent right behind it.
    SetClock {
        /// Seconds since 1970.
        seconds: u64,
        /// Nanoseconds within the second.
        nanoseconds: u32,
    },
    /// Adds to the kernel's random pool, counted as full entropy, and reseeds. Either port.
    SeedRandom {
        /// 32 bytes or more.
        bytes: Vec<u8>,
    },
    /// Gives a clone its identity: random seed, then clock, machine id, host name. Either port.
    Renew(Renewal),
    /// Gives the terminal of this stream's command another size. Control port; no answer.
    Resize(TerminalSize),
    /// Turns the detection of network attempts on or off. Control port.
    WatchNetwork {
        /// On or off.
        on: bool,
    },
}

/// From agent to daemon, on the port and stream of the request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToHost {
    /// The command runs.
    Started {
        /// Its process id in the guest.
        pid: u32,
    },
    /// The command has ended and all its output was sent.
    Exited(ExitStatus),
    /// The file that follows.
    FileInfo {
        /// Bytes.
        size: u64,
        /// Permission bits.
        mode: u32,
    },
    /// The request is done.
    Done,
    /// The request failed, or broke off.
    Failed(Failure),
    /// A process in the guest connected to the package tunnel; the stream is of the agent's making.
    TunnelOpen,
    /// The agent gives up this stream.
    Abort,
    /// The agent is alive. Each second, on the control port, stream [`crate::StreamId::SESSION`].
    Beat(Beat),
    /// A process tried to reach the network. Control port, stream [`crate::StreamId::SESSION`].
    NetworkAttempt(NetworkAttempt),
}

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ExitStatus {
    /// With this exit code.
    Code(i32),
    /// Killed by this signal.
    Signal(i32),
}

/// Why a request failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Its kind, to act on.
    pub kind: FailureKind,
    /// What happened, for people.
    pub detail: String,
}

/// Kinds of failure that a caller may want to tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FailureKind {
    /// No such file, directory or program.
    NotFound,
    /// Permission denied.
    Denied,
    /// No such user in the guest.
    UnknownUser,
    /// Larger than the request allows.
    TooLarge,
    /// The guest's disk is full.
    NoSpace,
    /// Not what the request wants: a directory for a file, a malformed archive.
    Unsuitable,
    /// The guest lacks what this needs.
    Unsupported,
    /// Anything else.
    Other,
}

/// A sign of life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Beat {
    /// Counts up from 1 in each session.
    pub number: u64,
    /// Milliseconds since the guest's kernel started.
    pub uptime_ms: u64,
    /// The load average of one minute, times 100.
    pub load_centi: u32,
    /// Memory that programs could still get, in KiB.
    pub memory_available_kib: u64,
    /// All memory, in KiB.
    pub memory_total_kib: u64,
    /// Free space of the root file system, in KiB.
    pub disk_available_kib: u64,
}

/// The protocol of a network attempt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum AttemptProtocol {
    /// A TCP connection; refused.
    Tcp,
    /// A UDP datagram; lost.
    Udp,
    /// A name to look up; answered with "no such name".
    Dns,
    /// ICMP or ICMPv6 echo; lost.
    Ping,
    /// An IP protocol by number; lost.
    Other(u8),
}

/// A process in the guest tried to reach the network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetworkAttempt {
    /// How.
    pub protocol: AttemptProtocol,
    /// Whom.
    pub destination: std::net::IpAddr,
    /// The destination's port, where the protocol has ports.
    pub port: Option<u16>,
    /// The name that was asked for, of a DNS query.
    pub query: Option<String>,
    /// Who, if the process was still there to be found.
    pub owner: Option<AttemptOwner>,
    /// How many were left out because they came too fast: of the same since it was reported last; where it is reported for
    /// the first time, of others that were not reported at all.
    pub left_out: u32,
}

/// The process behind a network attempt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AttemptOwner {
    /// Process id in the guest.
    pub pid: u32,
    /// User id in the guest.
    pub uid: u32,
    /// The process's name.
    pub name: String,
    /// Its arguments, cut to 1 KiB.
    pub command_line: Vec<String>,
    /// Names of its ancestors, parent first, at most 8.
    pub ancestors: Vec<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_survives_its_payload() {
        let exec = ToGuest::Exec(ExecRequest {
            argv: vec![b"sh".to_vec(), vec![0xff, 0xfe]],
            env: vec![(b"A".to_vec(), b"".to_vec())],
            cwd: None,
            user: Some("builder".to_owned()),
            stdin: true,
            leftovers: Leftovers::Kill,
            terminal: Some(TerminalSize { rows: 24, cols: 80 }),
        });
        assert_eq!(of_payload(&to_payload(&exec)), Ok(exec));
    }

    #[test]
    fn what_follows_a_message_makes_it_unreadable() {
        let mut payload = to_payload(&ToHost::Done);
        payload.push(0);
        assert_eq!(of_payload::<ToHost>(&payload), Err(Unreadable));
    }

    proptest! {
        #[test]
        fn any_payload_is_read_or_refused(payload in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = of_payload::<ToHost>(&payload);
            let _ = of_payload::<ToGuest>(&payload);
        }
    }
}
