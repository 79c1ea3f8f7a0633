//! Why a step did not go through, and what that says of the ticket.

use preflight_core::{Ending, FirstError, Outcome};
use preflight_guest::GuestError;

/// Why a step did not go through.
#[derive(Debug, thiserror::Error)]
pub enum StepFailure {
    /// The testbed, the host or the archive failed, not the package.
    #[error("{0}")]
    Testbed(String),
    /// The testbed has given no sign of life for ten heartbeats.
    #[error("{0}")]
    Unresponsive(String),
    /// The package does not build, install or parse.
    #[error("{reason}")]
    Package {
        /// In one line.
        reason: String,
        /// Where a log shows it.
        first_error: Option<FirstError>,
    },
}

impl StepFailure {
    /// The package's fault, without a line that shows it.
    #[must_use]
    pub fn package(reason: impl Into<String>) -> Self {
        Self::Package {
            reason: reason.into(),
            first_error: None,
        }
    }

    /// How the attempt ends.
    #[must_use]
    pub fn ending(self) -> Ending {
        match self {
            Self::Unresponsive(reason) => Ending::unresponsive(reason),
            Self::Testbed(reason) => Ending::new(Outcome::TestbedBroken, Some(reason)),
            Self::Package { reason, first_error } => Ending {
                first_error,
                ..Ending::new(Outcome::BadPackage, Some(reason))
            },
        }
    }
}

impl From<GuestError> for StepFailure {
    fn from(error: GuestError) -> Self {
        Self::Testbed(error.to_string())
    }
}
