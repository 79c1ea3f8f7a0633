//! Debian version numbers: checked, bounded, kept as written, ordered as dpkg orders them (through `debversion`).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A version as written; equality and order are dpkg's, so that `1.0` equals `0:1.0`.
#[derive(Clone)]
pub struct Version {
    text: String,
    parsed: debversion::Version,
}

/// The text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no version: [epoch:]upstream[-revision] of A-Za-z0-9.+-~ is wanted, the upstream part starting with a digit"
)]
pub struct VersionError(String);

impl Version {
    /// The version as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The version without its epoch, as file names have it.
    #[must_use]
    pub fn without_epoch(&self) -> &str {
        self.text.split_once(':').map_or(self.text.as_str(), |(_, rest)| rest)
    }

    /// The upstream part, without epoch and Debian revision.
    #[must_use]
    pub fn upstream(&self) -> &str {
        let rest = self.without_epoch();
        rest.rsplit_once('-').map_or(rest, |(upstream, _)| upstream)
    }

    /// The Debian revision; none in a native package's version.
    #[must_use]
    pub fn revision(&self) -> Option<&str> {
        self.without_epoch().rsplit_once('-').map(|(_, revision)| revision)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || VersionError(text.chars().take(128).collect());
        let (epoch, rest) = text
            .split_once(':')
            .map_or((None, text), |(epoch, rest)| (Some(epoch), rest));
        let epoch_good = epoch.is_none_or(|e| !e.is_empty() && e.len() <= 9 && e.bytes().all(|b| b.is_ascii_digit()));
        let bytes_good = rest
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'~'));
        let revision_good = rest
            .rsplit_once('-')
            .is_none_or(|(upstream, revision)| !upstream.is_empty() && !revision.is_empty());
        // dpkg only warns of an upstream part that starts with a letter; a path or an option can't start with a digit.
        if text.len() > 256
            || !epoch_good
            || !bytes_good
            || !revision_good
            || !rest.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(refused());
        }
        let parsed = text.parse().map_err(|_| refused())?;
        Ok(Self {
            text: text.to_owned(),
            parsed,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({})", self.text)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parsed.cmp(&other.parsed)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn dpkg_says(left: &str, relation: &str, right: &str) -> bool {
        Command::new("dpkg")
            .args(["--compare-versions", left, relation, right])
            .status()
            .expect("dpkg runs")
            .success()
    }

    fn assert_as_dpkg(left: &str, right: &str) {
        let ours = left.parse::<Version>().unwrap().cmp(&right.parse().unwrap());
        let relation = match ours {
            Ordering::Less => "lt",
            Ordering::Equal => "eq",
            Ordering::Greater => "gt",
        };
        assert!(
            dpkg_says(left, relation, right),
            "{left} {relation} {right} is not what dpkg says"
        );
    }

    #[test]
    fn order_is_dpkgs_on_the_known_corners() {
        let versions = [
            "1.0",
            "0:1.0",
            "1.0-0",
            "1.0-1",
            "1.0~rc1",
            "1.0~~",
            "1:0.1",
            "1.0+b1",
            "1.0-1~bpo12+1",
            "1.0a",
            "1.00",
            "1.0-1.1",
            "2.10-3",
            "1.0.",
            "0~",
            "0",
        ];
        for left in versions {
            for right in versions {
                assert_as_dpkg(left, right);
            }
        }
    }

    #[test]
    fn parts() {
        let version: Version = "1:2.0-rc1-3".parse().unwrap();
        assert_eq!(
            (version.without_epoch(), version.upstream(), version.revision()),
            ("2.0-rc1-3", "2.0-rc1", Some("3"))
        );
        let native: Version = "5".parse().unwrap();
        assert_eq!((native.upstream(), native.revision()), ("5", None));
        for bad in ["", "a1", "1:", "1:1:1", "1/2", "1 2", "1-", "x:1", "../1", "1_2"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn order_is_dpkgs(left in "([0-2]:)?[0-9][a-c0-2.+~]{0,5}(-[a-b0-2.+~]{1,3})?", right in "([0-2]:)?[0-9][a-c0-2.+~]{0,5}(-[a-b0-2.+~]{1,3})?") {
            assert_as_dpkg(&left, &right);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<Version>();
        }
    }
}
