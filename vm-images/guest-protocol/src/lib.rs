//! Frames and messages between the daemon and the agent that runs in every guest. Sans-io: bytes go in, typed values
//! come out, and the other way round; this crate knows neither sockets nor tokio, neither daemon nor agent.
//!
//! # The channel
//! Two virtio-serial ports of one device. [`CONTROL_PORT`] carries what must not wait behind bulk data: credit, signals,
//! aborts, a terminal's size, the health beat. [`BULK_PORT`] carries streams: a stream's request, its data and its end all
//! go over the bulk port, so that a stream is ordered in itself. What changes the machine under all commands (clock, random
//! seed, a clone's identity) may go over either, and is done before the next frame of that port is looked at: a clone's
//! first command is sent right behind its renewal, in one round trip.
//!
//! # A connection
//! virtio-serial loses bytes when the host's end comes or goes, and neither side is told. So each side opens a
//! connection with [`Outbound::opening`]: as many zeros as the longest frame has bytes, then a hello with the session id
//! that the daemon drew. The zeros end any frame that the other side was in the middle of (its checksum fails, and the
//! receiver scans for the magic number again). From there on every frame carries session and sequence; a frame of another
//! session is stale and dropped, a gap in the sequence ends the session. A new session aborts the old one's streams.
//!
//! # Streams
//! The daemon opens streams with odd-or-even ids below [`StreamId::GUEST_BIT`], the agent with that bit set (tunnel
//! connections). Data is sent against credit: [`credit::WINDOW`] bytes a stream and direction to begin with, renewed as
//! the receiver's consumer takes them, so that a slow consumer holds up its own stream and nothing else.
//!
//! Every frame carries [`VERSION`]. An agent answers a hello of another version with one of its own, outside of any session,
//! so that a daemon learns which version a frozen guest speaks instead of waiting in vain. Resuming streams over a
//! reconnect is prepared by [`message::HostHello`]'s `resume` and the sequence numbers; today both sides answer a resume
//! with a fresh session.

pub mod credit;
pub mod decoder;
pub mod frame;
pub mod ids;
pub mod link;
pub mod message;

pub use decoder::Decoder;
pub use frame::{Channel, Frame, Kind, VERSION};
pub use ids::{Sequence, SessionId, StreamId};
pub use link::{Broken, Inbound, Incoming, LinkError, Outbound};
pub use message::{BULK_PORT, CONTROL_PORT};
