//! How much may be sent on a stream before its receiver has taken what came. Pure counting for both ends; whoever uses it
//! decides how a sender waits.

use crate::frame::HEADER_LEN;

/// What each side may send on a new stream, in bytes as [`cost`] counts them.
pub const WINDOW: u32 = 512 * 1024;
/// Credit is renewed in portions of this size, in bytes, so that it costs few frames.
const PORTION: u32 = WINDOW / 4;

/// What a data frame takes from the window: its payload and its header, or many empty frames would cost nothing.
pub fn cost(payload_len: usize) -> u32 {
    u32::try_from(payload_len.saturating_add(HEADER_LEN)).unwrap_or(u32::MAX)
}

/// The peer broke the rules of credit; its session ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CreditError {
    /// More data came than was granted.
    #[error("the peer sent more than its credit")]
    Overdrawn,
    /// The grants add up to more than a window.
    #[error("the peer granted more credit than it had received data")]
    Overgranted,
}

/// The sender's account of one stream and direction.
#[derive(Debug)]
pub struct SendWindow {
    available: u32,
}

impl Default for SendWindow {
    fn default() -> Self {
        Self { available: WINDOW }
    }
}

impl SendWindow {
    /// Takes credit for as much of `wanted` bytes as one frame may hold now; `None`: wait for a grant.
    pub fn take(&mut self, wanted: usize) -> Option<usize> {
        let most = (self.available as usize)
            .checked_sub(HEADER_LEN)
            .filter(|most| *most > 0)?;
        let length = wanted.min(most).min(crate::frame::DATA_CHUNK);
        self.available -= cost(length);
        Some(length)
    }

    /// The receiver granted more.
    ///
    /// # Errors
    /// [`CreditError::Overgranted`].
    pub fn grant(&mut self, amount: u32) -> Result<(), CreditError> {
        let sum = self.available.checked_add(amount).filter(|sum| *sum <= WINDOW);
        self.available = sum.ok_or(CreditError::Overgranted)?;
        Ok(())
    }
}

/// The receiver's account of one stream and direction.
#[derive(Debug)]
pub struct ReceiveWindow {
    available: u32,
    owed: u32,
}

impl Default for ReceiveWindow {
    fn default() -> Self {
        Self {
            available: WINDOW,
            owed: 0,
        }
    }
}

impl ReceiveWindow {
    /// A data frame with a payload of this length came.
    ///
    /// # Errors
    /// [`CreditError::Overdrawn`].
    pub fn receive(&mut self, payload_len: usize) -> Result<(), CreditError> {
        self.available = self
            .available
            .checked_sub(cost(payload_len))
            .ok_or(CreditError::Overdrawn)?;
        Ok(())
    }

    /// The consumer took a frame with a payload of this length. What is returned is to be granted to the sender now.
    pub fn consume(&mut self, payload_len: usize) -> Option<u32> {
        self.owed = self.owed.saturating_add(cost(payload_len));
        if self.owed < PORTION {
            return None;
        }
        let amount = std::mem::take(&mut self.owed);
        self.available = self.available.saturating_add(amount);
        Some(amount)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_frame_is_not_free() {
        let mut window = ReceiveWindow::default();
        let sent = (0..1_000_000).take_while(|_| window.receive(0).is_ok()).count();
        assert_eq!(sent, WINDOW as usize / HEADER_LEN);
    }

    #[test]
    fn grants_beyond_the_window_are_refused() {
        assert_eq!(SendWindow::default().grant(1), Err(CreditError::Overgranted));
    }

    proptest! {
        /// Whatever the sizes and however late the consumer: the sender never overdraws, and never stops for good.
        #[test]
        fn both_accounts_agree(sizes in prop::collection::vec(0usize..200_000, 1..200), lag in 0usize..6) {
            let (mut sender, mut receiver) = (SendWindow::default(), ReceiveWindow::default());
            let mut queue = std::collections::VecDeque::new();
            for mut size in sizes {
                loop {
                    match sender.take(size) {
                        Some(length) => {
                            receiver.receive(length).unwrap();
                            queue.push_back(length);
                            size -= length;
                            if size == 0 { break; }
                        }
                        None => {
                            let before = queue.len();
                            prop_assert!(before > 0, "stuck with nothing to consume");
                            while let Some(length) = queue.pop_front() {
                                if let Some(amount) = receiver.consume(length) { sender.grant(amount).unwrap(); }
                            }
                        }
                    }
                }
                while queue.len() > lag {
                    if let Some(amount) = queue.pop_front().and_then(|length| receiver.consume(length)) {
                        sender.grant(amount).unwrap();
                    }
                }
            }
        }
    }
}
