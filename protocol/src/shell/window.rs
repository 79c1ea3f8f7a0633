//! Credit for one direction of a shell's streams: how much may still be sent, and how much the peer may still send.
//! Pure counting; whose bytes they are is not known here.

/// What may be sent before any credit, in bytes.
pub const WINDOW: u32 = 256 * 1024;

/// The peer has broken the rules of credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// It sent what it had no credit for.
    #[error("{sent} bytes came where no more than {left} had credit")]
    Overrun {
        /// What came.
        sent: u32,
        /// What had credit.
        left: u32,
    },
    /// It gave credit for what it was not sent.
    #[error("credit of {given} bytes for {out} that were sent")]
    Unfounded {
        /// What it gave.
        given: u32,
        /// What was sent and had no credit given yet.
        out: u32,
    },
}

/// The window of one direction; sender and receiver have one each, which are equal but for what is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    left: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { left: WINDOW }
    }
}

impl Window {
    /// Bytes that may be sent now.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.left
    }

    /// Counts what was sent, or came.
    ///
    /// # Errors
    /// [`WindowError::Overrun`]; nothing is counted then.
    pub fn take(&mut self, bytes: usize) -> Result<(), WindowError> {
        let sent = u32::try_from(bytes).unwrap_or(u32::MAX);
        let left = self.left;
        self.left = left.checked_sub(sent).ok_or(WindowError::Overrun { sent, left })?;
        Ok(())
    }

    /// Counts credit that was given, or came.
    ///
    /// # Errors
    /// [`WindowError::Unfounded`]; nothing is counted then.
    pub fn give(&mut self, bytes: u32) -> Result<(), WindowError> {
        let out = WINDOW - self.left;
        if bytes > out {
            return Err(WindowError::Unfounded { given: bytes, out });
        }
        self.left += bytes;
        Ok(())
    }
}

/// Credit that is due for what was passed on: given in pieces that are worth a frame. What is still held back is too
/// little to stop the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Due(u32);

impl Due {
    const WORTH_A_FRAME: u32 = WINDOW / 4;

    /// Counts what was passed on; answers the credit to give now.
    #[must_use]
    pub fn passed(&mut self, bytes: usize) -> Option<u32> {
        self.0 = self.0.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        (self.0 >= Self::WORTH_A_FRAME).then(|| std::mem::take(&mut self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nobody_gets_beyond_the_window() {
        let mut window = Window::default();
        window.take(WINDOW as usize - 1).unwrap();
        assert_eq!(window.take(2), Err(WindowError::Overrun { sent: 2, left: 1 }));
        assert_eq!(window.left(), 1);
        assert_eq!(
            window.give(WINDOW),
            Err(WindowError::Unfounded {
                given: WINDOW,
                out: WINDOW - 1
            })
        );
        window.give(WINDOW - 1).unwrap();
        assert_eq!(window, Window::default());
        assert!(window.take(usize::MAX).is_err());
    }

    proptest! {
        #[test]
        fn credit_that_is_held_back_stops_nobody(pieces in prop::collection::vec(1usize..64 * 1024, 1..200)) {
            let (mut sender, mut due) = (Window::default(), Due::default());
            for piece in pieces {
                // All that was sent is passed on at once: there is always room for the next byte.
                let piece = piece.min(sender.left() as usize);
                prop_assert!(piece > 0);
                sender.take(piece).unwrap();
                if let Some(credit) = due.passed(piece) {
                    sender.give(credit).unwrap();
                }
            }
        }

        #[test]
        fn both_ends_count_alike(steps in prop::collection::vec((any::<bool>(), 0u32..2 * WINDOW), 0..100)) {
            let (mut sender, mut receiver) = (Window::default(), Window::default());
            for (send, bytes) in steps {
                if send {
                    prop_assert_eq!(sender.take(bytes as usize), receiver.take(bytes as usize));
                } else {
                    prop_assert_eq!(receiver.give(bytes), sender.give(bytes));
                }
                prop_assert_eq!(sender, receiver);
                prop_assert!(sender.left() <= WINDOW);
            }
        }
    }
}
