//! A frame's bytes: a header of fixed layout with a checksum of its own, then the payload. Knows nothing of sessions'
//! rules or of what a payload means.
//!
//! Layout, little endian: magic (4 bytes), version (1), kind (1), channel (1), zero (1), session (8), stream (4),
//! sequence (8), payload length (4), CRC-32 of the payload (4), CRC-32 of the 36 bytes before (4).

use crate::ids::{Sequence, SessionId, StreamId};

/// What a receiver scans for. Not text, and not a run of one byte.
pub const MAGIC: [u8; 4] = [0xf5, b'P', b'f', 0x1a];
/// The version of layout and messages that this crate speaks. Whatever changes the encoding of either counts it up; a
/// template is keyed by it, because the agent that is frozen in it speaks the version of its day for ever.
pub const VERSION: u8 = 3;
/// Bytes of a header.
pub const HEADER_LEN: usize = 40;
/// The longest payload, in bytes; a longer one is refused before anything is kept of it.
pub const MAX_PAYLOAD: usize = 128 * 1024;
/// What senders put into one data frame at most, in bytes: large enough for the port's full speed, small enough that
/// streams take turns.
pub const DATA_CHUNK: usize = 64 * 1024;

/// What a frame's payload is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Opens a session: [`crate::message::HostHello`] or [`crate::message::AgentHello`].
    Hello,
    /// [`crate::message::ToGuest`] or [`crate::message::ToHost`].
    Message,
    /// Raw bytes of a stream's channel; costs credit.
    Data,
    /// No more data on this channel of the stream.
    Eof,
    /// Four bytes: so much more may be sent on the stream.
    Credit,
}

impl Kind {
    const fn number(self) -> u8 {
        match self {
            Self::Hello => 1,
            Self::Message => 2,
            Self::Data => 3,
            Self::Eof => 4,
            Self::Credit => 5,
        }
    }

    const fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Hello,
            2 => Self::Message,
            3 => Self::Data,
            4 => Self::Eof,
            5 => Self::Credit,
            _ => return None,
        })
    }
}

/// Which of a stream's flows of bytes a data or end frame belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Channel {
    /// A transfer's or a tunnel connection's bytes; a command's standard input.
    Main,
    /// A command's standard output.
    Stdout,
    /// A command's standard error.
    Stderr,
}

impl Channel {
    const fn number(self) -> u8 {
        match self {
            Self::Main => 0,
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }

    const fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Main,
            1 => Self::Stdout,
            2 => Self::Stderr,
            _ => return None,
        })
    }
}

/// A frame as it was received: checksums hold, lengths are in bounds, nothing else is promised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The sender's [`VERSION`].
    pub version: u8,
    /// What the payload is.
    pub kind: Kind,
    /// Of [`Kind::Data`] and [`Kind::Eof`]; [`Channel::Main`] elsewhere.
    pub channel: Channel,
    /// The session that it was sent in.
    pub session: SessionId,
    /// The stream that it belongs to.
    pub stream: StreamId,
    /// Its place among what the sender sent over this port in this session.
    pub sequence: Sequence,
    /// At most [`MAX_PAYLOAD`] bytes.
    pub payload: Vec<u8>,
}

/// The checked header of a frame whose payload may not be there yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    version: u8,
    kind: Kind,
    channel: Channel,
    session: SessionId,
    stream: StreamId,
    sequence: Sequence,
    pub(crate) length: usize,
    checksum: u32,
}

impl Header {
    /// Reads a header that starts with the magic number. `None` if it is none: a wrong checksum, a length out of bounds.
    pub(crate) fn parse(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let (covered, own) = bytes.split_at(HEADER_LEN - 4);
        if bytes[..4] != MAGIC || crc32fast::hash(covered) != u32::from_le_bytes(array(own)) || bytes[7] != 0 {
            return None;
        }
        let length = usize::try_from(u32::from_le_bytes(array(&bytes[28..32]))).ok()?;
        if length > MAX_PAYLOAD {
            return None;
        }
        Some(Self {
            version: bytes[4],
            kind: Kind::of(bytes[5])?,
            channel: Channel::of(bytes[6])?,
            session: SessionId::new(u64::from_le_bytes(array(&bytes[8..16]))),
            stream: StreamId::new(u32::from_le_bytes(array(&bytes[16..20]))),
            sequence: Sequence::new(u64::from_le_bytes(array(&bytes[20..28]))),
            length,
            checksum: u32::from_le_bytes(array(&bytes[32..36])),
        })
    }

    /// The frame of this header, if the payload is the one that it was made for.
    pub(crate) fn with_payload(self, payload: &[u8]) -> Option<Frame> {
        (crc32fast::hash(payload) == self.checksum).then(|| Frame {
            version: self.version,
            kind: self.kind,
            channel: self.channel,
            session: self.session,
            stream: self.stream,
            sequence: self.sequence,
            payload: payload.to_vec(),
        })
    }
}

/// Where a frame belongs, for [`encode`].
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// The session that it is sent in.
    pub session: SessionId,
    /// The stream that it belongs to.
    pub stream: StreamId,
    /// Its place in the sender's sequence.
    pub sequence: Sequence,
}

/// A payload was longer than [`MAX_PAYLOAD`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a message of {0} bytes is longer than the {MAX_PAYLOAD} that a frame holds; send long data as a file")]
pub struct TooLong(pub usize);

/// Appends a frame's bytes to `out`.
///
/// # Errors
/// [`TooLong`], with nothing appended.
pub fn encode(at: Address, kind: Kind, channel: Channel, payload: &[u8], out: &mut Vec<u8>) -> Result<(), TooLong> {
    let length = match u32::try_from(payload.len()) {
        Ok(length) if payload.len() <= MAX_PAYLOAD => length,
        _ => return Err(TooLong(payload.len())),
    };
    out.reserve(HEADER_LEN + payload.len());
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, kind.number(), channel.number(), 0]);
    out.extend_from_slice(&at.session.get().to_le_bytes());
    out.extend_from_slice(&at.stream.get().to_le_bytes());
    out.extend_from_slice(&at.sequence.get().to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let own = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&own.to_le_bytes());
    out.extend_from_slice(payload);
    Ok(())
}

/// The first `N` bytes; the callers' ranges are constants.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[..N]);
    array
}
