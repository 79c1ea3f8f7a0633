//! One test of somebody's, as far as its results tell. Names and reasons are bounded here, once for all formats.

use std::time::Duration;

use preflight_core::TestStatus;

use crate::limits::{LONGEST_NAME, LONGEST_REASON};

/// A file that belongs to a test: what it wrote, or why it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, such as `stdout`; a stranger's.
    pub name: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// A test and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name; a stranger's, and no name of a file.
    pub name: String,
    /// Its result.
    pub status: TestStatus,
    /// Why, in one line.
    pub reason: Option<String>,
    /// How long it ran, zero where nothing tells.
    pub duration: Duration,
    /// The line of the log at which its output starts, counted from 1.
    pub log_line: Option<u64>,
    /// What came with it in the same document.
    pub attachments: Vec<Attachment>,
}

impl Case {
    pub(crate) fn new(name: &str, status: TestStatus, reason: Option<&str>) -> Self {
        let reason = reason.map(|reason| one_line(reason, LONGEST_REASON));
        Self {
            name: one_line(name, LONGEST_NAME),
            status,
            reason: reason.filter(|reason| !reason.is_empty()),
            duration: Duration::ZERO,
            log_line: None,
            attachments: Vec::new(),
        }
    }
}

/// The first line that says something, at most so many bytes of it.
pub(crate) fn one_line(text: &str, longest: usize) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    bounded(line.unwrap_or_default(), longest).to_owned()
}

/// The beginning of a text, at most so many bytes of it.
pub(crate) fn bounded(text: &str, longest: usize) -> &str {
    if text.len() <= longest {
        return text;
    }
    let end = (0..=longest).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or_default()]
}

/// A duration of seconds that somebody wrote down; zero for what is none.
pub(crate) fn seconds(text: &str) -> Duration {
    let number: f64 = text.trim().replace(',', "").parse().unwrap_or_default();
    // A year is longer than any test.
    Duration::try_from_secs_f64(number.clamp(0.0, 31_536_000.0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_reasons_are_short_lines() {
        let case = Case::new(" a\nb", TestStatus::Fail, Some("\n  \n why\nmore"));
        assert_eq!((case.name.as_str(), case.reason.as_deref()), ("a", Some("why")));
        let case = Case::new(&"ü".repeat(LONGEST_NAME), TestStatus::Pass, Some(" "));
        assert_eq!((case.name.len(), case.reason), (LONGEST_NAME, None));
    }

    #[test]
    fn durations_are_seconds() {
        for (text, expected) in [
            ("1.5", 1500),
            ("1,234", 1_234_000),
            ("-3", 0),
            ("NaN", 0),
            ("x", 0),
            ("inf", 31_536_000_000),
        ] {
            assert_eq!(seconds(text), Duration::from_millis(expected), "{text}");
        }
    }
}
