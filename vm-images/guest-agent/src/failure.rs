//! Turns the operating system's errors into the protocol's failures. Knows no request.

use std::io;

use preflight_guest_protocol::message::{Failure, FailureKind};

/// Why a request could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The operating system said no.
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    /// The request can't be met.
    #[error("{detail}")]
    Plain { kind: FailureKind, detail: String },
    /// The stream or its session is gone: nobody is left to tell.
    #[error("the daemon gave up the stream")]
    Aborted,
}

impl Refusal {
    pub(crate) fn plain(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self::Plain {
            kind,
            detail: detail.into(),
        }
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// What to tell the daemon, if it still wants to know.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let kind = match self {
            Self::Io { source, .. } => kind_of(source),
            Self::Plain { kind, .. } => *kind,
            Self::Aborted => return None,
        };
        Some(Failure {
            kind,
            detail: self.to_string(),
        })
    }
}

fn kind_of(error: &io::Error) -> FailureKind {
    match error.kind() {
        io::ErrorKind::NotFound => FailureKind::NotFound,
        io::ErrorKind::PermissionDenied => FailureKind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureKind::NoSpace,
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidData => {
            FailureKind::Unsuitable
        }
        io::ErrorKind::Unsupported => FailureKind::Unsupported,
        _ => FailureKind::Other,
    }
}
