//! A guest for tests, in this process: it binds the two sockets, speaks the agent's side of the protocol and answers
//! commands by a script of the test's. Files are in memory; faults are by choice and seeded. No virtual machine, no
//! processes.
//!
//! ```no_run
//! # async fn example(sockets: preflight_guest::ChannelSockets) -> Result<(), Box<dyn std::error::Error>> {
//! use preflight_guest::fake::{FakeAgent, Faults, Scripted};
//! use preflight_guest::{Exec, Guest};
//!
//! let script = Scripted::new().on("dpkg-buildpackage", b"built\n", 0).on_hangs("hanging-test", b"");
//! let fake = FakeAgent::start(&sockets, script, Faults::default())?;
//! let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
//! let (guest, _tunnels) = Guest::attach(sockets, deadline).await?;
//! assert_eq!(guest.output(Exec::new(["dpkg-buildpackage", "-b"])).await?.stdout, b"built\n");
//! assert!(fake.files().paths().is_empty());
//! # Ok(())
//! # }
//! ```

mod agent;
mod files;
mod port;
mod session;
mod shell;

use std::future::Future;
use std::path::PathBuf;
use std::time::SystemTime;

pub use agent::FakeAgent;
pub use files::{FakeFile, FakeFiles};
use preflight_guest_protocol::message::{AttemptProtocol, ExitStatus, NetworkAttempt, TerminalSize};
pub use shell::FakeShell;

use crate::renewal::Renewal;

/// A command that the daemon runs in a fake guest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FakeCommand {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables beyond the basic ones.
    pub env: Vec<(String, String)>,
    /// Working directory, if asked for.
    pub cwd: Option<PathBuf>,
    /// User, if asked for.
    pub user: Option<String>,
    /// Its terminal's first size, if it has one. A fake terminal echoes nothing and changes nothing of what is typed.
    pub terminal: Option<TerminalSize>,
}

impl FakeCommand {
    /// The words with spaces between, to match against.
    pub fn line(&self) -> String {
        self.argv.join(" ")
    }
}

/// What the daemon did with a fake guest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FakeEvent {
    /// It gave the guest an identity.
    Renewed(Renewal),
    /// It set the clock, and that alone.
    ClockSet(SystemTime),
    /// It started a command.
    Started(FakeCommand),
}

/// What a fake guest does when the daemon runs a command in it.
pub trait FakeGuest: Send + Sync + 'static {
    /// Plays the command: writes output, changes files, fetches through the tunnel, and ends. A kill or the loss of the
    /// session drops the future.
    fn exec(&self, command: FakeCommand, shell: FakeShell) -> impl Future<Output = ExitStatus> + Send;

    /// Whether it says that its kernel is its own disk's.
    fn own_kernel(&self) -> bool {
        false
    }
}

/// What goes wrong with a fake guest, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// The bulk port's connection is dropped once the guest has sent so many bytes over it: the machine died.
    pub drop_after: Option<u64>,
    /// Garbage of this seed goes over the bulk port once the guest has sent so many bytes over it.
    pub garbage_after: Option<u64>,
    /// The last beat is this one: the guest hangs. Commands go on.
    pub beats: Option<u64>,
    /// What the garbage is made from.
    pub seed: u64,
}

/// A guest that answers by a list: the first entry whose words are in a command's line decides.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    answers: Vec<Answer>,
}

#[derive(Clone, Debug)]
struct Answer {
    words: String,
    play: Play,
}

#[derive(Clone, Debug)]
enum Play {
    End {
        stdout: Vec<u8>,
        stderr: Vec<u8>,
        files: Vec<(PathBuf, Vec<u8>)>,
        code: i32,
    },
    Hang {
        stdout: Vec<u8>,
    },
    Attempt {
        host: String,
        code: i32,
    },
}

impl Scripted {
    /// A guest in which every command succeeds without a word.
    pub fn new() -> Self {
        Self::default()
    }

    /// Commands with these words write this and end with this code.
    #[must_use]
    pub fn on(self, words: &str, stdout: &[u8], code: i32) -> Self {
        self.with(
            words,
            Play::End {
                stdout: stdout.to_vec(),
                stderr: Vec::new(),
                files: Vec::new(),
                code,
            },
        )
    }

    /// Commands with these words write this to standard error and end with this code.
    #[must_use]
    pub fn on_error(self, words: &str, stderr: &[u8], code: i32) -> Self {
        self.with(
            words,
            Play::End {
                stdout: Vec::new(),
                stderr: stderr.to_vec(),
                files: Vec::new(),
                code,
            },
        )
    }

    /// Commands with these words make these files and succeed.
    #[must_use]
    pub fn on_makes(self, words: &str, files: &[(&str, &[u8])]) -> Self {
        let files = files
            .iter()
            .map(|(path, bytes)| (PathBuf::from(path), bytes.to_vec()))
            .collect();
        self.with(
            words,
            Play::End {
                stdout: Vec::new(),
                stderr: Vec::new(),
                files,
                code: 0,
            },
        )
    }

    /// Commands with these words write this and never end by themselves.
    #[must_use]
    pub fn on_hangs(self, words: &str, stdout: &[u8]) -> Self {
        self.with(
            words,
            Play::Hang {
                stdout: stdout.to_vec(),
            },
        )
    }

    /// Commands with these words ask for a name on the network and end with this code.
    #[must_use]
    pub fn on_tries_network(self, words: &str, host: &str, code: i32) -> Self {
        self.with(
            words,
            Play::Attempt {
                host: host.to_owned(),
                code,
            },
        )
    }

    fn with(mut self, words: &str, play: Play) -> Self {
        self.answers.push(Answer {
            words: words.to_owned(),
            play,
        });
        self
    }
}

impl FakeGuest for Scripted {
    async fn exec(&self, command: FakeCommand, shell: FakeShell) -> ExitStatus {
        let line = command.line();
        let answer = self.answers.iter().find(|answer| line.contains(&answer.words));
        match answer.map(|answer| &answer.play) {
            None => ExitStatus::Code(0),
            Some(Play::End {
                stdout,
                stderr,
                files,
                code,
            }) => {
                for (path, bytes) in files {
                    shell.files().write(path, FakeFile::plain(bytes.clone()));
                }
                shell.stdout(stdout).await;
                shell.stderr(stderr).await;
                ExitStatus::Code(*code)
            }
            Some(Play::Hang { stdout }) => {
                shell.stdout(stdout).await;
                std::future::pending().await
            }
            Some(Play::Attempt { host, code }) => {
                shell
                    .attempt(NetworkAttempt {
                        protocol: AttemptProtocol::Dns,
                        destination: std::net::Ipv4Addr::new(192, 0, 2, 53).into(),
                        port: Some(53),
                        query: Some(host.clone()),
                        owner: None,
                        left_out: 0,
                    })
                    .await;
                ExitStatus::Code(*code)
            }
        }
    }
}
