//! A command that has ended: its exit code, what it printed, and how long it took.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// A command that has ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// What was run, for messages.
    pub command: String,
    /// Its exit code; none where a signal has ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
}

impl Finished {
    /// The same, if it ended with this code.
    ///
    /// # Panics
    /// It ended otherwise.
    #[must_use]
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Its standard output as one JSON value.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn json(&self) -> Value {
        self.parse()
    }

    /// Its standard output as one JSON value of a known type.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn parse<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self}"))
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            command,
            code,
            stdout,
            stderr,
            took,
        } = self;
        write!(
            f,
            "`{command}` ended with {code:?} after {took:.1?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}
