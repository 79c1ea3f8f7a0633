//! Bytes that come in pieces, as text: what is no UTF-8 becomes U+FFFD, and a character that two pieces share waits for
//! the second.

/// Decodes piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Utf8Pieces {
    /// The beginning of a character whose rest is still to come; at most three bytes.
    pending: Vec<u8>,
}

impl Utf8Pieces {
    /// The text that is certain after this piece.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.pending);
        all.extend_from_slice(bytes);
        let certain = all.len() - unfinished(&all);
        self.pending = all.split_off(certain);
        String::from_utf8_lossy(&all).into_owned()
    }

    /// What is left when nothing more comes.
    pub(crate) fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }
}

/// How many bytes at the end may be a character's beginning.
fn unfinished(bytes: &[u8]) -> usize {
    (1..=bytes.len().min(3))
        .find(|&length| {
            let tail = &bytes[bytes.len() - length..];
            tail[0] >= 0xc0 && std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none())
        })
        .unwrap_or(0)
}
