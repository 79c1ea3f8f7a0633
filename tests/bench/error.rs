//! Why a number could not be had. A measure that fails takes no other measure's numbers along.

use std::io;
use std::time::Duration;

/// Why a number could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A command ended otherwise than it should.
    #[error("`{command}` ended with {code:?}: {last}")]
    Ended {
        /// The command.
        command: String,
        /// Its exit code; none where a signal has ended it.
        code: Option<i32>,
        /// The last that it said.
        last: String,
    },
    /// A command did not say or do what is awaited in time.
    #[error("`{command}`: {awaited} has not come within {} s", .patience.as_secs())]
    TimedOut {
        /// The command.
        command: String,
        /// What was awaited.
        awaited: String,
        /// How long it was waited for.
        patience: Duration,
    },
    /// What was found cannot be measured.
    #[error("{0}")]
    Unexpected(String),
}

impl BenchError {
    /// The system's refusal of something.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
