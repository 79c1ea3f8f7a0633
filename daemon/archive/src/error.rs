//! What can go wrong: [`ArchiveError`] for calls of the daemon's own, [`Refusal`] for requests of a guest, which are
//! answered in words that apt shows and are kept as findings.

use std::path::PathBuf;
use std::time::SystemTime;

use preflight_debian::{CertificateError, KeyringError};

use crate::state::ArchiveStateId;
use crate::ticket_repository::GenerationId;
use crate::url::UrlError;

/// A call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The store's folder, a repository's folder or a key can't be read or written.
    #[error("{}: {error}", .path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// A keyring can't be used.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A mirror's certificates can't be used.
    #[error("the keys of a package source: {0}")]
    Keys(#[from] CertificateError),
    /// The HTTP client can't be made.
    #[error("the HTTP client can't be set up: {0}")]
    HttpClient(String),
    /// A mirror's URL.
    #[error("mirror: {0}")]
    MirrorUrl(#[from] UrlError),
    /// An archive state that the store does not have, or not whole.
    #[error("the archive state {id} is not in the store: {reason}; build the base image again")]
    NoSuchState {
        /// Which.
        id: ArchiveStateId,
        /// Why not.
        reason: String,
    },
    /// A lock or a state is not in its format.
    #[error("{what} is not in its format: {reason}")]
    Format {
        /// What.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// OpenPGP signing or key making failed.
    #[error("OpenPGP: {0}")]
    OpenPgp(String),
    /// A package can't go into the ticket repository.
    #[error(transparent)]
    Package(#[from] preflight_debian::Error),
    /// Two packages of one name, version and architecture with different content.
    #[error("two different files want to be {name} in the ticket repository: {first} and {second}")]
    SameName {
        /// The name that both want.
        name: String,
        /// One of the files, and whose it is.
        first: String,
        /// The other one.
        second: String,
    },
    /// A generation that a ticket repository does not have.
    #[error("the repository {} has no generation {wanted:?}", .folder.display())]
    NoSuchGeneration {
        /// The repository.
        folder: PathBuf,
        /// What was asked for.
        wanted: String,
    },
    /// More than one generation is meant.
    #[error("{beginning:?} is the beginning of both {first} and {second}")]
    AmbiguousGeneration {
        /// What was asked for.
        beginning: String,
        /// One that begins so.
        first: GenerationId,
        /// Another one.
        second: GenerationId,
    },
    /// A folder that a ticket repository can't be exported to.
    #[error("nothing can be exported to {}: {reason}", .path.display())]
    ExportTarget {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl ArchiveError {
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |error| Self::Io {
            path: path.to_owned(),
            error,
        }
    }
}

/// A request that was not answered with content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The URL, canonical where it could be parsed, at most 4096 characters.
    pub url: String,
    /// The request's method.
    pub method: String,
    /// The kind.
    pub kind: RefusalKind,
    /// One line for the user: what was refused and what to do.
    pub reason: String,
    /// When.
    pub at: SystemTime,
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// The host or path is none of the mirrors of this session: an attempt to use the network.
    NotAMirror,
    /// The session is sealed, and its lock does not name the URL.
    Sealed,
    /// Neither GET nor HEAD, or not in proxy form.
    NotSupported,
    /// The URL is malformed.
    Malformed,
    /// The proxy's password is missing or wrong.
    Unauthorised,
    /// The archive has no such file.
    NotFound,
    /// A signed index lists this package, and neither the mirror nor anybody else who was asked has it any more.
    Gone,
    /// What the mirror gave contradicts the signed release file, or that file's signature, date or validity is bad.
    Unverified,
    /// The mirror answered with an error.
    Upstream,
    /// It is not in the store, and this session may not use the network.
    NetworkForbidden,
    /// It is not in the store, and the mirror can't be reached.
    Unreachable,
    /// The store failed.
    Internal,
}

impl RefusalKind {
    /// The HTTP status that the client sees.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::NotAMirror | Self::Sealed => 403,
            Self::NotSupported => 405,
            Self::Malformed => 400,
            Self::Unauthorised => 407,
            Self::NotFound | Self::Gone => 404,
            Self::Unverified | Self::Upstream => 502,
            Self::NetworkForbidden => 503,
            Self::Unreachable => 504,
            Self::Internal => 500,
        }
    }
}

/// A refusal in the making: the session adds URL, method and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) kind: RefusalKind,
    pub(crate) reason: String,
    /// What is wrong with the suite, where it is a suite that was refused.
    pub(crate) fault: Option<SuiteFault>,
}

/// What can be wrong with a suite as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SuiteFault {
    Unsigned,
    UnknownKey,
    BadSignature,
    Expired,
    RolledBack,
    Malformed,
    Unauthorised,
}

impl Refused {
    pub(crate) fn new(kind: RefusalKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            fault: None,
        }
    }

    pub(crate) fn with_fault(mut self, fault: SuiteFault) -> Self {
        self.fault = Some(fault);
        self
    }

    pub(crate) fn store(error: &std::io::Error) -> Self {
        Self::new(
            RefusalKind::Internal,
            format!("the daemon's content store failed: {error}"),
        )
    }
}
