//! Keeps reports of network attempts few: the same attempt once in a while, all together a handful a second. Pure.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use preflight_guest_protocol::message::AttemptProtocol;

use super::packet::Seen;

/// The same attempt is reported once in so long.
const AGAIN: Duration = Duration::from_secs(5);
/// So many reports a second …
const RATE: u32 = 10;
/// … after so many at once.
const BURST: u32 = 50;
/// Attempts that are remembered.
const REMEMBERED: usize = 512;

type Key = (AttemptProtocol, IpAddr, Option<u16>, Option<String>);

/// What was reported lately.
#[derive(Debug)]
pub(super) struct Limiter {
    reported: HashMap<Key, Reported>,
    tokens: u32,
    refilled: Instant,
    left_out: u32,
}

#[derive(Debug)]
struct Reported {
    at: Instant,
    /// How often it came since.
    again: u32,
}

impl Limiter {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            reported: HashMap::new(),
            tokens: BURST,
            refilled: now,
            left_out: 0,
        }
    }

    /// Whether to report this attempt, and how many were left out since: of the same since its last report, and where it is
    /// reported for the first time, of others that came too fast to be reported at all.
    pub(super) fn admit(&mut self, seen: &Seen, now: Instant) -> Option<u32> {
        let key = (seen.protocol, seen.destination, seen.port, seen.query.clone());
        let whole_seconds = u32::try_from(now.duration_since(self.refilled).as_secs()).unwrap_or(u32::MAX);
        if whole_seconds > 0 {
            self.tokens = self
                .tokens
                .saturating_add(whole_seconds.saturating_mul(RATE))
                .min(BURST);
            self.refilled = now;
        }
        let left_out = if let Some(reported) = self.reported.get_mut(&key) {
            if self.tokens == 0 || now.duration_since(reported.at) < AGAIN {
                reported.again = reported.again.saturating_add(1);
                return None;
            }
            std::mem::take(&mut reported.again)
        } else if self.tokens == 0 || !self.has_room(now) {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        } else {
            std::mem::take(&mut self.left_out)
        };
        self.tokens -= 1;
        self.reported.insert(key, Reported { at: now, again: 0 });
        Some(left_out)
    }

    /// Whether one more can be remembered; what was reported long ago is forgotten for it.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.reported.len() >= REMEMBERED {
            let mut forgotten = 0_u32;
            self.reported.retain(|_, reported| {
                let stays = now.duration_since(reported.at) < AGAIN;
                forgotten = forgotten.saturating_add(if stays { 0 } else { reported.again });
                stays
            });
            self.left_out = self.left_out.saturating_add(forgotten);
        }
        self.reported.len() < REMEMBERED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(port: u16) -> Seen {
        Seen {
            protocol: AttemptProtocol::Tcp,
            source_port: None,
            destination: [203, 0, 113, 1].into(),
            port: Some(port),
            query: None,
            reply: None,
        }
    }

    #[test]
    fn the_same_attempt_is_told_once_in_a_while_with_what_was_left_out() {
        let start = Instant::now();
        let mut limiter = Limiter::new(start);
        assert_eq!(limiter.admit(&seen(80), start), Some(0));
        assert_eq!(limiter.admit(&seen(80), start), None);
        assert_eq!(limiter.admit(&seen(80), start + AGAIN / 2), None);
        // They were of the other.
        assert_eq!(limiter.admit(&seen(443), start), Some(0));
        assert_eq!(limiter.admit(&seen(80), start + AGAIN), Some(2));
        assert_eq!(limiter.admit(&seen(80), start + AGAIN * 2), Some(0));
    }

    #[test]
    fn a_scan_of_all_ports_is_told_in_part() {
        let start = Instant::now();
        let mut limiter = Limiter::new(start);
        let told = (0..60_000)
            .filter(|port| limiter.admit(&seen(*port), start).is_some())
            .count();
        assert_eq!(told, BURST as usize);
        assert_eq!(
            limiter.admit(&seen(60_001), start + Duration::from_secs(1)),
            Some(60_000 - BURST)
        );
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_still_counts() {
        let start = Instant::now();
        let mut limiter = Limiter::new(start);
        assert_eq!(limiter.admit(&seen(1), start), Some(0));
        assert_eq!(limiter.admit(&seen(1), start), None);
        let mut now = start;
        let mut left_out = 0;
        for port in 2..2000 {
            now += Duration::from_secs(1);
            left_out += limiter.admit(&seen(port), now).unwrap();
            assert!(limiter.reported.len() <= REMEMBERED);
        }
        assert_eq!(left_out, 1);
    }
}
