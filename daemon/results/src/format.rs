//! The formats, their names, and how a document's beginning tells which one it is.

use std::fmt;
use std::str::FromStr;

/// A format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// autopkgtest's output directory.
    Autopkgtest,
    /// A run as debci keeps it: `log.gz`, `exitcode`, `artifacts.tar.gz`.
    Debci,
    /// A run as Ubuntu's infrastructure keeps it: `result.tar`, `log.gz`, `artifacts.tar.gz`.
    ResultTar,
    /// A log of autopkgtest's alone.
    Log,
    /// subunit, version 1.
    Subunit1,
    /// subunit, version 2.
    Subunit2,
    /// JUnit's XML.
    Junit,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Autopkgtest,
        Self::Debci,
        Self::ResultTar,
        Self::Log,
        Self::Subunit1,
        Self::Subunit2,
        Self::Junit,
    ];

    /// The format's name.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Autopkgtest => "autopkgtest",
            Self::Debci => "debci",
            Self::ResultTar => "result-tar",
            Self::Log => "log",
            Self::Subunit1 => "subunit-v1",
            Self::Subunit2 => "subunit",
            Self::Junit => "junit",
        }
    }

    /// Whether it is autopkgtest's own files, in whatever wrapping.
    pub(crate) fn is_folder(self) -> bool {
        matches!(self, Self::Autopkgtest | Self::Debci | Self::ResultTar | Self::Log)
    }

    /// What a document that begins so is; none where nothing tells.
    pub(crate) fn of_document(beginning: &[u8]) -> Option<Self> {
        if beginning.first() == Some(&0xb3) {
            return Some(Self::Subunit2);
        }
        let text = String::from_utf8_lossy(beginning);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with("<?xml") || text.starts_with("<testsuite") {
            return Some(Self::Junit);
        }
        if text.contains("autopkgtest [") || text.contains("adt-run [") {
            return Some(Self::Log);
        }
        const WORDS: [&str; 14] = [
            "test",
            "testing",
            "success",
            "successful",
            "failure",
            "error",
            "skip",
            "xfail",
            "uxsuccess",
            "tags",
            "time",
            "progress",
            "test:",
            "testing:",
        ];
        let is_directive = |line: &str| {
            let word = line.split([':', ' ']).next().unwrap_or_default();
            WORDS.contains(&word) && line.contains(':')
        };
        if text.lines().any(is_directive) {
            return Some(Self::Subunit1);
        }
        // A stream that something else has written before.
        beginning.contains(&0xb3).then_some(Self::Subunit2)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.key())
    }
}

/// A text that names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no format of that name; there are {}", Format::ALL.map(Format::key).join(", "))]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.key() == text)
            .ok_or(UnknownFormat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings() {
        for (beginning, expected) in [
            (&b"\xb3\x29\x01\x0c"[..], Some(Format::Subunit2)),
            (b"noise\n\xb3\x29\x01\x0c", Some(Format::Subunit2)),
            (b"<?xml version='1.0'?>", Some(Format::Junit)),
            (b"\n<testsuites>", Some(Format::Junit)),
            (b"autopkgtest [10:00:00]: starting", Some(Format::Log)),
            (b"  0s autopkgtest [10:00:00]: starting", Some(Format::Log)),
            (b"blah\ntime: 2026-01-01 00:00:00Z\ntest: a", Some(Format::Subunit1)),
            (b"successful: a\n", Some(Format::Subunit1)),
            (b"once upon a time", None),
            (b"", None),
        ] {
            assert_eq!(Format::of_document(beginning), expected, "{beginning:?}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for format in Format::ALL {
            assert_eq!(format.key().parse(), Ok(format));
        }
        assert!("xml".parse::<Format>().is_err());
    }
}
