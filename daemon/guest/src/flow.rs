//! One stream's credit in both directions, shared between the stream's owner and the tasks that read the ports.

use std::sync::{Mutex, MutexGuard, PoisonError};

use preflight_guest_protocol::credit::{CreditError, ReceiveWindow, SendWindow};
use tokio::sync::Notify;

/// A stream's two accounts.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    windows: Mutex<Windows>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Windows {
    send: SendWindow,
    receive: ReceiveWindow,
    is_over: bool,
}

impl Flow {
    /// Waits until some of `wanted` bytes may be sent, and takes the credit for them. The caller gives up by dropping.
    /// `None`: the agent is done with the stream and wants no more.
    pub(crate) async fn take(&self, wanted: usize) -> Option<usize> {
        loop {
            let changed = self.changed.notified();
            {
                let mut windows = self.lock();
                if windows.is_over {
                    return None;
                }
                if let Some(length) = windows.send.take(wanted) {
                    return Some(length);
                }
            }
            changed.await;
        }
    }

    /// The agent is done with the stream.
    pub(crate) fn end(&self) {
        self.lock().is_over = true;
        self.changed.notify_one();
    }

    pub(crate) fn grant(&self, amount: u32) -> Result<(), CreditError> {
        self.lock().send.grant(amount)?;
        // One sender a stream and direction: a permit that nobody waits for yet is kept for it.
        self.changed.notify_one();
        Ok(())
    }

    pub(crate) fn receive(&self, payload_len: usize) -> Result<(), CreditError> {
        self.lock().receive.receive(payload_len)
    }

    pub(crate) fn consume(&self, payload_len: usize) -> Option<u32> {
        self.lock().receive.consume(payload_len)
    }

    fn lock(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
