//! In what versions of autopkgtest differ, as far as tests notice: each series' infrastructure runs the one that judges its
//! packages. Read from autopkgtest's changelog and from the sources of 5.28, 5.49 and 6.0; knows neither series nor files.

use std::{fmt, str::FromStr};

use crate::restriction::Restriction;

/// A version of autopkgtest, by what counts of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dialect {
    major: u16,
    minor: u16,
}

/// A text that is no version of autopkgtest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version of autopkgtest: expected two numbers, such as 5.28")]
pub struct DialectError(String);

impl Dialect {
    /// The newest that is known here: what is not said otherwise is as this one has it.
    pub const NEWEST: Self = Self::new(6, 0);

    const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Whether a restriction is known. One that is not skips the test.
    #[must_use]
    pub fn knows(self, restriction: Restriction) -> bool {
        let since = match restriction {
            Restriction::NeedsReboot => Self::new(4, 2),
            Restriction::Flaky => Self::new(5, 4),
            Restriction::Skippable | Restriction::SkipNotInstallable => Self::new(5, 5),
            Restriction::Superficial => Self::new(5, 6),
            Restriction::NeedsInternet => Self::new(5, 13),
            Restriction::NeedsSudo => Self::new(5, 26),
            Restriction::SkipForeignArchitecture => Self::new(5, 43),
            Restriction::AllowStderr
            | Restriction::BreaksTestbed
            | Restriction::BuildNeeded
            | Restriction::IsolationContainer
            | Restriction::IsolationMachine
            | Restriction::NeedsRecommends
            | Restriction::NeedsRoot
            | Restriction::RwBuildTree => Self::new(0, 0),
        };
        self >= since
    }

    /// Packages that a restriction needs, beside what its test asks for.
    #[must_use]
    pub fn needs(self, restriction: Restriction) -> &'static [&'static str] {
        match restriction {
            Restriction::NeedsSudo if self >= Self::new(5, 43) => &["passwd", "sudo"],
            Restriction::NeedsSudo => &["sudo"],
            _ => &[],
        }
    }

    /// Whether a stanza may have the field `Architecture`.
    #[must_use]
    pub fn has_architectures(self) -> bool {
        self >= Self::new(5, 15)
    }

    /// Whether tests are told of architectures: `AUTOPKGTEST_TEST_ARCH` and `AUTOPKGTEST_TESTBED_ARCH`.
    #[must_use]
    pub fn tells_architectures(self) -> bool {
        self >= Self::new(5, 43)
    }

    /// The mode of `AUTOPKGTEST_ARTIFACTS`: since 5.48 anybody may write there only where a test asks for isolation.
    #[must_use]
    pub fn artifacts_mode(self, is_isolated: bool) -> &'static str {
        match (self >= Self::new(5, 48), is_isolated) {
            (false, _) => "1777",
            (true, true) => "777",
            (true, false) => "755",
        }
    }

    /// Whether the tree of `build-needed` is built without the package's own checks (build profile `nocheck`).
    #[must_use]
    pub fn builds_without_checks(self) -> bool {
        self >= Self::new(5, 36)
    }

    /// The exit status of a test as it is told. Two are autopkgtest's own: it took a test that ended so for a broken testbed,
    /// until 5.39 gave it another number.
    #[must_use]
    pub fn exit_status(self, code: i32) -> i32 {
        match code {
            254 | 255 if self >= Self::new(5, 39) => 253,
            code => code,
        }
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self::NEWEST
    }
}

impl FromStr for Dialect {
    type Err = DialectError;

    /// Reads `5.28`; more that follows, such as `ubuntu1`, is nobody's matter.
    fn from_str(text: &str) -> Result<Self, DialectError> {
        let number = |part: &str| {
            let digits = part.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse::<u16>().ok()
        };
        let parts = text.split_once('.').and_then(|(major, minor)| {
            let is_number = !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit());
            Some((number(major).filter(|_| is_number)?, number(minor)?))
        });
        let (major, minor) = parts.ok_or_else(|| DialectError(text.chars().take(40).collect()))?;
        Ok(Self { major, minor })
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(text: &str) -> Dialect {
        text.parse().unwrap()
    }

    #[test]
    fn versions_are_read_and_ordered() {
        for (text, shown) in [
            ("5.28", "5.28"),
            ("6.0", "6.0"),
            ("5.38ubuntu1~24.04.1", "5.38"),
            ("5.31.2", "5.31"),
        ] {
            assert_eq!(dialect(text).to_string(), shown);
        }
        for text in ["", "5", "5.", ".5", "five.six", "5x.1", "5.99999999"] {
            assert!(text.parse::<Dialect>().is_err(), "{text}");
        }
        assert!(dialect("5.9") < dialect("5.28") && dialect("5.49") < Dialect::NEWEST);
    }

    #[test]
    fn what_is_known_when() {
        use Restriction::{Flaky, NeedsInternet, NeedsSudo, SkipForeignArchitecture, Superficial};
        for (version, unknown) in [
            (
                "5.3",
                &[Flaky, Superficial, NeedsInternet, NeedsSudo, SkipForeignArchitecture][..],
            ),
            ("5.11", &[NeedsInternet, NeedsSudo, SkipForeignArchitecture]),
            ("5.25", &[NeedsSudo, SkipForeignArchitecture]),
            ("5.28", &[SkipForeignArchitecture]),
            ("5.42", &[SkipForeignArchitecture]),
            ("5.43", &[]),
            ("6.0", &[]),
        ] {
            for word in [Flaky, Superficial, NeedsInternet, NeedsSudo, SkipForeignArchitecture] {
                assert_eq!(
                    dialect(version).knows(word),
                    !unknown.contains(&word),
                    "{version} {word}"
                );
            }
        }
        for (version, sudo, mode, status) in [
            ("5.28", &["sudo"][..], "1777", 255),
            ("5.39", &["sudo"], "1777", 253),
            ("5.49", &["passwd", "sudo"], "755", 253),
        ] {
            let dialect = dialect(version);
            assert_eq!(dialect.needs(NeedsSudo), sudo, "{version}");
            assert_eq!(dialect.artifacts_mode(false), mode, "{version}");
            assert_eq!(dialect.exit_status(255), status, "{version}");
            assert_eq!(dialect.exit_status(1), 1);
        }
    }
}
