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
    reported: HashMap<Key, Instant>,
    tokens: u32,
    refilled: Instant,
    left_out: u32,
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

    /// Whether to report this attempt, and how many were left out since the last report.
    pub(super) fn admit(&mut self, seen: &Seen, now: Instant) -> Option<u32> {
        let key = (seen.protocol, seen.destination, seen.port, seen.query.clone());
        self.reported.retain(|_, at| now.duration_since(*at) < AGAIN);
        let whole_seconds = u32::try_from(now.duration_since(self.refilled).as_secs()).unwrap_or(u32::MAX);
        if whole_seconds > 0 {
            self.tokens = self
                .tokens
                .saturating_add(whole_seconds.saturating_mul(RATE))
                .min(BURST);
            self.refilled = now;
        }
        if self.reported.contains_key(&key) || self.tokens == 0 || self.reported.len() >= REMEMBERED {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.tokens -= 1;
        self.reported.insert(key, now);
        Some(std::mem::take(&mut self.left_out))
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
        assert_eq!(limiter.admit(&seen(443), start), Some(2));
        assert_eq!(limiter.admit(&seen(80), start + AGAIN), Some(0));
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
}
