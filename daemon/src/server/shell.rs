//! A connection that has become a shell's: frames to and from the streams of an [`OpenShell`], under credit both ways
//! ([`preflight_protocol::shell`] specifies them). It never stops hearing the client, whatever waits for whom; a client
//! that goes, or breaks the rules, has its shell taken down.

use std::collections::VecDeque;
use std::io;

use bytes::{Buf, Bytes, BytesMut};
use interprocess::local_socket::tokio::Stream;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::shell::frame::{Exit, FrameError, ToClient, ToDaemon};
use preflight_protocol::shell::window::{Due, Window, WindowError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::DropGuard;

use super::Context;
use crate::shells::{OpenShell, ShellEnd, ShellOutput, TerminalSize};

/// What may wait to be written before nothing more is taken from anywhere, in bytes.
const UNWRITTEN: usize = 64 * 1024;

/// What a client is told whose shell ends because the daemon does.
pub(super) fn stopping() -> RpcError {
    RpcError::new(ErrorCode::Conflict, "the daemon stops, and with it the shell's testbed")
}

/// Why a shell's connection is closed before the shell's end.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the client has gone")]
    Gone,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Window(#[from] WindowError),
    #[error("stdin after its end")]
    AfterEnd,
}

/// Serves a shell until it or its client ends.
pub(super) async fn serve(
    mut reader: ReadHalf<Stream>,
    mut writer: WriteHalf<Stream>,
    shell: Box<OpenShell>,
    context: &Context,
) {
    let OpenShell {
        info,
        stdin,
        output,
        signals,
        size,
        end,
        held,
    } = *shell;
    let mut unread = BytesMut::new();
    let mut client = FromClient {
        window: Window::default(),
        waiting: VecDeque::new(),
        stdin,
        ended: false,
        signals,
        size,
    };
    let mut streams = ToClientStreams {
        buffer: BytesMut::new(),
        window: Window::default(),
        cut: None,
        due: Due::default(),
    };
    let mut command = Some(Command {
        output: Some(output),
        end,
        _held: held,
    });
    let mut ended: Option<Result<Exit, RpcError>> = None;
    let pumped: Result<(), Lost> = async {
        loop {
            streams.hand_on();
            if streams.cut.is_none()
                && let Some(end) = ended.take()
            {
                match end {
                    Ok(exit) => ToClient::Exit(exit).encode(&mut streams.buffer),
                    Err(error) => ToClient::Error(error).encode(&mut streams.buffer),
                }
                return tokio::select! {
                    biased;
                    told = streams.tell_all(&mut writer) => Ok(told?),
                    () = context.close.cancelled() => Err(Lost::Gone),
                };
            }
            let room = streams.buffer.len() < UNWRITTEN;
            tokio::select! {
                biased;
                () = context.stop.cancelled(), if command.is_some() => {
                    (command, streams.cut, ended) = (None, None, Some(Err(stopping())));
                }
                written = writer.write_buf(&mut streams.buffer), if !streams.buffer.is_empty() => {
                    written?;
                }
                read = reader.read_buf(&mut unread) => {
                    if read? == 0 {
                        return Err(Lost::Gone);
                    }
                    while let Some(frame) = ToDaemon::decode(&mut unread)? {
                        client.take(frame, &mut streams.window)?;
                    }
                }
                passed = client.pass_on(), if room && !client.waiting.is_empty() => {
                    if let Some(credit) = streams.due.passed(passed) {
                        client.window.give(credit)?;
                        ToClient::Credit(credit).encode(&mut streams.buffer);
                    }
                }
                output = Command::next(&mut command), if room && streams.cut.is_none() => match output {
                    News::Output(piece) => streams.cut = Some(piece),
                    // The testbed is of no more use, however long the client takes to read the rest.
                    News::End(end) => (command, ended) = (None, Some(end)),
                },
                () = context.close.cancelled() => return Err(Lost::Gone),
            }
        }
    }
    .await;
    if let Err(lost) = pumped {
        tracing::debug!(machine = info.machine, %lost, "a shell's connection is closed");
    }
}

/// The client's direction.
struct FromClient {
    /// What it may still send.
    window: Window,
    /// Stdin that the command has not taken; no more than the window.
    waiting: VecDeque<Bytes>,
    stdin: Option<mpsc::Sender<Bytes>>,
    /// Whether nothing follows what waits.
    ended: bool,
    signals: mpsc::Sender<u8>,
    size: watch::Sender<TerminalSize>,
}

impl FromClient {
    fn take(&mut self, frame: ToDaemon, output: &mut Window) -> Result<(), Lost> {
        match frame {
            ToDaemon::Stdin(_) if self.ended => return Err(Lost::AfterEnd),
            ToDaemon::Stdin(bytes) => {
                self.window.take(bytes.len())?;
                self.waiting.push_back(bytes);
            }
            ToDaemon::StdinEnd => {
                self.ended = true;
                self.end_when_passed_on();
            }
            // Nobody cares any more where the command has ended; and of many signals some are lost.
            ToDaemon::Resize(size) => drop(self.size.send_replace(size)),
            ToDaemon::Signal(number) => drop(self.signals.try_send(number)),
            ToDaemon::Credit(bytes) => output.give(bytes)?,
        }
        Ok(())
    }

    /// Passes the first piece on, once the command takes it; answers how long it was. What a command no longer wants is
    /// dropped, as a pipe's writer would be told by SIGPIPE, and counts as passed on.
    async fn pass_on(&mut self) -> usize {
        let length = self.waiting.front().map_or(0, Bytes::len);
        if let Some(stdin) = &self.stdin
            && let Ok(permit) = stdin.reserve().await
            && let Some(piece) = self.waiting.pop_front()
        {
            permit.send(piece);
        } else {
            self.waiting.pop_front();
        }
        self.end_when_passed_on();
        length
    }

    fn end_when_passed_on(&mut self) {
        if self.ended && self.waiting.is_empty() {
            self.stdin = None;
        }
    }
}

/// The daemon's direction.
struct ToClientStreams {
    /// Frames that are not written yet.
    buffer: BytesMut,
    /// What the client still takes.
    window: Window,
    /// A piece of output, or what of it had no credit yet.
    cut: Option<ShellOutput>,
    /// Credit for stdin.
    due: Due,
}

impl ToClientStreams {
    /// Makes frames of as much output as has credit.
    fn hand_on(&mut self) {
        let Some(piece) = self.cut.take() else { return };
        let (mut bytes, wrap): (_, fn(Bytes) -> ShellOutput) = match piece {
            ShellOutput::Stdout(bytes) => (bytes, ShellOutput::Stdout),
            ShellOutput::Stderr(bytes) => (bytes, ShellOutput::Stderr),
        };
        let now = bytes.split_to(bytes.len().min(self.window.left() as usize));
        // No more than is left.
        let taken = self.window.take(now.len());
        debug_assert!(taken.is_ok());
        match wrap(now) {
            ShellOutput::Stdout(now) => ToClient::Stdout(now).encode(&mut self.buffer),
            ShellOutput::Stderr(now) => ToClient::Stderr(now).encode(&mut self.buffer),
        }
        if bytes.has_remaining() {
            self.cut = Some(wrap(bytes));
        }
    }

    /// Writes all that is left, and that nothing follows.
    async fn tell_all(&mut self, writer: &mut WriteHalf<Stream>) -> io::Result<()> {
        while self.buffer.has_remaining() {
            writer.write_buf(&mut self.buffer).await?;
        }
        writer.shutdown().await
    }
}

/// The command in its testbed, both gone when this is dropped.
struct Command {
    /// None once it has ended.
    output: Option<mpsc::Receiver<ShellOutput>>,
    end: ShellEnd,
    _held: DropGuard,
}

enum News {
    Output(ShellOutput),
    End(Result<Exit, RpcError>),
}

impl Command {
    /// What comes next; nothing ever of a command that has gone.
    async fn next(command: &mut Option<Self>) -> News {
        let Some(command) = command else {
            return std::future::pending().await;
        };
        if let Some(output) = &mut command.output {
            match output.recv().await {
                Some(piece) => return News::Output(piece),
                None => command.output = None,
            }
        }
        News::End(command.end.wait().await)
    }
}
