//! What makes a clone of a template a machine of its own, as the daemon decides it. Owns where the randomness comes from; in
//! which order it is applied is the agent's matter.

use std::time::SystemTime;

use preflight_guest_protocol::message::{Renewal as Message, SEED_LEN, ToGuest};

use crate::error::GuestError;
use crate::guest::Guest;

/// The identity that a clone gets before its first command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Renewal {
    /// Bytes of the host's random generator, used for no other guest.
    pub seed: [u8; SEED_LEN],
    /// The time in the guest when the renewal arrives.
    pub time: SystemTime,
    /// The machine id, see machine-id(5); not all zeros.
    pub machine_id: [u8; 16],
    /// The host name; without one, the template's stays. Letters, digits, dots and hyphens, at most 64.
    pub hostname: Option<String>,
}

impl Renewal {
    /// A random identity and the host's time now: to be made when it is sent, not before.
    pub fn now(hostname: Option<String>) -> Self {
        let mut seed = [0; SEED_LEN];
        let mut machine_id = [0; 16];
        for chunk in seed.chunks_mut(size_of::<u64>()) {
            let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
            // The few bits that a UUID does not draw are at other places in either half: each of the sum is random.
            chunk.copy_from_slice(&(high ^ low.rotate_left(32)).to_le_bytes());
        }
        machine_id.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self {
            seed,
            time: SystemTime::now(),
            machine_id,
            hostname,
        }
    }

    /// What a daemon sent, for a guest of this process.
    #[cfg(feature = "fake")]
    pub(crate) fn of_message(message: Message) -> Self {
        Self {
            seed: message.seed,
            time: time_of(message.seconds, message.nanoseconds),
            machine_id: message.machine_id,
            hostname: message.hostname,
        }
    }

    pub(crate) fn message(&self) -> ToGuest {
        let (seconds, nanoseconds) = since_1970(self.time);
        ToGuest::Renew(Message {
            seed: self.seed,
            seconds,
            nanoseconds,
            machine_id: self.machine_id,
            hostname: self.hostname.clone(),
        })
    }
}

/// The request to set the clock.
pub(crate) fn clock(time: SystemTime) -> ToGuest {
    let (seconds, nanoseconds) = since_1970(time);
    ToGuest::SetClock { seconds, nanoseconds }
}

/// The time that a message of this daemon's holds.
#[cfg(feature = "fake")]
pub(crate) fn time_of(seconds: u64, nanoseconds: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::new(seconds, nanoseconds)
}

fn since_1970(time: SystemTime) -> (u64, u32) {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_nanos())
}

impl Guest {
    /// Gives a clone its identity in one round trip: random seed, then clock, machine id, host name. To be done before its
    /// first command; see [`Guest::renew_and_exec`] for both at once.
    ///
    /// # Errors
    /// [`GuestError::Refused`], [`GuestError::Closed`]: the clone is not fit for use.
    pub async fn renew(&self, renewal: &Renewal) -> Result<(), GuestError> {
        self.ask(renewal.message()).await
    }

    /// Sets the guest's clock.
    ///
    /// # Errors
    /// [`GuestError::Refused`], [`GuestError::Closed`].
    pub async fn set_clock(&self, time: SystemTime) -> Result<(), GuestError> {
        self.ask(clock(time)).await
    }
}
