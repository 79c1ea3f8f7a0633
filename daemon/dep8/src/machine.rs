//! What running a test asks of a testbed: the trait that the daemon implements for guests and tests implement for a
//! local process. Says nothing of how a machine is leased, booted or thrown away.

use std::{path::Path, time::Duration};

use async_trait::async_trait;

use crate::reboot::{Places, Reboot};

/// Which of a command's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A command to run in a testbed. Its standard input is `/dev/null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec<'a> {
    /// The program, looked up in the testbed's `PATH`, and its arguments.
    pub argv: Vec<String>,
    /// Variables to set beside the testbed's own few. `HOME` and `USER`, where the testbed sets them, are the user's.
    pub env: Vec<(String, String)>,
    /// The user, whose groups the command gets too.
    pub user: &'a str,
    /// Its working directory.
    pub cwd: &'a str,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl ExitStatus {
    /// As a shell's `$?` has it: 128 + number for a signal.
    #[must_use]
    pub fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// A machine that did not do as asked; never a test's failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    /// It died, hangs, or its channel broke.
    #[error("{0}")]
    Lost(String),
    /// It lives but cannot do this: no such file, a limit reached.
    #[error("{0}")]
    Refused(String),
}

/// Receives a command's output as it comes, in pieces of any size.
pub type OnOutput<'a> = &'a mut (dyn FnMut(Stream, &[u8]) + Send);

/// A testbed, up and running.
#[async_trait]
pub trait TestMachine: Send + Sync {
    /// Runs a command until its own process has ended, and hands over all its output before it returns. Processes that it
    /// leaves behind are left alone; that they hold its outputs open delays the end by a moment at most. When the future is
    /// dropped the command may go on until [`TestMachine::kill_all`].
    ///
    /// # Errors
    /// When the command could not be run or its end is unknown. A command that does not exist is an exit status (127).
    async fn exec(&self, command: &Exec<'_>, on_output: OnOutput<'_>) -> Result<ExitStatus, MachineError>;

    /// Kills all processes that commands of this machine have started and that are still there.
    ///
    /// # Errors
    /// When that is not certain.
    async fn kill_all(&self) -> Result<(), MachineError>;

    /// Copies a directory's content from the testbed into a directory of the host, which is made when there is
    /// something to copy. How much is copied is bounded by the implementation, and nothing is written outside `to`
    /// whatever the testbed says.
    ///
    /// # Errors
    /// [`MachineError::Refused`] when there is no such directory or a bound was reached; what was copied until then stays.
    async fn pull_tree(&self, from: &str, to: &Path) -> Result<(), MachineError>;

    /// Where tests on this machine say that they want it to start again; None where it cannot.
    fn reboot_places(&self) -> Option<&Places> {
        None
    }

    /// Starts the machine again, on the disk that it has. What ran in it is gone; afterwards commands run as before.
    ///
    /// # Errors
    /// [`MachineError::Lost`] when it does not go down or does not come back.
    async fn reboot(&self, _how: Reboot) -> Result<(), MachineError> {
        Err(MachineError::Refused("this machine cannot start again".to_owned()))
    }
}

/// How long things may take, already scaled to this host's speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// A command that should take no time at all.
    pub short: Duration,
    /// Copying files out.
    pub copy: Duration,
    /// Installing dependencies.
    pub install: Duration,
    /// One test.
    pub test: Duration,
}

impl Timeouts {
    /// autopkgtest's numbers times a factor for slow hosts.
    #[must_use]
    pub fn scaled(factor: f64) -> Self {
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds * factor).unwrap_or(Duration::MAX);
        Self {
            short: seconds(100.0),
            copy: seconds(300.0),
            install: seconds(3000.0),
            test: seconds(10000.0),
        }
    }
}
