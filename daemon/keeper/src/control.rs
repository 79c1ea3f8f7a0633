//! The keeper's control socket. A request is one line, the answer is one line that begins with `ok` or `error`:
//! `attach` (this connection is a daemon; its end is the daemon's end; the answer is how libvirt is run), `libvirt` (start it, answer with its URI),
//! `list`, `kill NAME`, `lower NAME` (behind everything else on the host), `status`, `stop`. Only this user and root are heard.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::home;

/// Longest request in bytes; longer ones end the connection.
const LONGEST_REQUEST: usize = 256;
/// How long `stop` and `status` wait for an answer.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// A request of a daemon's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// This connection is a daemon.
    Attach,
    /// Start libvirt's daemon if needed and answer with its URI.
    Libvirt,
    /// Name the running machines.
    List,
    /// Kill one machine.
    Kill(String),
    /// Put one machine behind everything else on the host.
    Lower(String),
    /// Say what is held.
    Status,
    /// Kill all machines and end.
    Stop,
}

impl Request {
    /// Parses a line without its end.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let request = match words.next()? {
            "attach" => Self::Attach,
            "libvirt" => Self::Libvirt,
            "list" => Self::List,
            "kill" => Self::Kill(words.next()?.to_owned()),
            "lower" => Self::Lower(words.next()?.to_owned()),
            "status" => Self::Status,
            "stop" => Self::Stop,
            _ => return None,
        };
        words.next().is_none().then_some(request)
    }
}

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    /// Whether this connection is a daemon.
    pub(crate) attached: bool,
    /// Whether an answer to `libvirt` is owed.
    pub(crate) awaits_libvirt: bool,
    received: Vec<u8>,
}

/// What reading from a client brought.
pub(crate) enum Received {
    /// Complete requests, in order; a line that is none is `None`.
    Requests(Vec<Option<Request>>),
    /// The peer has gone, or sent what no client of ours sends.
    Gone,
}

impl Client {
    /// Takes a connection if the peer may use it.
    pub(crate) fn accept(listener: &UnixListener) -> io::Result<Option<Self>> {
        let (stream, _) = listener.accept()?;
        let peer = getsockopt(&stream, PeerCredentials)?;
        if peer.uid() != 0 && peer.uid() != nix::unistd::geteuid().as_raw() {
            eprintln!("refused a connection of uid {}", peer.uid());
            return Ok(None);
        }
        stream.set_nonblocking(true)?;
        Ok(Some(Self {
            stream,
            attached: false,
            awaits_libvirt: false,
            received: Vec::new(),
        }))
    }

    /// Reads what has arrived.
    pub(crate) fn receive(&mut self) -> Received {
        let mut buffer = [0; LONGEST_REQUEST];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Received::Gone,
            Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => return Received::Gone,
        }
        let mut requests = Vec::new();
        while let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.received.drain(..=end).collect();
            requests.push(std::str::from_utf8(&line).ok().and_then(Request::parse));
        }
        if self.received.len() > LONGEST_REQUEST {
            Received::Gone
        } else {
            Received::Requests(requests)
        }
    }

    /// Sends an answer of one line; false when the peer is gone or does not read.
    pub(crate) fn answer(&mut self, answer: &Result<String, String>) -> bool {
        let line = match answer {
            Ok(text) => format!("ok {}\n", text.replace('\n', " ")),
            Err(text) => format!("error {}\n", text.replace('\n', " ")),
        };
        self.stream.write_all(line.as_bytes()).is_ok()
    }
}

/// Asks the keeper of `home` one thing and prints its answer: the verbs `stop` and `status` of the command line.
pub(crate) fn ask(home: &Path, request: &str) -> io::Result<()> {
    let socket = home::control_socket(home);
    let mut stream = UnixStream::connect(&socket).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("no keeper answers on {}: {error}", socket.display()),
        )
    })?;
    stream.set_read_timeout(Some(LONGEST_ANSWER))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    match answer.trim_end().split_once(' ') {
        Some(("ok", text)) => {
            println!("{text}");
            Ok(())
        }
        _ => Err(io::Error::other(answer.trim_end().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_parse() {
        for (line, wanted) in [
            ("attach", Some(Request::Attach)),
            ("kill preflight-a-1\r", Some(Request::Kill("preflight-a-1".into()))),
            ("lower preflight-a-1", Some(Request::Lower("preflight-a-1".into()))),
            ("kill", None),
            ("lower", None),
            ("kill a b", None),
            ("stop now", None),
            ("", None),
            ("shutdown", None),
        ] {
            assert_eq!(Request::parse(line), wanted, "{line:?}");
        }
    }
}
