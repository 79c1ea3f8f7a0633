//! Commands in a guest: what to run, its output as it comes, its end. A command whose [`Running`] is dropped is killed
//! with all that it started.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use preflight_guest_protocol::Channel;
use preflight_guest_protocol::message::{ExecRequest, ExitStatus, Leftovers, SignalTo, TerminalSize, ToGuest, ToHost};

use crate::error::GuestError;
use crate::guest::Guest;
use crate::renewal::{Renewal, clock};
use crate::session::{Port, StreamEvent};
use crate::stream::{Stream, StreamSender, unexpected};

/// What [`Guest::output`] keeps of each of the two streams, in bytes.
const CAPTURE: usize = 1024 * 1024;

/// A command to run in a guest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exec(ExecRequest);

impl Exec {
    /// This program, searched in the guest's `PATH`, with these arguments. As the agent's own user (root), with an empty
    /// standard input and the agent's basic environment, in the user's home.
    pub fn new<S: AsRef<OsStr>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self(ExecRequest {
            argv: argv.into_iter().map(|word| word.as_ref().as_bytes().to_vec()).collect(),
            env: Vec::new(),
            cwd: None,
            user: None,
            stdin: false,
            leftovers: Leftovers::Keep,
            terminal: None,
        })
    }

    /// Runs as this user, with its groups.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>) -> Self {
        self.0.user = Some(name.into());
        self
    }

    /// Runs in this directory.
    #[must_use]
    pub fn cwd(mut self, path: impl AsRef<Path>) -> Self {
        self.0.cwd = Some(path.as_ref().as_os_str().as_bytes().to_vec());
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.0
            .env
            .push((key.as_ref().as_bytes().to_vec(), value.as_ref().as_bytes().to_vec()));
        self
    }

    /// Gives it a standard input, see [`Running::take_stdin`].
    #[must_use]
    pub fn stdin(mut self) -> Self {
        self.0.stdin = true;
        self
    }

    /// Runs it on a terminal of its own, of this many lines and characters a line, whose session it leads; its standard input
    /// is what is typed there. Bytes go both ways as they are; all output is [`OutputStream::Stdout`]. Name the terminal's
    /// kind by [`Exec::env`]'s `TERM`. See [`Running::terminal`] to resize it.
    #[must_use]
    pub fn terminal(mut self, rows: u16, cols: u16) -> Self {
        self.0.terminal = Some(TerminalSize { rows, cols });
        self.stdin()
    }

    /// Kills what the command leaves behind when its own process has ended.
    #[must_use]
    pub fn kill_leftovers(mut self) -> Self {
        self.0.leftovers = Leftovers::Kill;
        self
    }
}

/// Where output came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of a command's output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// Where it came from.
    pub stream: OutputStream,
    /// Raw bytes, not empty, cut anywhere.
    pub bytes: Vec<u8>,
}

/// A command that runs in a guest.
pub struct Running {
    stream: Stream,
    pid: u32,
    stdin: Option<Stdin>,
    has_terminal: bool,
    status: Option<ExitStatus>,
    _guest: Guest,
}

impl Running {
    /// Its process id in the guest.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its standard input, once, if it was to have one.
    pub fn take_stdin(&mut self) -> Option<Stdin> {
        self.stdin.take()
    }

    /// A handle to send signals with while the output is read elsewhere.
    pub fn signals(&self) -> Signals {
        Signals(self.stream.sender().clone())
    }

    /// A handle of its terminal, if it has one.
    pub fn terminal(&self) -> Option<Terminal> {
        self.has_terminal.then(|| Terminal(self.stream.sender().clone()))
    }

    /// The next piece of output; `None` once the command has ended. A guest whose output is not taken waits, after 512 KiB.
    /// Losing the future loses nothing.
    ///
    /// # Errors
    /// [`GuestError::Closed`], [`GuestError::Refused`].
    pub async fn output(&mut self) -> Result<Option<Output>, GuestError> {
        while self.status.is_none() {
            let (stream, bytes) = match self.stream.next().await? {
                StreamEvent::Data(Channel::Stdout, bytes) => (OutputStream::Stdout, bytes),
                StreamEvent::Data(Channel::Stderr, bytes) => (OutputStream::Stderr, bytes),
                StreamEvent::Message(ToHost::Exited(status)) => {
                    self.status = Some(status);
                    break;
                }
                other => return Err(unexpected(&other)),
            };
            if !bytes.is_empty() {
                return Ok(Some(Output { stream, bytes }));
            }
        }
        Ok(None)
    }

    /// Waits for the command's end; output that was not taken is dropped.
    ///
    /// # Errors
    /// [`GuestError::Closed`], [`GuestError::Refused`].
    pub async fn wait(mut self) -> Result<ExitStatus, GuestError> {
        while self.output().await?.is_some() {}
        self.status
            .ok_or_else(|| GuestError::Unacceptable("no exit status".to_owned()))
    }
}

/// A command that the agent was asked for.
struct Asked(Running);

impl Asked {
    async fn started(mut self) -> Result<Running, GuestError> {
        match self.0.stream.next().await? {
            StreamEvent::Message(ToHost::Started { pid }) => {
                self.0.pid = pid;
                Ok(self.0)
            }
            other => Err(unexpected(&other)),
        }
    }
}

/// Sends signals to a command. One that has ended needs none: nothing happens.
#[derive(Clone)]
pub struct Signals(StreamSender);

impl Signals {
    /// To the command's own process, by Linux's number.
    pub fn signal(&self, signal: i32) {
        self.0.tell(&ToGuest::Signal {
            signal,
            to: SignalTo::Leader,
        });
    }

    /// To its process group.
    pub fn signal_group(&self, signal: i32) {
        self.0.tell(&ToGuest::Signal {
            signal,
            to: SignalTo::Group,
        });
    }

    /// Kills every process that the command started, wherever it has gone.
    pub fn kill_all(&self) {
        const SIGKILL: i32 = 9;
        self.0.tell(&ToGuest::Signal {
            signal: SIGKILL,
            to: SignalTo::Everything,
        });
    }
}

/// The terminal of a command, to resize while its output is read elsewhere.
#[derive(Clone)]
pub struct Terminal(StreamSender);

impl Terminal {
    /// Gives it so many lines and characters a line; the programs in its foreground are told by SIGWINCH. One whose command
    /// has ended needs no size: nothing happens.
    pub fn resize(&self, rows: u16, cols: u16) {
        self.0.tell(&ToGuest::Resize(TerminalSize { rows, cols }));
    }
}

/// A command's standard input. It ends by [`Stdin::close`] only, so that a lost writer is not taken for an end. On a terminal
/// its end changes nothing; there, a typed Ctrl-D (byte 4) tells a program of an end.
pub struct Stdin(StreamSender);

impl Stdin {
    /// Writes all the bytes, waiting while the command is slow to read. Those that a command no longer wants are lost.
    ///
    /// # Errors
    /// [`GuestError::Closed`].
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), GuestError> {
        self.0.send(bytes).await
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`GuestError::Closed`].
    pub async fn close(self) -> Result<(), GuestError> {
        self.0.end().await
    }
}

/// A command's end and what it wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Captured {
    /// How it ended.
    pub status: ExitStatus,
    /// The beginning of its standard output.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error.
    pub stderr: Vec<u8>,
    /// Whether there was more than was kept.
    pub is_cut: bool,
}

impl Captured {
    /// Whether it ended with exit code 0.
    pub fn is_success(&self) -> bool {
        self.status == ExitStatus::Code(0)
    }
}

impl Guest {
    /// Starts a command.
    ///
    /// # Errors
    /// [`GuestError::Refused`] if it can't be started (no such program, user or directory), [`GuestError::TooLong`],
    /// [`GuestError::Closed`].
    pub async fn exec(&self, exec: Exec) -> Result<Running, GuestError> {
        self.asked(exec).await?.started().await
    }

    /// [`Guest::renew`] and [`Guest::exec`] in one round trip: the command is on its way before the answer to the renewal,
    /// and starts after it. If the guest can't be renewed, the command may have run all the same: give the clone up.
    ///
    /// # Errors
    /// As both; that of the renewal first.
    pub async fn renew_and_exec(&self, renewal: &Renewal, exec: Exec) -> Result<Running, GuestError> {
        self.exec_behind(&renewal.message(), exec).await
    }

    /// [`Guest::set_clock`] and [`Guest::exec`] in one round trip, for a guest that was paused: the command starts when the
    /// time is set.
    ///
    /// # Errors
    /// As both; that of the clock first.
    pub async fn set_clock_and_exec(&self, time: SystemTime, exec: Exec) -> Result<Running, GuestError> {
        self.exec_behind(&clock(time), exec).await
    }

    async fn exec_behind(&self, change: &ToGuest, exec: Exec) -> Result<Running, GuestError> {
        let mut first = self.shared().open()?;
        first.request(Port::Bulk, change).await?;
        // The agent looks at no frame of this port before it is done with the one before.
        let asked = self.asked(exec).await?;
        first.done().await?;
        asked.started().await
    }

    async fn asked(&self, exec: Exec) -> Result<Asked, GuestError> {
        let (has_stdin, has_terminal) = (exec.0.stdin, exec.0.terminal.is_some());
        let stream = self.shared().open()?;
        stream.request(Port::Bulk, &ToGuest::Exec(exec.0)).await?;
        Ok(Asked(Running {
            stdin: has_stdin.then(|| Stdin(stream.sender().clone())),
            has_terminal,
            stream,
            pid: 0,
            status: None,
            _guest: self.clone(),
        }))
    }

    /// Runs a command to its end, handing its output on as it comes. A slow taker slows the command down.
    ///
    /// # Errors
    /// As [`Guest::exec`].
    pub async fn run(&self, exec: Exec, mut take: impl FnMut(OutputStream, &[u8])) -> Result<ExitStatus, GuestError> {
        let mut running = self.exec(exec).await?;
        while let Some(output) = running.output().await? {
            take(output.stream, &output.bytes);
        }
        running.wait().await
    }

    /// Runs a command to its end and keeps the first MiB of each stream of its output.
    ///
    /// # Errors
    /// As [`Guest::exec`].
    pub async fn output(&self, exec: Exec) -> Result<Captured, GuestError> {
        let (mut stdout, mut stderr, mut is_cut) = (Vec::new(), Vec::new(), false);
        let take = |stream, bytes: &[u8]| {
            let kept = match stream {
                OutputStream::Stdout => &mut stdout,
                OutputStream::Stderr => &mut stderr,
            };
            let room = CAPTURE - kept.len();
            is_cut |= bytes.len() > room;
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        };
        let status = self.run(exec, take).await?;
        Ok(Captured {
            status,
            stdout,
            stderr,
            is_cut,
        })
    }
}
