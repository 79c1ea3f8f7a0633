//! What comes over the channel from a guest, and over the socket from a client.

use preflight_fuzz::fuzz;
use preflight_guest_protocol::frame::{Address, MAX_PAYLOAD, encode};
use preflight_guest_protocol::message::{AgentHello, Beat, ToHost, of_payload, to_payload};
use preflight_guest_protocol::{Channel, Decoder, Kind, Sequence, SessionId, StreamId};
use preflight_protocol::codec;
use proptest::prelude::*;

use crate::near;

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop::collection::vec(any::<u8>(), 0..200);
    (any::<(u64, u32, u64)>(), payload, any::<bool>()).prop_map(|((session, stream, sequence), payload, is_output)| {
        let at = Address {
            session: SessionId::new(session),
            stream: StreamId::new(stream),
            sequence: Sequence::new(sequence),
        };
        let channel = if is_output { Channel::Stdout } else { Channel::Main };
        let mut bytes = Vec::new();
        encode(at, Kind::Data, channel, &payload, &mut bytes).unwrap();
        bytes
    })
}

/// Frames whole, damaged and cut; nothing that is kept is larger than what came.
#[test]
fn fuzz_guest_frames() {
    let stream = near::edited(prop::collection::vec(frame(), 0..4).prop_map(|frames| frames.concat()));
    fuzz(
        &(stream, 1..300_usize),
        |(bytes, _)| bytes.len(),
        |(bytes, piece)| {
            let mut decoder = Decoder::new();
            let mut kept = 0;
            for piece in bytes.chunks(piece) {
                decoder.push(piece);
                while let Some(frame) = decoder.next_frame() {
                    prop_assert!(frame.payload.len() <= MAX_PAYLOAD);
                    kept += frame.payload.len();
                }
            }
            prop_assert!(kept <= bytes.len());
            prop_assert!(decoder.skipped() <= bytes.len() as u64);
            Ok(())
        },
    );
}

#[test]
fn fuzz_guest_messages() {
    let beat: Vec<u8> = to_payload(&ToHost::Beat(Beat::default()));
    let near = near::edited(prop_oneof![Just(beat), prop::collection::vec(any::<u8>(), 0..60)]);
    fuzz(&near, Vec::len, |bytes| {
        if let Ok(message) = of_payload::<ToHost>(&bytes) {
            prop_assert!(to_payload(&message).len() <= 2 * bytes.len() + 16);
        }
        let _ = of_payload::<AgentHello>(&bytes);
        Ok(())
    });
}

/// The headers before each message on the clients' socket.
#[test]
fn fuzz_clients_frames() {
    let one = prop::collection::vec(any::<u8>(), 0..100).prop_map(|content| {
        let mut bytes = Vec::new();
        codec::encode(&content, &mut bytes);
        bytes
    });
    let stream = near::edited(prop::collection::vec(one, 0..4).prop_map(|frames| frames.concat()));
    fuzz(&stream, Vec::len, |bytes| {
        let mut rest = &bytes[..];
        while let Ok(Some(range)) = codec::decode(rest) {
            prop_assert!(range.start <= range.end && range.end <= rest.len());
            rest = &rest[range.end..];
        }
        Ok(())
    });
}
