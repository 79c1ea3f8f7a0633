//! Shells in testbeds: what is asked for, the ends of the streams, and the trait by which the server meets who opens
//! them. It knows neither the clients' socket nor how a testbed is made.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use preflight_core::{ImageId, JobId, Series, Ticket};
use preflight_protocol::error::{ErrorCode, RpcError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::loans::LoanId;

pub use preflight_protocol::shell::TerminalSize;
pub use preflight_protocol::shell::frame::Exit;

/// How many pieces of a stream wait for a slow taker. A piece is mostly at most 64 KiB.
const PIECES: usize = 4;
/// How many signals wait; more are lost, as the kernel loses them.
const SIGNALS: usize = 16;

/// Opens shells.
#[async_trait]
pub trait Shells: Send + Sync {
    /// Makes a testbed and starts the command in it. A future that is dropped leaves no testbed behind, as does an
    /// [`OpenShell`] that is dropped.
    ///
    /// # Errors
    /// Where there is no such series or image, or no testbed can be had.
    async fn open(&self, request: ShellRequest, phase: Phase) -> Result<OpenShell, RpcError>;

    /// Waits until no testbed is left of shells that were dropped. Called once, at the daemon's end.
    async fn finish(&self);
}

/// A shell as it is asked for; who asks has been looked at, and that everything is of a possible length.
#[derive(Debug, Clone)]
pub struct ShellRequest {
    /// Where.
    pub target: Target,
    /// The command and its arguments, at least one; the user's login shell where it is missing.
    pub command: Option<Vec<OsString>>,
    /// The terminal to run it on; without one it has a pipe for each standard stream.
    pub terminal: Option<TerminalSize>,
    /// Variables, beside those that the testbed has.
    pub env: Vec<(OsString, OsString)>,
    /// The folder to run it in; where the job failed, or the user's home, where it is missing.
    pub cwd: Option<PathBuf>,
    /// The user; whose command failed, or root, where it is missing.
    pub user: Option<String>,
}

/// Where a shell is opened.
#[derive(Debug, Clone)]
pub enum Target {
    /// In a fresh testbed.
    Series(Series),
    /// In what a ticket has left.
    Ticket {
        /// The ticket as it stands.
        ticket: Arc<Ticket>,
        /// One of its jobs, which has ended; the ticket's image where it is missing.
        job: Option<JobId>,
    },
    /// In a testbed that is lent: it outlives the shell, as does what the command has left behind.
    Lent(LoanId),
}

/// Tells what is waited for before a shell is open; the newest word counts.
#[derive(Debug, Clone)]
pub struct Phase(watch::Sender<String>);

impl Phase {
    /// The teller and what is told.
    #[must_use]
    pub fn new() -> (Self, watch::Receiver<String>) {
        let (sender, receiver) = watch::channel(String::new());
        (Self(sender), receiver)
    }

    /// Tells it in a few words, such as `resuming the testbed of job 31`.
    pub fn say(&self, words: impl Into<String>) {
        self.0.send_replace(words.into());
    }
}

/// What is told of a shell that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellInfo {
    /// The testbed's name.
    pub machine: String,
    /// The series that it runs.
    pub series: Series,
    /// The image that it started from.
    pub image: ImageId,
    /// The job whose testbed was kept and is looked at, where it is one.
    pub job: Option<JobId>,
    /// Whether it goes on from where that job's testbed was kept.
    pub resumed: bool,
    /// The folder that the command runs in, where it is known.
    pub cwd: Option<PathBuf>,
    /// A word to the owner, such as why it was not resumed.
    pub note: Option<String>,
}

/// A piece of output: not empty, cut anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellOutput {
    /// Of standard output, or of the terminal.
    Stdout(Bytes),
    /// Of standard error.
    Stderr(Bytes),
}

/// A shell that is open, as the server holds it. Dropping it kills the command and takes the testbed down.
#[derive(Debug)]
pub struct OpenShell {
    /// What is told of it.
    pub info: ShellInfo,
    /// To its standard input; dropped, that has ended. A command that does not read fills it.
    pub stdin: Option<mpsc::Sender<Bytes>>,
    /// Its output; ended once all is told.
    pub output: mpsc::Receiver<ShellOutput>,
    /// Signals to its process group, by Linux's numbers.
    pub signals: mpsc::Sender<u8>,
    /// Its terminal's size, where it has one.
    pub size: watch::Sender<TerminalSize>,
    /// How it ended; to be looked at when the output has ended.
    pub end: ShellEnd,
    /// Dropped, nobody wants the shell any more.
    pub held: DropGuard,
}

/// How a shell ends, once it does.
#[derive(Debug)]
pub struct ShellEnd(oneshot::Receiver<Result<Exit, RpcError>>);

impl ShellEnd {
    /// Waits for it. Losing the future loses nothing.
    ///
    /// # Errors
    /// What ended the shell before the command's own end.
    pub async fn wait(&mut self) -> Result<Exit, RpcError> {
        (&mut self.0).await.unwrap_or_else(|_| {
            let lost = "the shell was lost: what ran it has failed";
            Err(RpcError::new(ErrorCode::Internal, lost).with_hint("`preflight daemon status` names the daemon's log"))
        })
    }
}

/// The other end of an [`OpenShell`], as who runs the command holds it.
#[derive(Debug)]
pub struct ShellEnds {
    /// Its standard input, to its end.
    pub stdin: mpsc::Receiver<Bytes>,
    /// Where its output goes. Waiting here stops the command's output while the client is slow.
    pub output: mpsc::Sender<ShellOutput>,
    /// Signals to its process group.
    pub signals: mpsc::Receiver<u8>,
    /// Its terminal's size, whenever it changes.
    pub size: watch::Receiver<TerminalSize>,
    /// Cancelled when nobody wants the shell any more: the command is to be killed, the testbed to be taken down.
    pub dropped: CancellationToken,
    end: oneshot::Sender<Result<Exit, RpcError>>,
}

impl OpenShell {
    /// A shell's two ends. `size` is the terminal's at the start; whatever it is where there is none.
    #[must_use]
    pub fn new(info: ShellInfo, size: TerminalSize) -> (Self, ShellEnds) {
        let (stdin, to_stdin) = mpsc::channel(PIECES);
        let (from_output, output) = mpsc::channel(PIECES);
        let (signals, to_signal) = mpsc::channel(SIGNALS);
        let (size, to_resize) = watch::channel(size);
        let (ended, end) = oneshot::channel();
        let dropped = CancellationToken::new();
        let shell = Self {
            info,
            stdin: Some(stdin),
            output,
            signals,
            size,
            end: ShellEnd(end),
            held: dropped.clone().drop_guard(),
        };
        let ends = ShellEnds {
            stdin: to_stdin,
            output: from_output,
            signals: to_signal,
            size: to_resize,
            dropped,
            end: ended,
        };
        (shell, ends)
    }
}

impl ShellEnds {
    /// Ends the shell: its output first, then how it ended. To be called when all output is told; nobody may listen any
    /// more.
    pub fn finish(self, end: Result<Exit, RpcError>) {
        let Self { output, end: tell, .. } = self;
        drop(output);
        let _ = tell.send(end);
    }
}

/// Opens none: for a daemon that has nothing to open them in.
#[derive(Debug, Clone, Copy)]
pub struct NoShells;

#[async_trait]
impl Shells for NoShells {
    async fn open(&self, _: ShellRequest, _: Phase) -> Result<OpenShell, RpcError> {
        Err(RpcError::new(
            ErrorCode::Host,
            "this daemon opens no shells: nothing that makes testbeds for them is assembled",
        ))
    }

    async fn finish(&self) {}
}
