//! autopkgtest's exit codes and how those of several jobs become a ticket's.

use std::fmt;

use crate::result::Outcome;

/// An exit code of autopkgtest, or 130 for what was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExitCode(u8);

impl ExitCode {
    /// All passed.
    pub const PASS: Self = Self(0);
    /// Something was skipped, or a flaky test failed.
    pub const SKIPPED: Self = Self(2);
    /// Something failed.
    pub const FAILED: Self = Self(4);
    /// No tests, or none that says anything.
    pub const NO_TESTS: Self = Self(8);
    /// The package is erroneous.
    pub const BAD_PACKAGE: Self = Self(12);
    /// The testbed failed.
    pub const TESTBED: Self = Self(16);
    /// Anything else.
    pub const OTHER: Self = Self(20);
    /// Cancelled; no code of autopkgtest's.
    pub const CANCELLED: Self = Self(130);

    /// The code that an outcome has by itself.
    #[must_use]
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Pass => Self::PASS,
            Outcome::Fail => Self::FAILED,
            Outcome::Skipped => Self::SKIPPED,
            Outcome::NoTests => Self::NO_TESTS,
            Outcome::BadPackage => Self::BAD_PACKAGE,
            Outcome::TestbedBroken => Self::TESTBED,
            Outcome::Cancelled => Self::CANCELLED,
        }
    }

    /// The outcome that the code stands for.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self.0 {
            0 => Outcome::Pass,
            2 => Outcome::Skipped,
            4 | 6 => Outcome::Fail,
            8 => Outcome::NoTests,
            12 | 14 => Outcome::BadPackage,
            130 => Outcome::Cancelled,
            _ => Outcome::TestbedBroken,
        }
    }

    /// The code of several jobs: OR-ed, but never into a number that means something else. What is worst (130, 20, 16)
    /// stands alone, and 8, which shares its bit with 12, takes in 0 and 2 and yields to a failure. All at once, since
    /// 8 yields to the others' sum. Of none it is 0.
    #[must_use]
    pub fn combine(codes: impl IntoIterator<Item = Self>) -> Self {
        let codes: Vec<Self> = codes.into_iter().collect();
        let worst = [Self::CANCELLED, Self::OTHER, Self::TESTBED];
        if let Some(alone) = worst.into_iter().find(|code| codes.contains(code)) {
            return alone;
        }
        let others = codes.iter().filter(|code| **code != Self::NO_TESTS);
        let ored = others.fold(0, |all, code| all | code.0);
        if ored & Self::FAILED.0 == 0 && codes.contains(&Self::NO_TESTS) {
            Self::NO_TESTS
        } else {
            Self(ored)
        }
    }

    /// Whether a ticket with this code is complete (step 1000) rather than failed (step 999).
    #[must_use]
    pub fn completes(self) -> bool {
        matches!(self, Self::PASS | Self::SKIPPED | Self::NO_TESTS)
    }

    /// For a process's exit.
    #[must_use]
    pub fn code(self) -> u8 {
        self.0
    }
}

/// The number, where it is one of autopkgtest's codes or 130.
impl TryFrom<u8> for ExitCode {
    type Error = u8;

    fn try_from(code: u8) -> Result<Self, u8> {
        if matches!(code, 0 | 2 | 4 | 6 | 8 | 12 | 14 | 16 | 20 | 130) {
            Ok(Self(code))
        } else {
            Err(code)
        }
    }
}

impl fmt::Display for ExitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_several_sources() {
        for (codes, expected) in [
            (&[][..], 0),
            (&[0, 0], 0),
            (&[0, 2], 2),
            (&[2, 4], 6),
            (&[4, 12], 12),
            (&[2, 12], 14),
            (&[6, 12], 14),
            (&[8, 0], 8),
            (&[8, 2], 8),
            (&[8, 4], 4),
            (&[8, 2, 4], 6),
            (&[8, 12], 12),
            (&[8, 8], 8),
            (&[4, 16, 0], 16),
            (&[16, 20], 20),
            (&[12, 20], 20),
            (&[16, 130], 130),
        ] {
            let codes: Vec<_> = codes.iter().map(|code| ExitCode::try_from(*code).unwrap()).collect();
            assert_eq!(ExitCode::combine(codes.iter().copied()).code(), expected, "{codes:?}");
            assert_eq!(
                ExitCode::combine(codes.iter().rev().copied()).code(),
                expected,
                "{codes:?}"
            );
        }
    }

    #[test]
    fn combining_stays_within_the_codes() {
        let codes = [0, 2, 4, 6, 8, 12, 14, 16, 20, 130].map(|code| ExitCode::try_from(code).unwrap());
        for a in codes {
            assert_eq!(ExitCode::combine([a, a]), a);
            for b in codes {
                assert!(
                    ExitCode::try_from(ExitCode::combine([a, b]).code()).is_ok(),
                    "{a:?} {b:?}"
                );
            }
        }
        assert_eq!(ExitCode::try_from(10), Err(10));
    }

    #[test]
    fn only_0_2_and_8_complete_a_ticket() {
        let complete: Vec<u8> = (0..=255)
            .filter(|&code| ExitCode::try_from(code).is_ok_and(ExitCode::completes))
            .collect();
        assert_eq!(complete, [0, 2, 8]);
    }
}
