//! An open shell's streams, from this process's own to the daemon and back, to the shell's end or ours. It never stops
//! hearing the daemon, the keys and the signals, whatever waits for whom.

use std::io;

use bytes::{Bytes, BytesMut};
use preflight_protocol::error::RpcError;
use preflight_protocol::shell::connection::{FrameReader, FrameWriter, ShellLost};
use preflight_protocol::shell::frame::{Exit, ToClient, ToDaemon};
use preflight_protocol::shell::window::{Due, Window};
use tokio::sync::mpsc;

use super::escape::Escape;
use super::signals::{self, Heard, Signals};
use super::threads::{self, Done};
use crate::terminal_raw;

/// What is read ahead of standard input, in bytes, so that an escape is heard behind what the shell does not take.
const READ_AHEAD: usize = 256 * 1024;

/// Why a shell has ended for us.
#[derive(Debug)]
pub(crate) enum End {
    /// It ended.
    Exit(Exit),
    /// The daemon says why it ended.
    Error(RpcError),
    /// The daemon has gone.
    Lost(ShellLost),
    /// It was left by the escape.
    Escaped,
    /// This process was told to end.
    Signal(u8),
    /// Nobody takes the output.
    Output(io::Error),
}

/// How this process's streams are used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    /// The shell has a terminal, whose size is this process's terminal's.
    pub(crate) follow_size: bool,
    /// This process's terminal is raw: keys are the shell's but for the escape, and signals are for us.
    pub(crate) raw: bool,
    /// Signals are the command's; otherwise they end this process, and with it the command.
    pub(crate) handed_on: bool,
}

/// Hands bytes both ways until an end; then all output is written that was told before it.
///
/// # Errors
/// Where the system has no descriptor left.
pub(crate) async fn run(
    reader: FrameReader,
    writer: FrameWriter,
    signals: &mut Signals,
    mode: Mode,
) -> io::Result<End> {
    let (tell, mut done) = mpsc::unbounded_channel();
    let (out, err) = (
        threads::output(io::stdout(), tell.clone())?,
        threads::output(io::stderr(), tell)?,
    );
    let end = Streams {
        reader,
        writer,
        out,
        err,
        mode,
        window: Window::default(),
        due: Due::default(),
        typed: BytesMut::new(),
        escape: Escape::default(),
        input: Input::Open,
    }
    .pump(signals, &mut done)
    .await?;
    if !matches!(end, End::Exit(_) | End::Error(_) | End::Lost(_)) {
        return Ok(end);
    }
    // The threads' senders are gone with the streams: they end when all is written.
    loop {
        tokio::select! {
            told = done.recv() => match told {
                None => return Ok(end),
                Some(Done::Written(_)) => {}
                Some(Done::Failed(error)) => return Ok(End::Output(error)),
            },
            heard = signals.next() => match heard {
                Heard::Resized => {}
                Heard::Signal(number) => return Ok(End::Signal(number)),
            },
        }
    }
}

/// How far standard input has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// There may be more.
    Open,
    /// All of it is in `typed`.
    Ended,
    /// The daemon knows, or wants no more.
    Told,
}

struct Streams {
    reader: FrameReader,
    writer: FrameWriter,
    out: mpsc::UnboundedSender<Bytes>,
    err: mpsc::UnboundedSender<Bytes>,
    mode: Mode,
    /// What may still be sent.
    window: Window,
    /// Credit for output.
    due: Due,
    /// What is not sent yet.
    typed: BytesMut,
    escape: Escape,
    input: Input,
}

impl Streams {
    async fn pump(mut self, signals: &mut Signals, done: &mut mpsc::UnboundedReceiver<Done>) -> io::Result<End> {
        let mut chunks = threads::stdin()?;
        if self.mode.follow_size {
            // It may have changed since the shell was asked for.
            self.writer.push(&ToDaemon::Resize(terminal_raw::size()));
        }
        loop {
            self.send_typed();
            let read_on = self.input == Input::Open && self.typed.len() < READ_AHEAD;
            tokio::select! {
                frame = self.reader.next() => match frame {
                    Ok(frame) => {
                        if let Some(end) = self.take(frame) {
                            return Ok(end);
                        }
                    }
                    Err(lost) => return Ok(End::Lost(lost)),
                },
                flushed = self.writer.flush(), if self.writer.unsent() > 0 => {
                    if flushed.is_err() {
                        // It takes no more; how the shell ended may still be to read.
                        self.writer.forget();
                        self.input = Input::Told;
                    }
                }
                told = done.recv() => match told {
                    Some(Done::Written(count)) => {
                        if let Some(credit) = self.due.passed(count) {
                            self.writer.push(&ToDaemon::Credit(credit));
                        }
                    }
                    Some(Done::Failed(error)) => return Ok(End::Output(error)),
                    None => return Ok(End::Output(io::ErrorKind::BrokenPipe.into())),
                },
                chunk = chunks.recv(), if read_on => match chunk {
                    Some(chunk) if self.mode.raw => {
                        let typed = self.escape.take(&chunk);
                        self.typed.extend_from_slice(&typed.bytes);
                        if typed.leave {
                            return Ok(End::Escaped);
                        }
                    }
                    Some(chunk) => self.typed.extend_from_slice(&chunk),
                    None => self.input = Input::Ended,
                },
                heard = signals.next() => match heard {
                    Heard::Resized if self.mode.follow_size => {
                        self.writer.push(&ToDaemon::Resize(terminal_raw::size()));
                    }
                    Heard::Resized => {}
                    Heard::Signal(number) if self.is_for_us(number) => return Ok(End::Signal(number)),
                    Heard::Signal(number) => self.writer.push(&ToDaemon::Signal(number)),
                },
            }
        }
    }

    fn is_for_us(&self, signal: u8) -> bool {
        self.mode.raw || !self.mode.handed_on || signals::ends_us(signal)
    }

    /// Puts as much of standard input into frames as has credit.
    fn send_typed(&mut self) {
        if self.input == Input::Told {
            self.typed.clear();
            return;
        }
        let now = self.typed.len().min(self.window.left() as usize);
        if now > 0 && self.window.take(now).is_ok() {
            self.writer.push(&ToDaemon::Stdin(self.typed.split_to(now).freeze()));
        }
        if self.input == Input::Ended && self.typed.is_empty() {
            self.writer.push(&ToDaemon::StdinEnd);
            self.input = Input::Told;
        }
    }

    fn take(&mut self, frame: ToClient) -> Option<End> {
        match frame {
            // A thread that is gone has told why.
            ToClient::Stdout(bytes) => drop(self.out.send(bytes)),
            ToClient::Stderr(bytes) => drop(self.err.send(bytes)),
            // A daemon that gives too much is trusted with what we have.
            ToClient::Credit(credit) => drop(self.window.give(credit)),
            ToClient::Exit(exit) => return Some(End::Exit(exit)),
            ToClient::Error(error) => return Some(End::Error(error)),
        }
        None
    }
}
