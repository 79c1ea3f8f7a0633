//! Why a PPA was not taken.

use std::fmt;

use crate::error::{RefusalKind, Refused, SuiteFault};
use crate::ppa::definition::PpaName;

/// A PPA that was refused; nothing of what was known of it before has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PpaRefusal {
    /// Which.
    pub ppa: PpaName,
    /// The kind.
    pub kind: PpaRefusalKind,
    /// What was seen, with the URL; one line. Control characters are made harmless, and no secret is in it.
    pub reason: String,
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PpaRefusalKind {
    /// Its release file has no signature.
    Unsigned,
    /// It is signed by a key that is not the PPA's.
    WrongKey,
    /// The signature does not fit the text, or it or its key has expired or is revoked.
    BadSignature,
    /// `Valid-Until` has passed.
    Expired,
    /// Its release file is older than the one that was taken before.
    RolledBack,
    /// Its release file is not in its format, or lists no SHA-256 digests.
    Malformed,
    /// An index is not what the release file says it is.
    Contradiction,
    /// It has no such suite.
    NoSuchSuite,
    /// It has not the component.
    NoSuchComponent,
    /// It has nothing for the architecture.
    NoSuchArchitecture,
    /// It wants credentials, or others.
    Unauthorised,
    /// Its server answers with an error, or does not serve what its release file lists.
    Upstream,
    /// Its server can't be reached.
    Unreachable,
    /// The PPA's own definition can't be used.
    Definition,
    /// The daemon's store failed.
    Internal,
}

impl PpaRefusalKind {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::Unsigned => "ask who publishes it to sign it; unsigned repositories are never used",
            Self::WrongKey => {
                "if its key was changed, remove the PPA and add it again with the new key, got from a source that you trust"
            }
            Self::BadSignature | Self::Expired | Self::Malformed | Self::Contradiction => {
                "try again later; if it stays so, tell who publishes it"
            }
            Self::RolledBack => "a stale mirror, or somebody withholds updates: try again later, or use another mirror",
            Self::NoSuchSuite => "it may have nothing for this series: name another one with --series",
            Self::NoSuchComponent => "add it again with the components that it has",
            Self::NoSuchArchitecture => "use it for other architectures only",
            Self::Unauthorised => "add it anew with --token-file FILE, which holds the subscription's USER:TOKEN",
            Self::Unreachable => "check the network and the URL",
            Self::Upstream | Self::Definition | Self::Internal => return None,
        })
    }
}

impl PpaRefusal {
    pub(crate) fn new(ppa: &PpaName, kind: PpaRefusalKind, reason: impl Into<String>) -> Self {
        let reason: String = reason.into();
        Self {
            ppa: ppa.clone(),
            kind,
            reason: reason
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(1000)
                .collect(),
        }
    }

    /// A refusal of the suite, in the PPA's terms.
    pub(crate) fn of_suite(ppa: &PpaName, refused: &Refused) -> Self {
        let kind = match (refused.fault, refused.kind) {
            (Some(SuiteFault::Unsigned), _) => PpaRefusalKind::Unsigned,
            (Some(SuiteFault::UnknownKey), _) => PpaRefusalKind::WrongKey,
            (Some(SuiteFault::BadSignature), _) => PpaRefusalKind::BadSignature,
            (Some(SuiteFault::Expired), _) => PpaRefusalKind::Expired,
            (Some(SuiteFault::RolledBack), _) => PpaRefusalKind::RolledBack,
            (Some(SuiteFault::Malformed), _) => PpaRefusalKind::Malformed,
            (Some(SuiteFault::Unauthorised), _) => PpaRefusalKind::Unauthorised,
            (None, RefusalKind::NotFound) => PpaRefusalKind::NoSuchSuite,
            (None, RefusalKind::Unverified) => PpaRefusalKind::Contradiction,
            (None, RefusalKind::Unreachable) => PpaRefusalKind::Unreachable,
            (None, RefusalKind::Upstream) => PpaRefusalKind::Upstream,
            (None, _) => PpaRefusalKind::Internal,
        };
        Self::new(ppa, kind, refused.reason.as_str())
    }
}

impl fmt::Display for PpaRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the PPA {} is refused: {}", self.ppa, self.reason)
    }
}

impl std::error::Error for PpaRefusal {}
