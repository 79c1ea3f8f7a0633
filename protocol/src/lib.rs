//! Everything that crosses the socket between `preflightd` and its clients, and nothing else.
//!
//! The protocol is JSON-RPC 2.0 in frames as the Language Server Protocol has them ([`codec`]): each message is preceded
//! by `Content-Length: N\r\n\r\n`. A client connects to the socket that [`endpoint`] names, sends [`method::Initialize`]
//! first, then requests ([`method`]); after [`method::Subscribe`] the daemon sends a snapshot as of sequence N and from
//! then on every [`event::Envelope`] after N as a notification `event`, and unsequenced `beat` notifications
//! ([`event::Beat`]) with progress and log sizes. Errors are [`error::RpcError`]. After [`shell::ShellOpen`] a connection
//! carries a shell's streams instead.
//!
//! These types are the wire's own. The daemon's domain types are not serializable; its server translates both ways.
//! This crate knows nobody else in the workspace.

pub mod archive;
#[cfg(feature = "client")]
pub mod client;
pub mod codec;
pub mod disk;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod handshake;
pub mod health;
pub mod ids;
pub mod image;
pub mod job;
pub mod log;
pub mod message;
pub mod method;
pub mod package_sources;
pub mod pool;
pub mod ppa;
pub mod prefetch;
pub mod promotion;
pub mod replay;
pub mod repository;
pub mod result;
pub mod result_export;
pub mod results;
pub mod shell;
pub mod test_options;
pub mod testbed;
pub mod ticket;
pub mod transfer;
pub mod verdict;
