//! Commands of this server's own in a borrowed testbed: what goes in, what comes out, how they end. Over a connection of their
//! own each; everything that comes from the guest is bounded.

use std::path::Path;

use bytes::Bytes;
use preflight_protocol::client::ClientError;
use preflight_protocol::error::RpcError;
use preflight_protocol::shell::connection::{self, OpenConnection, ShellLost};
use preflight_protocol::shell::frame::{Exit, ToClient, ToDaemon};
use preflight_protocol::shell::window::{Due, Window, WindowError};
use preflight_protocol::shell::word::Word;
use preflight_protocol::shell::{ShellOpen, ShellTarget};
use preflight_protocol::testbed::TestbedId;
use tokio::sync::mpsc;

use crate::conn::attach::CLIENT;

/// What is kept of an output that is to be shown, in bytes.
const KEPT: usize = 64 * 1024;

/// Where commands are run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The daemon's socket.
    pub(super) socket: &'a Path,
    /// The testbed.
    pub(super) testbed: &'a TestbedId,
}

/// A command whose end is not known, or was not what it had to be.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    /// It was not started.
    #[error(transparent)]
    NotStarted(#[from] ClientError),
    /// The daemon says why it is lost.
    #[error(transparent)]
    Ended(#[from] RpcError),
    /// The connection is lost.
    #[error(transparent)]
    Lost(#[from] ShellLost),
    /// The daemon does not keep to the protocol.
    #[error("the daemon sends more than it may: {0}")]
    Window(#[from] WindowError),
    /// It failed.
    #[error("{what} failed in the testbed ({how}): {stderr}")]
    Failed {
        /// What was to be done.
        what: &'static str,
        /// Its exit status, in words.
        how: String,
        /// What it said.
        stderr: String,
    },
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) exit: Exit,
    /// The beginning of its standard output, where that did not go elsewhere.
    pub(super) stdout: Vec<u8>,
    /// The beginning of its standard error.
    pub(super) stderr: Vec<u8>,
}

impl Ended {
    /// Its standard output, if it ended well.
    ///
    /// # Errors
    /// It did not.
    pub(super) fn must(self, what: &'static str) -> Result<Vec<u8>, CommandError> {
        if self.exit == Exit::Code(0) {
            return Ok(self.stdout);
        }
        Err(CommandError::Failed {
            what,
            how: match self.exit {
                Exit::Code(code) => format!("exit status {code}"),
                Exit::Signal(signal) => format!("signal {signal}"),
            },
            stderr: crate::safe::text(String::from_utf8_lossy(&self.stderr).trim()).into_owned(),
        })
    }
}

/// A request for a command in a testbed.
pub(super) fn request(testbed: &TestbedId, argv: impl IntoIterator<Item = Vec<u8>>) -> ShellOpen {
    ShellOpen {
        target: ShellTarget::Testbed(testbed.clone()),
        command: Some(argv.into_iter().map(Word).collect()),
        terminal: None,
        env: vec![],
        cwd: None,
        user: None,
    }
}

/// Runs a shell's script as root, with `$1` and so on.
///
/// # Errors
/// The testbed is lost. How the command ended is [`Ended`]'s to say.
pub(super) async fn script(place: Place<'_>, script: &str, arguments: &[&[u8]]) -> Result<Ended, CommandError> {
    run(place, script, arguments, None, None).await
}

/// The same with something to read, or with somebody who takes what it writes.
///
/// # Errors
/// The same. A taker that takes no more ends the command, and `Ended` tells of its signal.
pub(super) async fn run(
    place: Place<'_>,
    script: &str,
    arguments: &[&[u8]],
    input: Option<mpsc::Receiver<Bytes>>,
    output: Option<mpsc::Sender<Bytes>>,
) -> Result<Ended, CommandError> {
    let words: [&[u8]; 4] = [b"sh", b"-ec", script.as_bytes(), b"sh"];
    let argv = words.iter().chain(arguments).map(|word| word.to_vec());
    let request = request(place.testbed, argv);
    let open = connection::open(place.socket, CLIENT, &request, |_| {}).await?;
    pump(open, input, output).await
}

async fn pump(
    open: OpenConnection,
    mut input: Option<mpsc::Receiver<Bytes>>,
    output: Option<mpsc::Sender<Bytes>>,
) -> Result<Ended, CommandError> {
    let OpenConnection {
        mut reader, mut writer, ..
    } = open;
    let (mut window, mut due) = (Window::default(), Due::default());
    let mut waiting = Bytes::new();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    if input.is_none() {
        writer.push(&ToDaemon::StdinEnd);
    }
    loop {
        let now = waiting.len().min(window.left() as usize);
        if now > 0 && window.take(now).is_ok() {
            writer.push(&ToDaemon::Stdin(waiting.split_to(now)));
        }
        let wants_more = waiting.is_empty() && input.is_some();
        tokio::select! {
            frame = reader.next() => {
                let passed = match frame? {
                    ToClient::Stdout(bytes) => {
                        let length = bytes.len();
                        match &output {
                            Some(output) => {
                                if output.send(bytes).await.is_err() {
                                    return Ok(Ended { exit: Exit::Signal(SIGPIPE), stdout, stderr });
                                }
                            }
                            None => keep(&mut stdout, &bytes),
                        }
                        length
                    }
                    ToClient::Stderr(bytes) => {
                        keep(&mut stderr, &bytes);
                        bytes.len()
                    }
                    ToClient::Credit(credit) => {
                        window.give(credit)?;
                        0
                    }
                    ToClient::Exit(exit) => return Ok(Ended { exit, stdout, stderr }),
                    ToClient::Error(error) => return Err(error.into()),
                };
                if let Some(credit) = due.passed(passed) {
                    writer.push(&ToDaemon::Credit(credit));
                }
            }
            flushed = writer.flush(), if writer.unsent() > 0 => {
                if flushed.is_err() {
                    // It takes no more; how the command ended may still be to read.
                    writer.forget();
                    input = None;
                }
            }
            more = next(&mut input), if wants_more => match more {
                Some(more) => waiting = more,
                None => {
                    input = None;
                    writer.push(&ToDaemon::StdinEnd);
                }
            },
        }
    }
}

/// What a command gets whose output nobody takes.
const SIGPIPE: u8 = 13;

async fn next(input: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match input {
        Some(input) => input.recv().await,
        None => None,
    }
}

fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = KEPT - kept.len();
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}
