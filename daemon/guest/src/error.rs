//! Why something with a guest went wrong, in terms of what the caller may do next.

use std::io;
use std::path::PathBuf;

use preflight_guest_protocol::frame::TooLong;
use preflight_guest_protocol::message::{Failure, FailureKind};

/// Why a session with a guest is over.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CloseReason {
    /// The last [`crate::Guest`] was dropped.
    #[error("the daemon closed it")]
    Dropped,
    /// The other end of the socket is gone: the virtual machine has ended.
    #[error("the virtual machine is gone")]
    MachineGone,
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Socket(String),
    /// The agent gave the session up.
    #[error("the agent gave it up")]
    AgentGaveUp,
    /// The guest broke the protocol, or bytes were lost.
    #[error("the guest broke the protocol: {0}")]
    Broken(String),
}

/// Why an operation on a guest failed.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// The channel's socket could not be connected to.
    #[error("the guest's channel {} can't be opened: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The agent did not answer in time; the console log tells how far the guest came.
    #[error("the agent in the guest did not answer in time (channel {})", path.display())]
    NoAnswer {
        /// The socket.
        path: PathBuf,
    },
    /// The agent is of another version: the guest was started by another preflightd.
    #[error("the guest's agent speaks version {theirs} of the protocol, this daemon another; start the guest anew")]
    Version {
        /// The agent's version.
        theirs: u8,
    },
    /// The session is over, and with it the operation.
    #[error("the session with the guest is over: {0}")]
    Closed(CloseReason),
    /// The agent could not do it.
    #[error("in the guest: {}", .0.detail)]
    Refused(Failure),
    /// A request does not fit a frame.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// Something on the host went wrong.
    #[error("{what}: {source}")]
    Host {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// What the guest sent is not what was asked for, or more than was allowed.
    #[error("the guest sent {0}")]
    Unacceptable(String),
}

impl GuestError {
    pub(crate) fn host(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Host { what, source }
    }

    /// The kind of failure inside the guest, if it is one.
    pub fn refusal(&self) -> Option<FailureKind> {
        match self {
            Self::Refused(failure) => Some(failure.kind),
            _ => None,
        }
    }

    /// Whether the guest is lost: the testbed is broken, not the request.
    pub fn is_guest_lost(&self) -> bool {
        matches!(
            self,
            Self::Closed(_) | Self::NoAnswer { .. } | Self::Connect { .. } | Self::Version { .. }
        )
    }
}
