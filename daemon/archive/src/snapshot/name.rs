//! Names of snapshots: `SERIES@YYYY-MM-DDTHH:MM:SSZ-XXXXXXXX`, where the last part are the first eight hexadecimal
//! digits of the digest of the snapshot's archive state. A name is a file name too. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::state::ArchiveStateId;

/// Longer names of series exist nowhere.
const LONGEST_SERIES: usize = 64;
const DIGITS: usize = 8;
const TIME: &str = "%Y-%m-%dT%H:%M:%SZ";

/// A snapshot's name; ordered by series, then by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotName(String);

/// A text is no name of a snapshot, or a series can't be part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no snapshot: SERIES@YYYY-MM-DDTHH:MM:SSZ-XXXXXXXX is wanted, such as debian-bookworm@2026-11-20T14:00:00Z-1f2e3d4c"
)]
pub struct SnapshotNameError {
    text: String,
}

impl SnapshotNameError {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text
                .chars()
                .take(128)
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect(),
        }
    }
}

impl SnapshotName {
    /// The name of the snapshot of `series` that was taken then (cut to the second) and whose state is this one.
    ///
    /// # Errors
    /// The series is not of `a-z 0-9 + - .`.
    pub fn new(series: &str, taken_at: SystemTime, state: ArchiveStateId) -> Result<Self, SnapshotNameError> {
        let at = Timestamp::try_from(taken_at).map_err(|_| SnapshotNameError::new(series))?;
        let digits: String = state.to_string().chars().take(DIGITS).collect();
        format!("{series}@{}-{digits}", at.strftime(TIME)).parse()
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The series that it is a snapshot of.
    #[must_use]
    pub fn series(&self) -> &str {
        self.0.split_once('@').map_or(self.0.as_str(), |(series, _)| series)
    }
}

impl FromStr for SnapshotName {
    type Err = SnapshotNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || SnapshotNameError::new(text);
        let (series, rest) = text.split_once('@').ok_or_else(refused)?;
        let (time, digits) = rest.rsplit_once('-').ok_or_else(refused)?;
        let good_series = (1..=LONGEST_SERIES).contains(&series.len())
            && series.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && series
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.'));
        // What is written again as it was read has no second spelling.
        let good_time = DateTime::strptime(TIME, time).is_ok_and(|parsed| parsed.strftime(TIME).to_string() == time);
        let good_digits =
            digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        if good_series && good_time && good_digits {
            Ok(Self(text.to_owned()))
        } else {
            Err(refused())
        }
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_says_series_second_and_state() {
        let state: ArchiveStateId = format!("1f2e3d4c{}", "0".repeat(56)).parse().unwrap();
        let at = UNIX_EPOCH + Duration::from_millis(1_795_183_200_900);
        let name = SnapshotName::new("debian-bookworm", at, state).unwrap();
        assert_eq!(name.as_str(), "debian-bookworm@2026-11-20T14:00:00Z-1f2e3d4c");
        assert_eq!(name.series(), "debian-bookworm");
        assert_eq!(name.as_str().parse::<SnapshotName>().unwrap(), name);
        assert!(SnapshotName::new("../x", at, state).is_err());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in [
            "",
            "debian-bookworm",
            "debian-bookworm@",
            "@2026-11-20T14:00:00Z-1f2e3d4c",
            "a/b@2026-11-20T14:00:00Z-1f2e3d4c",
            "a@2026-13-20T14:00:00Z-1f2e3d4c",
            "a@2026-11-20T14:00:60Z-1f2e3d4c",
            "a@2026-11-20T14:00:00Z-1F2E3D4C",
            "a@2026-11-20T14:00:00Z-1f2e3d4",
            "a@2026-11-20 14:00:00Z-1f2e3d4c",
            "A@2026-11-20T14:00:00Z-1f2e3d4c",
        ] {
            assert!(bad.parse::<SnapshotName>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_accepted_is_a_file_name(text in "[a-z/.@-]{0,5}@?[0-9T:-]{0,20}Z?-?[0-9a-g]{0,9}") {
            if let Ok(name) = text.parse::<SnapshotName>() {
                prop_assert!(!name.as_str().contains('/') && !name.as_str().starts_with('.'));
            }
        }

        #[test]
        fn order_is_time(one in 0_u64..4_000_000_000, two in 0_u64..4_000_000_000) {
            let state: ArchiveStateId = "0".repeat(64).parse().unwrap();
            let name = |at| SnapshotName::new("a", UNIX_EPOCH + Duration::from_secs(at), state).unwrap();
            prop_assert_eq!(name(one).cmp(&name(two)), one.cmp(&two));
        }
    }
}
