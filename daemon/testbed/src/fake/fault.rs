//! What goes wrong in a fake hypervisor, and when: chances and a seeded generator, so that one number names a run.

use std::time::Duration;

/// A chance in 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chance(pub u16);

impl Chance {
    /// It never happens.
    pub const NEVER: Self = Self(0);
    /// It happens each time.
    pub const ALWAYS: Self = Self(1000);
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    /// The seed: the same seed and the same calls go wrong in the same way.
    pub seed: u64,
    /// A start fails.
    pub start_fails: Chance,
    /// A clone's start fails, where a boot does not.
    pub clone_fails: Chance,
    /// A machine can't be frozen.
    pub freeze_fails: Chance,
    /// The hypervisor says of itself that it can't freeze anything.
    pub never_freezes: bool,
    /// A machine ends by itself right after its start.
    pub machine_ends: Chance,
    /// The connection closes before a call, and comes back after it.
    pub connection_closes: Chance,
    /// How long a start takes.
    pub start_takes: Duration,
    /// How long a destroy takes.
    pub destroy_takes: Duration,
}

/// A small generator (splitmix64): a test's fault should not depend on a library's version.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Whether something of this chance happens now.
    pub(super) fn falls(&mut self, chance: Chance) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        mixed % 1000 < u64::from(chance.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_a_run() {
        let throw = |seed| {
            let mut dice = Dice::new(seed);
            (0..200).map(|_| dice.falls(Chance(300))).collect::<Vec<_>>()
        };
        assert_eq!(throw(1), throw(1));
        assert_ne!(throw(1), throw(2));
        let hits = throw(7).into_iter().filter(|hit| *hit).count();
        assert!((30..90).contains(&hits), "{hits} of 200");
        let mut dice = Dice::new(3);
        assert!((0..100).all(|_| dice.falls(Chance::ALWAYS) && !dice.falls(Chance::NEVER)));
    }
}
