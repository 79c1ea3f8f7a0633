//! Framing as the Language Server Protocol has it: headers, an empty line, then as many bytes as `Content-Length` says
//! (LSP specification 3.17, "Base Protocol"). Pure functions over bytes: no I/O here.

/// The longest frame that is read, in bytes.
pub const MAX_CONTENT: usize = 64 * 1024 * 1024;
const MAX_HEADER: usize = 8 * 1024;

/// A frame whose header cannot be read. The connection can't go on after it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No end of the headers.
    #[error("no end of the headers within {MAX_HEADER} bytes")]
    HeaderTooLong,
    /// A header line without a colon, or not ASCII.
    #[error("the header line {0:?} is not `Name: value`")]
    BadHeader(String),
    /// No `Content-Length`.
    #[error("no `Content-Length` header")]
    NoLength,
    /// A `Content-Length` that is no number, or too great.
    #[error("`Content-Length: {0}` is not a number from 0 to {MAX_CONTENT}")]
    BadLength(String),
}

/// Appends a frame with `content` to `out`.
pub fn encode(content: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", content.len()).as_bytes());
    out.extend_from_slice(content);
}

/// Looks for a whole frame at the start of `buffer`.
///
/// Answers where its content starts and ends, or `None` while more bytes are needed. What stands before the end is to
/// be dropped by the caller.
///
/// # Errors
/// Where the header cannot be read.
pub fn decode(buffer: &[u8]) -> Result<Option<std::ops::Range<usize>>, FrameError> {
    let Some(end) = buffer
        .windows(4)
        .take(MAX_HEADER)
        .position(|window| window == b"\r\n\r\n")
    else {
        return if buffer.len() > MAX_HEADER {
            Err(FrameError::HeaderTooLong)
        } else {
            Ok(None)
        };
    };
    let mut length = None;
    for line in buffer[..end].split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let bad = || FrameError::BadHeader(String::from_utf8_lossy(line).into_owned());
        let text = std::str::from_utf8(line).map_err(|_| bad())?;
        let (name, value) = text.split_once(':').ok_or_else(bad)?;
        if name.trim().eq_ignore_ascii_case("content-length") {
            let value = value.trim();
            let number = value.parse().ok().filter(|&number: &usize| number <= MAX_CONTENT);
            length = Some(number.ok_or_else(|| FrameError::BadLength(value.to_owned()))?);
        }
    }
    let start = end + 4;
    let stop = start + length.ok_or(FrameError::NoLength)?;
    Ok((buffer.len() >= stop).then_some(start..stop))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_however_it_is_split(contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..5), step in 1usize..50) {
            let mut stream = Vec::new();
            for content in &contents {
                encode(content, &mut stream);
            }
            let mut found = Vec::new();
            let mut buffer = Vec::new();
            for piece in stream.chunks(step) {
                buffer.extend_from_slice(piece);
                while let Some(range) = decode(&buffer).unwrap() {
                    found.push(buffer[range.clone()].to_vec());
                    buffer.drain(..range.end);
                }
            }
            prop_assert_eq!(found, contents);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn broken_headers_are_named() {
        for (bytes, error) in [
            (&b"Content-Length: x\r\n\r\n"[..], FrameError::BadLength("x".into())),
            (
                b"Content-Length: 999999999999\r\n\r\n",
                FrameError::BadLength("999999999999".into()),
            ),
            (b"Content-Type: a\r\n\r\n", FrameError::NoLength),
            (b"hello\r\n\r\n", FrameError::BadHeader("hello".into())),
            (&[b'a'; MAX_HEADER + 1], FrameError::HeaderTooLong),
        ] {
            assert_eq!(decode(bytes), Err(error));
        }
    }

    #[test]
    fn other_headers_and_cases_are_taken() {
        let bytes = b"content-type: x\r\nCONTENT-LENGTH:2\r\n\r\n{}rest";
        let range = decode(bytes).unwrap().unwrap();
        assert_eq!(&bytes[range], b"{}");
    }
}
