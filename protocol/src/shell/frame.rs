//! The frames of a shell's connection ([`crate::shell`] specifies them): bytes to frames and back, with bounds. No I/O,
//! and no memory of earlier frames.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::TerminalSize;
use crate::error::RpcError;

/// The most bytes of a payload.
pub const MAX_PAYLOAD: usize = 64 * 1024;
/// Type and length.
const HEADER: usize = 5;

const STDIN: u8 = 1;
const STDIN_END: u8 = 2;
const RESIZE: u8 = 3;
const SIGNAL: u8 = 4;
const OUTPUT_CREDIT: u8 = 5;
const STDOUT: u8 = 65;
const STDERR: u8 = 66;
const EXIT: u8 = 67;
const ERROR: u8 = 68;
const STDIN_CREDIT: u8 = 69;

/// From the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToDaemon {
    /// Bytes of the command's standard input; not empty.
    Stdin(Bytes),
    /// Its end.
    StdinEnd,
    /// The terminal has another size.
    Resize(TerminalSize),
    /// A signal to the command's process group.
    Signal(u8),
    /// So many bytes of output were passed on.
    Credit(u32),
}

/// From the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToClient {
    /// Bytes of the command's standard output, or of its terminal; not empty.
    Stdout(Bytes),
    /// Bytes of its standard error; not empty.
    Stderr(Bytes),
    /// It has ended.
    Exit(Exit),
    /// The shell has ended before the command did.
    Error(RpcError),
    /// So many bytes of stdin were passed on.
    Credit(u32),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// By itself.
    Code(u8),
    /// By this signal.
    Signal(u8),
}

impl Exit {
    /// As a shell has it: the code, or 128 and the signal's number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128u8.saturating_add(signal),
        }
    }
}

/// A frame that breaks the rules; nothing after it can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A type that this side does not get.
    #[error("a frame of the unknown type {0}")]
    UnknownType(u8),
    /// More than a payload holds.
    #[error("a frame of {0} bytes, and {MAX_PAYLOAD} are the most")]
    TooLong(u32),
    /// A payload that is not what the type says.
    #[error("the {0} frame's payload is not what it must be")]
    BadPayload(&'static str),
}

/// Takes a frame's type and payload off the start of `buffer`, once it is there as a whole.
fn take(buffer: &mut BytesMut, known: impl Fn(u8) -> bool) -> Result<Option<(u8, Bytes)>, FrameError> {
    let Some((header, _)) = buffer.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let [kind, length @ ..] = *header;
    let length = u32::from_be_bytes(length);
    // Before the payload is waited for: what is no frame at all shall not be taken for a long one.
    if !known(kind) {
        return Err(FrameError::UnknownType(kind));
    }
    let payload = usize::try_from(length)
        .ok()
        .filter(|&length| length <= MAX_PAYLOAD)
        .ok_or(FrameError::TooLong(length))?;
    if buffer.len() < HEADER + payload {
        buffer.reserve(HEADER + payload - buffer.len());
        return Ok(None);
    }
    buffer.advance(HEADER);
    Ok(Some((kind, buffer.split_to(payload).freeze())))
}

fn put(kind: u8, payload: &[u8], out: &mut BytesMut) {
    debug_assert!(payload.len() <= MAX_PAYLOAD, "callers cut what is longer");
    out.reserve(HEADER + payload.len());
    out.put_u8(kind);
    out.put_u32(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    out.put_slice(payload);
}

fn data(name: &'static str, payload: Bytes) -> Result<Bytes, FrameError> {
    if payload.is_empty() {
        Err(FrameError::BadPayload(name))
    } else {
        Ok(payload)
    }
}

fn credit(payload: &[u8]) -> Result<u32, FrameError> {
    let bytes = payload.try_into().map(u32::from_be_bytes);
    bytes
        .ok()
        .filter(|&bytes| bytes > 0)
        .ok_or(FrameError::BadPayload("credit"))
}

/// A signal's number, if there is such a signal that is not a real-time one.
fn signal(number: u8) -> Option<u8> {
    (1..=31).contains(&number).then_some(number)
}

impl ToDaemon {
    /// Takes the first frame off `buffer`; none while more bytes are needed.
    ///
    /// # Errors
    /// Where it is no frame that a client sends.
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let Some((kind, payload)) = take(buffer, |kind| (STDIN..=OUTPUT_CREDIT).contains(&kind))? else {
            return Ok(None);
        };
        Ok(Some(match kind {
            STDIN => Self::Stdin(data("stdin", payload)?),
            STDIN_END if payload.is_empty() => Self::StdinEnd,
            STDIN_END => return Err(FrameError::BadPayload("stdin-end")),
            RESIZE => match payload[..] {
                [a, b, c, d] => TerminalSize::new(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
                _ => None,
            }
            .map(Self::Resize)
            .ok_or(FrameError::BadPayload("resize"))?,
            SIGNAL => match payload[..] {
                [number] => signal(number),
                _ => None,
            }
            .map(Self::Signal)
            .ok_or(FrameError::BadPayload("signal"))?,
            OUTPUT_CREDIT => Self::Credit(credit(&payload)?),
            unknown => return Err(FrameError::UnknownType(unknown)),
        }))
    }

    /// Appends the frame to `out`; stdin that is longer than a payload becomes several.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Stdin(bytes) => bytes.chunks(MAX_PAYLOAD).for_each(|chunk| put(STDIN, chunk, out)),
            Self::StdinEnd => put(STDIN_END, &[], out),
            Self::Resize(size) => {
                let ([a, b], [c, d]) = (size.rows.to_be_bytes(), size.cols.to_be_bytes());
                put(RESIZE, &[a, b, c, d], out);
            }
            Self::Signal(number) => put(SIGNAL, &[*number], out),
            Self::Credit(bytes) => put(OUTPUT_CREDIT, &bytes.to_be_bytes(), out),
        }
    }
}

impl ToClient {
    /// Takes the first frame off `buffer`; none while more bytes are needed.
    ///
    /// # Errors
    /// Where it is no frame that a daemon sends.
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let Some((kind, payload)) = take(buffer, |kind| (STDOUT..=STDIN_CREDIT).contains(&kind))? else {
            return Ok(None);
        };
        Ok(Some(match kind {
            STDOUT => Self::Stdout(data("stdout", payload)?),
            STDERR => Self::Stderr(data("stderr", payload)?),
            EXIT => match payload[..] {
                [0, code] => Some(Exit::Code(code)),
                // Real-time signals end commands too.
                [1, number @ 1..=64] => Some(Exit::Signal(number)),
                _ => None,
            }
            .map(Self::Exit)
            .ok_or(FrameError::BadPayload("exit"))?,
            ERROR => serde_json::from_slice(&payload)
                .map(Self::Error)
                .map_err(|_| FrameError::BadPayload("error"))?,
            STDIN_CREDIT => Self::Credit(credit(&payload)?),
            unknown => return Err(FrameError::UnknownType(unknown)),
        }))
    }

    /// Appends the frame to `out`; output that is longer than a payload becomes several frames.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Stdout(bytes) => bytes.chunks(MAX_PAYLOAD).for_each(|chunk| put(STDOUT, chunk, out)),
            Self::Stderr(bytes) => bytes.chunks(MAX_PAYLOAD).for_each(|chunk| put(STDERR, chunk, out)),
            Self::Exit(Exit::Code(code)) => put(EXIT, &[0, *code], out),
            Self::Exit(Exit::Signal(number)) => put(EXIT, &[1, *number], out),
            Self::Error(error) => put(ERROR, &written(error), out),
            Self::Credit(bytes) => put(STDIN_CREDIT, &bytes.to_be_bytes(), out),
        }
    }
}

/// An error as JSON that fits into a payload: a message that quotes a whole log is cut.
fn written(error: &RpcError) -> Vec<u8> {
    // JSON writes no character in more than six bytes, and there are two texts.
    const LONGEST: usize = 4 * 1024;
    let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
    let mut short = RpcError::new(error.code, cut(&error.message));
    if let Some(hint) = error.hint() {
        short = short.with_hint(cut(hint));
    }
    serde_json::to_vec(&short).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorCode;

    fn bytes() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 1..300).prop_map(Bytes::from)
    }

    fn to_daemon() -> impl Strategy<Value = ToDaemon> {
        prop_oneof![
            bytes().prop_map(ToDaemon::Stdin),
            Just(ToDaemon::StdinEnd),
            (1..=10_000u16, 1..=10_000u16).prop_map(|(rows, cols)| ToDaemon::Resize(TerminalSize { rows, cols })),
            (1..=31u8).prop_map(ToDaemon::Signal),
            (1..=u32::MAX).prop_map(ToDaemon::Credit),
        ]
    }

    fn to_client() -> impl Strategy<Value = ToClient> {
        prop_oneof![
            bytes().prop_map(ToClient::Stdout),
            bytes().prop_map(ToClient::Stderr),
            any::<u8>().prop_map(|code| ToClient::Exit(Exit::Code(code))),
            (1..=64u8).prop_map(|number| ToClient::Exit(Exit::Signal(number))),
            ("[a-z\\x00-\\x1f]{0,20}", prop::option::of("[a-z]{0,20}")).prop_map(|(message, hint)| {
                let error = RpcError::new(ErrorCode::Host, message);
                ToClient::Error(match hint {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                })
            }),
            (1..=u32::MAX).prop_map(ToClient::Credit),
        ]
    }

    /// Feeds a stream in pieces, as a socket would.
    fn in_pieces<T>(
        stream: &[u8],
        step: usize,
        decode: impl Fn(&mut BytesMut) -> Result<Option<T>, FrameError>,
    ) -> (Vec<T>, usize) {
        let (mut frames, mut buffer) = (vec![], BytesMut::new());
        for piece in stream.chunks(step) {
            buffer.extend_from_slice(piece);
            while let Some(frame) = decode(&mut buffer).unwrap() {
                frames.push(frame);
            }
        }
        (frames, buffer.len())
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_however_it_is_split(
            up in prop::collection::vec(to_daemon(), 0..6),
            down in prop::collection::vec(to_client(), 0..6),
            step in 1usize..700,
        ) {
            let mut stream = BytesMut::new();
            up.iter().for_each(|frame| frame.encode(&mut stream));
            prop_assert_eq!(in_pieces(&stream, step, ToDaemon::decode), (up, 0));
            let mut stream = BytesMut::new();
            down.iter().for_each(|frame| frame.encode(&mut stream));
            prop_assert_eq!(in_pieces(&stream, step, ToClient::decode), (down, 0));
        }

        #[test]
        fn garbage_never_panics_and_what_is_read_of_it_is_written_the_same(
            garbage in prop::collection::vec(any::<u8>(), 0..40),
            kind in prop_oneof![0u8..8, 64u8..72],
            length in 0u8..12,
        ) {
            let mut whole = vec![kind, 0, 0, 0, length];
            whole.extend(&garbage);
            let mut buffer = BytesMut::from(&whole[..]);
            if let Ok(Some(frame)) = ToDaemon::decode(&mut buffer) {
                let mut again = BytesMut::new();
                frame.encode(&mut again);
                prop_assert_eq!(&again[..], &whole[..whole.len() - buffer.len()]);
            }
            let mut buffer = BytesMut::from(&whole[..]);
            let _ = ToClient::decode(&mut buffer);
            let _ = ToClient::decode(&mut BytesMut::from(&garbage[..]));
            let _ = ToDaemon::decode(&mut BytesMut::from(&garbage[..]));
        }
    }

    #[test]
    fn broken_frames_are_named() {
        use FrameError::{BadPayload, TooLong, UnknownType};
        let daemon = |bytes: &[u8]| ToDaemon::decode(&mut BytesMut::from(bytes)).unwrap_err();
        let client = |bytes: &[u8]| ToClient::decode(&mut BytesMut::from(bytes)).unwrap_err();
        for (bytes, error) in [
            (&[0, 0, 0, 0, 0][..], UnknownType(0)),
            (&[65, 0, 0, 0, 1], UnknownType(65)),
            (b"Content-Length: 2", UnknownType(b'C')),
            (&[1, 0, 1, 0, 1], TooLong(65537)),
            (&[1, 0xff, 0xff, 0xff, 0xff], TooLong(u32::MAX)),
            (&[1, 0, 0, 0, 0], BadPayload("stdin")),
            (&[2, 0, 0, 0, 1, 0], BadPayload("stdin-end")),
            (&[3, 0, 0, 0, 4, 0, 0, 0, 80], BadPayload("resize")),
            (&[3, 0, 0, 0, 3, 0, 24, 0], BadPayload("resize")),
            (&[4, 0, 0, 0, 1, 32], BadPayload("signal")),
            (&[4, 0, 0, 0, 0], BadPayload("signal")),
            (&[5, 0, 0, 0, 4, 0, 0, 0, 0], BadPayload("credit")),
        ] {
            assert_eq!(daemon(bytes), error);
        }
        for (bytes, error) in [
            (&[1, 0, 0, 0, 1][..], UnknownType(1)),
            (&[66, 0, 0, 0, 0], BadPayload("stderr")),
            (&[67, 0, 0, 0, 2, 2, 0], BadPayload("exit")),
            (&[67, 0, 0, 0, 2, 1, 0], BadPayload("exit")),
            (&[67, 0, 0, 0, 1, 0], BadPayload("exit")),
            (&[68, 0, 0, 0, 1, b'x'], BadPayload("error")),
            (&[69, 0, 0, 0, 3, 0, 0, 1], BadPayload("credit")),
        ] {
            assert_eq!(client(bytes), error);
        }
    }

    #[test]
    fn these_bytes_are_the_format_for_ever() {
        let mut out = BytesMut::new();
        ToDaemon::Stdin("ab".into()).encode(&mut out);
        ToDaemon::Resize(TerminalSize { rows: 24, cols: 300 }).encode(&mut out);
        ToDaemon::Signal(15).encode(&mut out);
        ToDaemon::Credit(70_000).encode(&mut out);
        ToDaemon::StdinEnd.encode(&mut out);
        let expected =
            b"\x01\0\0\0\x02ab\x03\0\0\0\x04\0\x18\x01\x2c\x04\0\0\0\x01\x0f\x05\0\0\0\x04\0\x01\x11\x70\x02\0\0\0\0";
        assert_eq!(&out[..], expected);
        let mut out = BytesMut::new();
        ToClient::Stdout("a".into()).encode(&mut out);
        ToClient::Stderr("b".into()).encode(&mut out);
        ToClient::Exit(Exit::Code(3)).encode(&mut out);
        ToClient::Exit(Exit::Signal(9)).encode(&mut out);
        ToClient::Credit(1).encode(&mut out);
        let expected = b"A\0\0\0\x01aB\0\0\0\x01bC\0\0\0\x02\0\x03C\0\0\0\x02\x01\x09E\0\0\0\x04\0\0\0\x01";
        assert_eq!(&out[..], expected);
    }

    #[test]
    fn what_is_longer_than_a_payload_is_cut() {
        let long = Bytes::from(vec![b'x'; 2 * MAX_PAYLOAD + 1]);
        let mut out = BytesMut::new();
        ToClient::Stdout(long.clone()).encode(&mut out);
        let (frames, rest) = in_pieces(&out, 5000, ToClient::decode);
        let lengths: Vec<usize> = frames
            .iter()
            .map(|frame| match frame {
                ToClient::Stdout(bytes) => bytes.len(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!((lengths, rest), (vec![MAX_PAYLOAD, MAX_PAYLOAD, 1], 0));

        let error = RpcError::new(ErrorCode::Host, "\u{1}".repeat(200_000)).with_hint("\u{10ffff}".repeat(200_000));
        let mut out = BytesMut::new();
        ToClient::Error(error).encode(&mut out);
        assert!(matches!(
            ToClient::decode(&mut out),
            Ok(Some(ToClient::Error(RpcError {
                code: ErrorCode::Host,
                ..
            })))
        ));
    }

    #[test]
    fn exit_codes_are_a_shells() {
        let codes = [Exit::Code(7), Exit::Signal(9), Exit::Signal(64)].map(Exit::code);
        assert_eq!(codes, [7, 137, 192]);
    }
}
