//! A carried file's bytes on their way, in either direction: exactly as many as the document says, digested as they pass.

use std::io::{self, Read};

use preflight_debian::{Hashing, Sha256Digest};

/// Yields exactly the bytes of one file.
pub(crate) struct Content<R> {
    inner: R,
    left: u64,
    hashing: Hashing,
    /// What was wrong with the bytes, rather than with whoever takes them.
    trouble: Option<String>,
}

impl<R: Read> Content<R> {
    pub(crate) fn new(inner: R, size: u64) -> Self {
        Self {
            inner,
            left: size,
            hashing: Hashing::new(),
            trouble: None,
        }
    }

    /// What was wrong with the bytes; none where all came and they are the right ones.
    pub(crate) fn finish(self, wanted: Sha256Digest) -> Option<String> {
        if self.trouble.is_some() {
            return self.trouble;
        }
        if self.left > 0 {
            return Some(format!("{} bytes were left", self.left));
        }
        let (found, _) = self.hashing.finish();
        (found != wanted).then(|| format!("its digest is {found} and not {wanted}"))
    }

    /// Whether something was wrong with the bytes so far.
    pub(crate) fn is_bad(&self) -> bool {
        self.trouble.is_some()
    }
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = match self.inner.read(&mut buffer[..most]) {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it is shorter than it should be",
            )),
            other => other,
        };
        match read {
            Ok(read) => {
                self.hashing.update(&buffer[..read]);
                self.left -= read as u64;
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.trouble = Some(error.to_string());
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(bytes: &[u8], size: u64, wanted: &[u8]) -> (Vec<u8>, Option<String>) {
        let mut content = Content::new(bytes, size);
        let mut read = Vec::new();
        let _ = content.read_to_end(&mut read);
        (read, content.finish(Sha256Digest::of(wanted)))
    }

    #[test]
    fn only_the_right_bytes_pass() {
        assert_eq!(pass(b"abc", 3, b"abc"), (b"abc".to_vec(), None));
        assert_eq!(pass(b"", 0, b""), (vec![], None));
        assert!(pass(b"abd", 3, b"abc").1.unwrap().contains("digest"));
        assert!(pass(b"ab", 3, b"abc").1.unwrap().contains("shorter"));
        // More than was said is not even looked at.
        assert_eq!(pass(b"abcd", 3, b"abc"), (b"abc".to_vec(), None));
        assert!(
            Content::new(&b"abc"[..], 3)
                .finish(Sha256Digest::of(b"abc"))
                .unwrap()
                .contains("left")
        );
    }
}
