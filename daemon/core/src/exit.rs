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

    /// The code of several sources: OR-ed, but never into a number that means something else. What is worst
    /// (130, 20, 16) stands alone, and 8, which shares its bit with 12, takes in 0 and 2 and yields to a failure.
    #[must_use]
    pub fn combine(self, other: Self) -> Self {
        for alone in [Self::CANCELLED, Self::OTHER, Self::TESTBED] {
            if self == alone || other == alone {
                return alone;
            }
        }
        match (self == Self::NO_TESTS, other == Self::NO_TESTS) {
            (true, false) if other.0 & Self::FAILED.0 != 0 => other,
            (false, true) if self.0 & Self::FAILED.0 != 0 => self,
            (true, _) | (_, true) => Self::NO_TESTS,
            (false, false) => Self(self.0 | other.0),
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
        for (one, other, expected) in [
            (0, 0, 0),
            (0, 2, 2),
            (2, 4, 6),
            (4, 12, 12),
            (2, 12, 14),
            (8, 0, 8),
            (8, 2, 8),
            (8, 4, 4),
            (8, 12, 12),
            (4, 16, 16),
            (12, 20, 20),
            (16, 130, 130),
        ] {
            let (one, other) = (ExitCode::try_from(one).unwrap(), ExitCode::try_from(other).unwrap());
            assert_eq!(one.combine(other).code(), expected, "{one} {other}");
            assert_eq!(other.combine(one).code(), expected, "{other} {one}");
        }
    }

    #[test]
    fn only_0_2_and_8_complete_a_ticket() {
        let complete: Vec<u8> = (0..=255)
            .filter(|&code| ExitCode::try_from(code).is_ok_and(ExitCode::completes))
            .collect();
        assert_eq!(complete, [0, 2, 8]);
    }
}
