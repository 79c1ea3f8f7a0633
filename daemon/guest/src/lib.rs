//! The daemon's end of the channel to the agent in a guest: commands, copies, the package tunnel, clock and health. Knows
//! neither libvirt nor what a job is; it is handed two socket paths and gives back a [`Guest`].
//!
//! A guest is hostile: frames, sizes, credit, archives and numbers of streams are bounded here, and whoever breaks a rule
//! has its session closed. Nothing waits for ever on a guest that died: see [`Guest::closed`] and [`Guest::health`].

mod attach;
mod channel;
mod error;
mod exec;
#[cfg(feature = "fake")]
pub mod fake;
mod files;
mod flow;
mod guest;
mod renewal;
mod session;
mod stream;
mod tree;
mod tunnel;
mod unpack;

pub use attach::ChannelSockets;
pub use error::{CloseReason, GuestError};
pub use exec::{Captured, Exec, Output, OutputStream, Running, Signals, Stdin, Terminal};
pub use files::FileMode;
pub use guest::Guest;
pub use preflight_guest_protocol::VERSION as AGENT_VERSION;
pub use preflight_guest_protocol::message::{
    AgentHello, AttemptOwner, AttemptProtocol, Beat, ExitStatus, Failure, FailureKind, NetworkAttempt, TerminalSize,
};
pub use renewal::Renewal;
pub use session::Health;
pub use tunnel::TunnelConnection;
pub use unpack::{LeftOut, TreeLimits, TreeReport, WhyLeftOut};
