//! `shell/open`: a shell, or one command, in a testbed; its streams then take the connection over.
//!
//! It owns what is asked for, what is answered and ([`frame`], [`window`]) what crosses the connection afterwards. It
//! knows neither testbeds nor terminals, and does no I/O ([`connection`] is for the feature `client`).
//!
//! # The connection
//! A daemon that can do this names [`CAPABILITY`] in its handshake. The client connects as always, sends `initialize`,
//! then `shell/open` ([`crate::method::Method`] for [`ShellOpen`]) while no other request of this connection is open and
//! none has subscribed, and then nothing before the answer. Until then the daemon may send notifications
//! [`PROGRESS`] ([`ShellProgress`]). An error as answer leaves the connection as it was. After an answer
//! ([`ShellOpened`]) the connection is no longer JSON-RPC, as after HTTP's `101 Switching Protocols`: each side sends
//! frames until it ends. There is no way back.
//!
//! # Frames
//! ```text
//! +------+-----------------+---------…
//! | type | length (u32 BE) | payload   at most 64 KiB
//! +------+-----------------+---------…
//! ```
//!
//! | type | from | name | payload |
//! |---|---|---|---|
//! | 1 | client | stdin | 1 or more bytes |
//! | 2 | client | stdin-end | none; no stdin may follow |
//! | 3 | client | resize | rows, columns (u16 BE each, not 0); only with a terminal |
//! | 4 | client | signal | Linux's number of a signal, 1 to 31 (u8); to the command's process group |
//! | 5 | client | credit | bytes (u32 BE, not 0) of output that it has passed on |
//! | 65 | daemon | stdout | 1 or more bytes; with a terminal all output is this |
//! | 66 | daemon | stderr | 1 or more bytes |
//! | 67 | daemon | exit | 0 and the exit code, or 1 and the signal's number (u8, u8); the last frame |
//! | 68 | daemon | error | an [`crate::error::RpcError`] as JSON; the last frame |
//! | 69 | daemon | credit | bytes (u32 BE, not 0) of stdin that it has passed on |
//!
//! Any other type, length or payload is an error of the peer's, and ends the connection.
//!
//! # Credit
//! Neither side sends more than [`window::WINDOW`] bytes of streams (stdin one way; stdout and stderr together the other
//! way) beyond what the other has given credit for. So no side ever has to stop reading: a client whose reader is slow
//! stops the command's output and nothing else, a command that does not read stops stdin and nothing else, and signals,
//! sizes and the end of the peer are always heard.
//!
//! # The end
//! After exit or error the daemon closes the connection. A connection that ends otherwise, from either side, is the
//! shell's end too: the command is killed, and the testbed is gone soon after.

#[cfg(feature = "client")]
pub mod connection;
pub mod frame;
pub mod window;
pub mod word;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ImageId, JobId, Series, TicketId};
use crate::job::JobKind;
use crate::testbed::TestbedId;
use word::Word;

/// What the handshake calls this.
pub const CAPABILITY: &str = "shell";
/// The notification's name that tells what is waited for before the answer; its parameters are a [`ShellProgress`].
pub const PROGRESS: &str = "shell/progress";
/// The most bytes that command, environment, folder and user have together: what one message to a guest holds.
pub const MAX_REQUEST: usize = 96 * 1024;
/// The most rows and columns that a terminal has.
pub const MAX_SIZE: u16 = 10_000;

/// Open a shell; the connection is taken over by its streams ([`crate::shell`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShellOpen {
    /// Where.
    pub target: ShellTarget,
    /// The command and its arguments; the user's login shell where it is missing.
    pub command: Option<Vec<Word>>,
    /// The terminal to run it on; without one it has a pipe for each standard stream.
    pub terminal: Option<TerminalSize>,
    /// Variables of its environment, beside those that the testbed has: TERM, COLORTERM and LANG, say.
    #[serde(default)]
    pub env: Vec<Variable>,
    /// The folder to run it in; where it failed, or the user's home, where it is missing.
    pub cwd: Option<Word>,
    /// The user to run it as; whose command failed, or root, where it is missing.
    pub user: Option<String>,
}

/// Where a shell is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShellTarget {
    /// In a fresh testbed of this series.
    Series(Series),
    /// In what a ticket has left.
    Ticket {
        /// The ticket.
        ticket: TicketId,
        /// Which of its jobs; the newest that failed where it is missing, and without one the ticket's image.
        job: Option<JobChoice>,
    },
    /// In a testbed that is lent ([`crate::testbed`]). The shell's end is not the testbed's then, nor that of processes
    /// which the command has left behind.
    Testbed(TestbedId),
}

/// One of a ticket's jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobChoice {
    /// By its number.
    Id(JobId),
    /// By what it does.
    Kind {
        /// What it does.
        kind: JobKind,
        /// The source package that it does it for, where there are several.
        source: Option<String>,
    },
}

/// A terminal's size in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct TerminalSize {
    /// Lines, from 1 to [`MAX_SIZE`].
    pub rows: u16,
    /// Characters in a line, from 1 to [`MAX_SIZE`].
    pub cols: u16,
}

impl TerminalSize {
    /// What terminals had before they told their size.
    pub const USUAL: Self = Self { rows: 24, cols: 80 };

    /// A size, if a terminal can have it.
    #[must_use]
    pub fn new(rows: u16, cols: u16) -> Option<Self> {
        let fits = |number| (1..=MAX_SIZE).contains(&number);
        (fits(rows) && fits(cols)).then_some(Self { rows, cols })
    }
}

/// A variable of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Variable {
    /// Its name.
    pub name: Word,
    /// Its value.
    pub value: Word,
}

/// The shell that was opened; frames follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShellOpened {
    /// The testbed's name.
    pub machine: String,
    /// The series that it runs.
    pub series: Series,
    /// The image that it started from.
    pub image: ImageId,
    /// The job whose testbed was kept and is looked at, where it is one.
    pub job: Option<JobId>,
    /// Whether it goes on from where that job's testbed was kept, rather than from the image.
    pub resumed: bool,
    /// The folder that the command runs in, where the daemon knows it.
    pub cwd: Option<Word>,
    /// A word to the owner, such as why it was not resumed.
    pub note: Option<String>,
}

/// What is done before a shell can be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShellProgress {
    /// In a few words, such as `resuming the testbed of job 31`.
    pub phase: String,
}

/// A request that no testbed is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShellRefused {
    /// A command of no words, or without a program.
    #[error("the command has no program")]
    NoProgram,
    /// What no argument, variable, folder or user of Linux can hold.
    #[error("{0} holds a NUL byte, which nothing of a command may")]
    Nul(&'static str),
    /// A variable's name that is none.
    #[error("a variable's name is empty or holds `=`")]
    BadVariable,
    /// An empty folder or user.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// A terminal of an impossible size.
    #[error("a terminal of {0} rows and {1} columns: both must be from 1 to {MAX_SIZE}")]
    BadSize(u16, u16),
    /// More than a guest is told at once.
    #[error("command and environment have {0} bytes, and no more than {MAX_REQUEST} are taken")]
    TooLong(usize),
}

impl ShellOpen {
    /// Whether what is asked for can be.
    ///
    /// # Errors
    /// The first thing that cannot.
    pub fn check(&self) -> Result<(), ShellRefused> {
        let command = self.command.as_deref().unwrap_or_default();
        if self.command.is_some() && command.first().is_none_or(|program| program.0.is_empty()) {
            return Err(ShellRefused::NoProgram);
        }
        for variable in &self.env {
            if variable.name.0.is_empty() || variable.name.0.contains(&b'=') {
                return Err(ShellRefused::BadVariable);
            }
        }
        if self.cwd.as_ref().is_some_and(|cwd| cwd.0.is_empty()) {
            return Err(ShellRefused::Empty("the folder"));
        }
        if self.user.as_ref().is_some_and(String::is_empty) {
            return Err(ShellRefused::Empty("the user"));
        }
        if let Some(TerminalSize { rows, cols }) = self.terminal
            && TerminalSize::new(rows, cols).is_none()
        {
            return Err(ShellRefused::BadSize(rows, cols));
        }
        let mut length = 0;
        for (what, bytes) in self.texts() {
            if bytes.contains(&0) {
                return Err(ShellRefused::Nul(what));
            }
            // Each is told with its length before it.
            length += bytes.len() + 8;
        }
        if length > MAX_REQUEST {
            return Err(ShellRefused::TooLong(length));
        }
        Ok(())
    }

    fn texts(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let command = self.command.iter().flatten().map(|word| ("the command", &word.0[..]));
        let env = self.env.iter().flat_map(|variable| {
            [
                ("the environment", &variable.name.0[..]),
                ("the environment", &variable.value.0[..]),
            ]
        });
        let cwd = self.cwd.iter().map(|cwd| ("the folder", &cwd.0[..]));
        let user = self.user.iter().map(|user| ("the user", user.as_bytes()));
        command.chain(env).chain(cwd).chain(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> ShellOpen {
        ShellOpen {
            target: ShellTarget::Series(Series("debian-bookworm".into())),
            command: None,
            terminal: None,
            env: vec![],
            cwd: None,
            user: None,
        }
    }

    #[test]
    fn what_cannot_be_is_refused_and_nothing_else() {
        let word = |text: &str| Word(text.into());
        let command = |words: &[&str]| ShellOpen {
            command: Some(words.iter().map(|text| word(text)).collect()),
            ..plain()
        };
        let variable = |name, value| ShellOpen {
            env: vec![Variable {
                name: word(name),
                value: word(value),
            }],
            ..plain()
        };
        let terminal = |rows, cols| ShellOpen {
            terminal: Some(TerminalSize { rows, cols }),
            ..plain()
        };
        let long = "x".repeat(MAX_REQUEST);
        for (request, expected) in [
            (plain(), Ok(())),
            (command(&["true", ""]), Ok(())),
            (command(&[]), Err(ShellRefused::NoProgram)),
            (command(&["", "x"]), Err(ShellRefused::NoProgram)),
            (command(&["a", "b\0"]), Err(ShellRefused::Nul("the command"))),
            (
                command(&["a", &long]),
                Err(ShellRefused::TooLong(1 + 8 + MAX_REQUEST + 8)),
            ),
            (variable("A", ""), Ok(())),
            (variable("", "b"), Err(ShellRefused::BadVariable)),
            (variable("A=B", "b"), Err(ShellRefused::BadVariable)),
            (variable("A", "\0"), Err(ShellRefused::Nul("the environment"))),
            (terminal(1, MAX_SIZE), Ok(())),
            (terminal(0, 80), Err(ShellRefused::BadSize(0, 80))),
            (terminal(24, 10_001), Err(ShellRefused::BadSize(24, 10_001))),
            (
                ShellOpen {
                    cwd: Some(word("")),
                    ..plain()
                },
                Err(ShellRefused::Empty("the folder")),
            ),
            (
                ShellOpen {
                    user: Some("a\0".into()),
                    ..plain()
                },
                Err(ShellRefused::Nul("the user")),
            ),
        ] {
            assert_eq!(request.check(), expected, "{request:?}");
        }
    }
}
