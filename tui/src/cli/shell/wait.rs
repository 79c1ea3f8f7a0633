//! Opens a shell's connection, starts the daemon where none runs, and says meanwhile what is waited for.

use std::cell::RefCell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use preflight_protocol::client::ClientError;
use preflight_protocol::shell::ShellOpen;
use preflight_protocol::shell::connection::{self, OpenConnection};
use tokio::time::{MissedTickBehavior, interval};

use super::signals::{Heard, Signals};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::conn::attach::CLIENT;

/// How often the line is drawn; what takes less is not told.
const TICK: Duration = Duration::from_millis(200);

/// What came of it.
pub(super) enum Opening {
    /// The shell is open.
    Done(Box<OpenConnection>),
    /// This process was told to end.
    Signal(u8),
}

/// Opens it. Whatever was begun for a shell that is not waited for is undone by the daemon.
///
/// # Errors
/// Where there is no daemon, or no shell.
pub(super) async fn open(
    context: &Context,
    request: &ShellOpen,
    signals: &mut Signals,
    talk: bool,
) -> Result<Opening, CliError> {
    let phase = RefCell::new(String::from("waiting for the daemon"));
    let opening = attempt(context, request, &phase);
    tokio::pin!(opening);
    let mut clock = interval(TICK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    clock.tick().await;
    let line = Line::default();
    loop {
        tokio::select! {
            opened = &mut opening => return opened.map(|connection| Opening::Done(Box::new(connection))),
            heard = signals.next() => match heard {
                Heard::Signal(number) => return Ok(Opening::Signal(number)),
                // Told once the shell is open, with its newest size.
                Heard::Resized => {}
            },
            _ = clock.tick(), if talk => line.show(&phase.borrow()),
        }
    }
}

async fn attempt(context: &Context, request: &ShellOpen, phase: &RefCell<String>) -> Result<OpenConnection, CliError> {
    let socket = &context.endpoint.socket;
    let open = || {
        connection::open(socket, CLIENT, request, |progress| {
            phase.replace(progress.phase);
        })
    };
    match open().await {
        // One that is just dying may still take a connection. It has opened nothing that could be lost.
        Err(ClientError::NoDaemon { .. } | ClientError::Closed) => {
            context.attach().await?;
            Ok(open().await?)
        }
        other => Ok(other?),
    }
}

/// A line on the terminal that is gone when this is.
struct Line(ProgressBar);

impl Default for Line {
    fn default() -> Self {
        let bar = ProgressBar::hidden();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style.tick_chars("|/-\\ "));
        }
        Self(bar)
    }
}

impl Line {
    fn show(&self, text: &str) {
        self.0.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        self.0.set_message(crate::safe::text(text).into_owned());
        self.0.tick();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
