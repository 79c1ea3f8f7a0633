//! The rules of a session on one port: which frames count, in which order, and what is sent. Pure; whoever uses it reads,
//! writes and decides what becomes of a session that broke.

use crate::decoder::Decoder;
use crate::frame::{Address, Channel, Frame, HEADER_LEN, Kind, MAX_PAYLOAD, TooLong, VERSION, encode};
use crate::ids::{Sequence, SessionId, StreamId};

/// Damaged frames before a session is open are remains of an old one; more than this are an attack on the receiver's time.
const DAMAGE_BEFORE_HELLO: u64 = 64;

/// What came over a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// The peer opened this session; all before is void.
    Hello(Frame),
    /// The next frame of the open session.
    Frame(Frame),
}

/// Why the open session can't go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LinkError {
    /// The peer's hello is of another version.
    #[error("the other end speaks version {theirs} of the guest protocol, this one version {VERSION}")]
    Version {
        /// The peer's version.
        theirs: u8,
        /// The session that it would have opened: an agent answers there, so that the daemon learns the agent's version.
        session: SessionId,
    },
    /// Frames were lost.
    #[error("frames were lost: number {got} came after number {expected} was due")]
    Gap {
        /// The number that was due.
        expected: Sequence,
        /// The number that came.
        got: Sequence,
    },
    /// Bytes were lost or changed.
    #[error("the bytes that came are no frames")]
    Damaged,
}

/// A session that can't go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{error}")]
pub struct Broken {
    /// The session that was open on this port. The other port may be in a newer one already.
    pub session: Option<SessionId>,
    /// Why.
    pub error: LinkError,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    session: SessionId,
    next: Sequence,
    noise: u64,
}

/// The receiving end of one port.
#[derive(Debug)]
pub struct Inbound {
    decoder: Decoder,
    only: Option<SessionId>,
    open: Option<Open>,
    pending: Option<Frame>,
}

impl Inbound {
    /// The daemon's end: it drew the session id and hears nothing else.
    pub fn of_session(session: SessionId) -> Self {
        Self {
            decoder: Decoder::new(),
            only: Some(session),
            open: None,
            pending: None,
        }
    }

    /// The agent's end: any hello opens a new session.
    pub fn of_any_session() -> Self {
        Self {
            decoder: Decoder::new(),
            only: None,
            open: None,
            pending: None,
        }
    }

    /// Takes what was read. Call [`Inbound::next_incoming`] until it is `None` before the next push.
    pub fn push(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
    }

    /// What comes next.
    ///
    /// # Errors
    /// [`Broken`]: the open session, if any, has ended; a later hello may open another.
    pub fn next_incoming(&mut self) -> Option<Result<Incoming, Broken>> {
        loop {
            let frame = self.pending.take().or_else(|| self.decoder.next_frame());
            if let Some(error) = self.noise() {
                self.pending = frame;
                return Some(Err(error));
            }
            if let Some(verdict) = self.judge(frame?) {
                return Some(verdict);
            }
        }
    }

    fn noise(&mut self) -> Option<Broken> {
        let noise = self.decoder.skipped().saturating_add(self.decoder.damaged());
        let ends = match self.open {
            Some(open) => open.noise != noise,
            None => self.only.is_some() && self.decoder.damaged() > DAMAGE_BEFORE_HELLO,
        };
        ends.then(|| self.broken(LinkError::Damaged))
    }

    fn broken(&mut self, error: LinkError) -> Broken {
        Broken {
            session: self.open.take().map(|open| open.session),
            error,
        }
    }

    fn judge(&mut self, frame: Frame) -> Option<Result<Incoming, Broken>> {
        if frame.kind == Kind::Hello {
            if self.only.is_some_and(|only| only != frame.session) {
                return None;
            }
            if frame.version != VERSION {
                return Some(Err(self.broken(LinkError::Version {
                    theirs: frame.version,
                    session: frame.session,
                })));
            }
            let noise = self.decoder.skipped().saturating_add(self.decoder.damaged());
            self.open = Some(Open {
                session: frame.session,
                next: frame.sequence.next(),
                noise,
            });
            return Some(Ok(Incoming::Hello(frame)));
        }
        let open = self
            .open
            .as_mut()
            .filter(|open| open.session == frame.session && frame.version == VERSION)?;
        let expected = open.next;
        if frame.sequence != expected {
            return Some(Err(self.broken(LinkError::Gap {
                expected,
                got: frame.sequence,
            })));
        }
        open.next = expected.next();
        Some(Ok(Incoming::Frame(frame)))
    }
}

/// The sending end of one port in one session.
#[derive(Debug)]
pub struct Outbound {
    session: SessionId,
    next: Sequence,
}

impl Outbound {
    /// Starts sending in a session, and what to write first: the zeros that end any old frame, then the hello.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn opening(session: SessionId, hello: &[u8]) -> Result<(Self, Vec<u8>), TooLong> {
        let mut outbound = Self {
            session,
            next: Sequence::FIRST,
        };
        let mut bytes = vec![0; HEADER_LEN + MAX_PAYLOAD];
        outbound.encode(StreamId::SESSION, Kind::Hello, Channel::Main, hello, &mut bytes)?;
        Ok((outbound, bytes))
    }

    /// The session that it sends in.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Appends the next frame's bytes to `out`.
    ///
    /// # Errors
    /// [`TooLong`], with nothing appended and no number used up.
    pub fn encode(
        &mut self,
        stream: StreamId,
        kind: Kind,
        channel: Channel,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), TooLong> {
        let at = Address {
            session: self.session,
            stream,
            sequence: self.next,
        };
        encode(at, kind, channel, payload, out)?;
        self.next = self.next.next();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: SessionId = SessionId::new(0xaaaa);
    const B: SessionId = SessionId::new(0xbbbb);

    fn session(id: SessionId, frames: u8) -> Vec<u8> {
        let (mut outbound, mut bytes) = Outbound::opening(id, b"hello").unwrap();
        for number in 0..frames {
            outbound
                .encode(StreamId::new(7), Kind::Data, Channel::Main, &[number; 50], &mut bytes)
                .unwrap();
        }
        bytes
    }

    fn all(inbound: &mut Inbound, bytes: &[u8]) -> Vec<String> {
        let mut seen = Vec::new();
        for part in bytes.chunks(8192) {
            inbound.push(part);
            while let Some(incoming) = inbound.next_incoming() {
                seen.push(match incoming {
                    Ok(Incoming::Hello(frame)) => format!("hello {:x}", frame.session.get()),
                    Ok(Incoming::Frame(frame)) => format!("{:x}:{}", frame.session.get(), frame.sequence),
                    Err(broken) => format!("{:?}", broken.error),
                });
            }
        }
        seen
    }

    #[test]
    fn a_session_begins_with_its_hello() {
        assert_eq!(
            all(&mut Inbound::of_any_session(), &session(A, 2)),
            ["hello aaaa", "aaaa:1", "aaaa:2"]
        );
    }

    #[test]
    fn the_daemon_hears_its_own_session_only() {
        let bytes = [session(A, 2), session(B, 1)].concat();
        assert_eq!(all(&mut Inbound::of_session(B), &bytes), ["hello bbbb", "bbbb:1"]);
    }

    #[test]
    fn a_lost_frame_ends_the_session() {
        let whole = session(A, 3);
        let two_frames = 2 * (HEADER_LEN + 50);
        let mut bytes = whole[..whole.len() - 3 * (HEADER_LEN + 50)].to_vec();
        bytes.extend(&whole[whole.len() - two_frames..]);
        let seen = all(&mut Inbound::of_any_session(), &bytes);
        assert_eq!(seen, ["hello aaaa", "Gap { expected: Sequence(1), got: Sequence(2) }"]);
    }

    #[test]
    fn another_version_is_named() {
        let mut out = Vec::new();
        let at = Address {
            session: A,
            stream: StreamId::SESSION,
            sequence: Sequence::FIRST,
        };
        encode(at, Kind::Hello, Channel::Main, b"", &mut out).unwrap();
        out[4] = VERSION + 1;
        let own = crc32fast::hash(&out[..HEADER_LEN - 4]);
        out[HEADER_LEN - 4..].copy_from_slice(&own.to_le_bytes());
        assert_eq!(
            all(&mut Inbound::of_any_session(), &out),
            [format!(
                "Version {{ theirs: {}, session: SessionId(43690) }}",
                VERSION + 1
            )]
        );
    }

    proptest! {
        /// The measured trap: the host goes in the middle of a frame and comes back at once, and the agent sees no end.
        #[test]
        fn a_new_session_is_heard_wherever_the_old_one_broke_off(cut in 0usize..400) {
            let old = session(A, 4);
            let cut = old.len() - cut.min(old.len());
            let seen = all(&mut Inbound::of_any_session(), &[&old[..cut], &session(B, 1)].concat());
            prop_assert!(seen.ends_with(&["hello bbbb".to_owned(), "bbbb:1".to_owned()]), "{seen:?}");
        }

        #[test]
        fn noise_never_passes_as_a_frame(noise in prop::collection::vec(any::<u8>(), 1..5000)) {
            let mut bytes = session(A, 0);
            bytes.extend(noise);
            let seen = all(&mut Inbound::of_any_session(), &bytes);
            prop_assert!(seen.len() <= 2 && seen[0] == "hello aaaa", "{seen:?}");
        }
    }
}
