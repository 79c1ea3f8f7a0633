//! Why a package could not be compared. One that fails takes no other package's answers along.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a package could not be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DifferentialError {
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A command ended otherwise than it may.
    #[error("`{command}` ended with {code:?}: see {}", .log.display())]
    Ended {
        /// The command.
        command: String,
        /// Its exit code; none where a signal has ended it.
        code: Option<i32>,
        /// All that it said.
        log: PathBuf,
    },
    /// A command did not end in time.
    #[error("`{command}` has not ended within {} s: see {}", .patience.as_secs(), .log.display())]
    TimedOut {
        /// The command.
        command: String,
        /// How long it was waited for.
        patience: Duration,
        /// All that it said.
        log: PathBuf,
    },
    /// A file of the program's own, or a program's answer, is not what it has to be.
    #[error("{what}: {why}")]
    Malformed {
        /// Which.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The source cannot be had from the archive: no network, or no such file on the mirror.
    #[error("the source of {package} cannot be had from the archive: see {}", .log.display())]
    NoSource {
        /// The package.
        package: String,
        /// What apt said.
        log: PathBuf,
    },
}

impl DifferentialError {
    /// The system's refusal of something.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// What is wrong with a file or an answer.
    pub(crate) fn malformed(what: impl Into<String>, why: impl ToString) -> Self {
        Self::Malformed {
            what: what.into(),
            why: why.to_string(),
        }
    }
}
