//! What a command fails with: a kind with its exit code, the cause, and a hint of what to do next. Printed once, in
//! [`super::run`].

use std::io;

use preflight_protocol::client::ClientError;
use preflight_protocol::endpoint::EndpointError;
use preflight_protocol::error::{ErrorCode, RpcError};

use crate::conn::attach::AttachError;
use crate::conn::start::{DAEMON_VARIABLE, StartError};

/// Exit codes beside autopkgtest's. They are stable.
pub mod code {
    /// The host lacks something that a testbed needs: autopkgtest's "testbed failure".
    pub const HOST: u8 = 16;
    /// Everything else, wrong usage included: autopkgtest's "other unexpected failures".
    pub const OTHER: u8 = 20;
    /// A replay does not agree with the ticket that it runs again, as diff(1) has it.
    pub const DIFFERS: u8 = 1;
    /// `daemon status` where none runs, as systemctl and the LSB have it.
    pub const NOT_RUNNING: u8 = 3;
    /// Ended by Ctrl-C, or the ticket was cancelled.
    pub const INTERRUPTED: u8 = 130;
    /// The reader of the output has gone.
    pub const BROKEN_PIPE: u8 = 141;
}

/// What a command fails with.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Arguments that cannot be.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// The daemon refuses.
    #[error(transparent)]
    Refused(RpcError),
    /// No daemon, or it went away.
    #[error("{0}")]
    NoDaemon(String, Option<String>),
    /// A file cannot be read or written.
    #[error("{what}: {source}")]
    File {
        /// What was tried.
        what: String,
        /// What the system says.
        source: io::Error,
    },
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl CliError {
    /// Arguments that cannot be, with a hint.
    #[must_use]
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// A file that cannot be read or written.
    pub fn file(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::File { what, source }
    }

    /// The kind in one word, as it is printed.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Usage { .. } => "usage",
            Self::Refused(error) => match error.code {
                ErrorCode::InvalidParams => "refused",
                ErrorCode::NotFound => "not found",
                ErrorCode::Conflict => "conflict",
                ErrorCode::Host => "host",
                ErrorCode::Version => "version",
                _ => "daemon",
            },
            Self::NoDaemon(..) => "daemon",
            Self::File { .. } => "file",
            Self::Output(_) => "output",
            Self::Interrupted => "interrupted",
        }
    }

    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(error) if error.code == ErrorCode::Host => code::HOST,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => code::BROKEN_PIPE,
            Self::Interrupted => code::INTERRUPTED,
            _ => code::OTHER,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } | Self::NoDaemon(_, hint) => hint.clone(),
            Self::Refused(error) => error.hint().map(str::to_owned).or_else(|| match error.code {
                ErrorCode::NotFound => Some("`preflight ticket list` shows what there is".to_owned()),
                ErrorCode::Host => Some("`preflight doctor` shows what is missing".to_owned()),
                ErrorCode::Version | ErrorCode::MethodNotFound => Some(
                    "the daemon that runs is of another version: `preflight daemon stop`, then try again".to_owned(),
                ),
                _ => None,
            }),
            Self::File { .. } => Some("check the path".to_owned()),
            Self::Output(_) | Self::Interrupted => None,
        }
    }

    /// Whether there is nothing that the owner does not know already.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        match self {
            Self::Interrupted => true,
            Self::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            _ => false,
        }
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Rpc(error) => Self::Refused(error),
            other => Self::NoDaemon(
                other.to_string(),
                Some("`preflight daemon status` shows how it is, its log why".to_owned()),
            ),
        }
    }
}

impl From<EndpointError> for CliError {
    fn from(error: EndpointError) -> Self {
        Self::Usage {
            message: error.to_string(),
            hint: None,
        }
    }
}

impl From<AttachError> for CliError {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Endpoint(error) => error.into(),
            AttachError::Client(error) | AttachError::Start(StartError::Client(error)) => error.into(),
            AttachError::Start(error) => {
                let hint = matches!(error, StartError::NoProgram)
                    .then(|| format!("install it there, or name it in {DAEMON_VARIABLE}"));
                Self::NoDaemon(error.to_string(), hint)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_stable() {
        let refused = |code| CliError::Refused(RpcError::new(code, "x"));
        for (error, code, kind) in [
            (refused(ErrorCode::InvalidParams), 20, "refused"),
            (refused(ErrorCode::NotFound), 20, "not found"),
            (refused(ErrorCode::Conflict), 20, "conflict"),
            (refused(ErrorCode::Host), 16, "host"),
            (refused(ErrorCode::Version), 20, "version"),
            (CliError::NoDaemon("x".into(), None), 20, "daemon"),
            (CliError::usage("x", "y"), 20, "usage"),
            (CliError::Interrupted, 130, "interrupted"),
            (CliError::Output(io::ErrorKind::BrokenPipe.into()), 141, "output"),
        ] {
            assert_eq!((error.exit_code(), error.kind()), (code, kind));
        }
    }

    #[test]
    fn a_refusal_keeps_the_daemons_hint() {
        let error = CliError::Refused(RpcError::new(ErrorCode::NotFound, "x").with_hint("do this"));
        assert_eq!(error.hint().as_deref(), Some("do this"));
    }
}
