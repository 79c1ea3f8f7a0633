//! Bytes in, frames out, whatever lies between them. Owns the scan for the magic number and the bounds on what is kept;
//! knows nothing of sessions.

use crate::frame::{Frame, HEADER_LEN, Header, MAGIC};

/// Consumed bytes are dropped once there are this many.
const COMPACT_AT: usize = 256 * 1024;

/// Finds frames in a flow of bytes that may be cut, damaged or joined anywhere.
///
/// Keeps at most one incomplete frame and what one [`Decoder::push`] brought.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
    skipped: u64,
    damaged: u64,
}

impl Decoder {
    /// A decoder that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was read. Call [`Decoder::next_frame`] until it is `None` before the next push.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start >= COMPACT_AT {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame with valid checksums.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            self.seek_magic();
            let rest = &self.buffer[self.start..];
            let header: &[u8; HEADER_LEN] = rest.first_chunk()?;
            let Some(header) = Header::parse(header) else {
                self.skip(1);
                continue;
            };
            let payload = rest[HEADER_LEN..].get(..header.length)?;
            let Some(frame) = header.with_payload(payload) else {
                // The sender broke off here: a later frame may begin within what looked like the payload.
                self.damaged += 1;
                self.skip(1);
                continue;
            };
            self.start += HEADER_LEN + header.length;
            return Some(frame);
        }
    }

    /// Bytes that belonged to no frame.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Frames whose header was sound and whose payload was not.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Moves to the next place where a frame may start: a magic number, or its beginning at the end of the buffer.
    fn seek_magic(&mut self) {
        loop {
            let rest = &self.buffer[self.start..];
            let Some(at) = memchr::memchr(MAGIC[0], rest) else {
                self.skip(rest.len());
                return;
            };
            let seen = &rest[at..rest.len().min(at + MAGIC.len())];
            let found = MAGIC.starts_with(seen);
            self.skip(if found { at } else { at + 1 });
            if found {
                return;
            }
        }
    }

    fn skip(&mut self, count: usize) {
        self.start += count;
        self.skipped += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::{Address, Channel, Kind, MAX_PAYLOAD, VERSION, encode};
    use crate::ids::{Sequence, SessionId, StreamId};

    fn frames() -> impl Strategy<Value = Frame> {
        let kinds = prop_oneof![
            Just(Kind::Hello),
            Just(Kind::Message),
            Just(Kind::Data),
            Just(Kind::Eof)
        ];
        let channels = prop_oneof![Just(Channel::Main), Just(Channel::Stdout), Just(Channel::Stderr)];
        let payloads = prop::collection::vec(any::<u8>(), 0..300);
        (kinds, channels, any::<u64>(), any::<u32>(), any::<u64>(), payloads).prop_map(
            |(kind, channel, session, stream, sequence, payload)| Frame {
                version: VERSION,
                kind,
                channel,
                session: SessionId::new(session),
                stream: StreamId::new(stream),
                sequence: Sequence::new(sequence),
                payload,
            },
        )
    }

    fn bytes_of(frame: &Frame) -> Vec<u8> {
        let at = Address {
            session: frame.session,
            stream: frame.stream,
            sequence: frame.sequence,
        };
        let mut out = Vec::new();
        encode(at, frame.kind, frame.channel, &frame.payload, &mut out).unwrap();
        out
    }

    fn decode_in_pieces(bytes: &[u8], piece: usize) -> Vec<Frame> {
        let mut decoder = Decoder::new();
        let mut found = Vec::new();
        for part in bytes.chunks(piece.max(1)) {
            decoder.push(part);
            while let Some(frame) = decoder.next_frame() {
                found.push(frame);
            }
        }
        found
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded_however_it_is_split(
            sent in prop::collection::vec(frames(), 0..8), piece in 1usize..500,
        ) {
            let bytes: Vec<u8> = sent.iter().flat_map(bytes_of).collect();
            prop_assert_eq!(decode_in_pieces(&bytes, piece), sent);
        }

        #[test]
        fn garbage_between_frames_is_skipped(
            sent in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..200), frames()), 1..6), piece in 1usize..99,
        ) {
            let bytes: Vec<u8> =
                sent.iter().flat_map(|(garbage, frame)| [garbage.clone(), bytes_of(frame)].concat()).collect();
            let expected: Vec<Frame> = sent.into_iter().map(|(_, frame)| frame).collect();
            prop_assert_eq!(decode_in_pieces(&bytes, piece), expected);
        }

        #[test]
        fn a_frame_that_broke_off_costs_only_itself(first in frames(), second in frames(), cut in 0usize..340) {
            let mut bytes = bytes_of(&first);
            bytes.truncate(cut.min(bytes.len() - 1));
            bytes.resize(bytes.len() + HEADER_LEN + MAX_PAYLOAD, 0);
            bytes.extend(bytes_of(&second));
            let mut found = decode_in_pieces(&bytes, 4096);
            prop_assert_eq!(found.pop(), Some(second));
            // The zeros may be just what was missing; then the frame is the one that was sent.
            prop_assert!(found.is_empty() || found == [first], "{found:?}");
        }

        #[test]
        fn a_changed_bit_never_yields_the_frame(frame in frames(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut bytes = bytes_of(&frame);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(decode_in_pieces(&bytes, 64), vec![]);
        }
    }

    #[test]
    fn nothing_is_kept_of_garbage() {
        let mut decoder = Decoder::new();
        for _ in 0..1000 {
            decoder.push(&[0xaa; 4096]);
            assert_eq!(decoder.next_frame(), None);
        }
        assert!(decoder.buffer.len() <= COMPACT_AT + 4096, "{}", decoder.buffer.len());
        assert_eq!(decoder.skipped(), 4096 * 1000);
    }
}
