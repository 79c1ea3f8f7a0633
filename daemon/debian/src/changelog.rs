//! `debian/changelog` (deb-changelog(5)): the heading lines of its entries, newest first. The crates that exist edit
//! changelogs and keep every blank of them; here one line of an entry matters, in files of some megabytes.

use std::path::Path;

use crate::error::{Error, Place, Problem};
use crate::name::SourceName;
use crate::version::Version;

/// The newest entries are what matters; a released one is found in far fewer.
const MOST_ENTRIES: usize = 1000;

/// The heading of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangelogEntry {
    /// The source package.
    pub source: SourceName,
    /// Its version.
    pub version: Version,
    /// The distributions, as written (`unstable`, `UNRELEASED`, `bookworm-security`).
    pub distributions: Vec<String>,
    /// The line, counted from 1.
    pub line: usize,
}

impl ChangelogEntry {
    /// Whether the entry is still being worked on.
    #[must_use]
    pub fn is_unreleased(&self) -> bool {
        self.distributions.iter().any(|name| name == "UNRELEASED")
    }
}

/// The entries of a changelog.
#[derive(Debug, Clone)]
pub struct Changelog {
    /// The newest entry.
    pub newest: ChangelogEntry,
    /// The others, newest first, at most 1000.
    pub older: Vec<ChangelogEntry>,
}

impl Changelog {
    /// Parses the text of a `debian/changelog`; `path` is for messages. Old entries that are not in today's form are
    /// passed over, as dpkg does; the newest must be.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let mut entries = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let number = number + 1;
            if line.trim().is_empty() || line.starts_with([' ', '\t', '#']) {
                continue;
            }
            match heading(line, number) {
                Ok(entry) => entries.push(entry),
                Err(reason) if entries.is_empty() => {
                    return Err(Error::new(Place::line(path, number), Problem::Malformed(reason)));
                }
                // From here on come Emacs variables and entries from before the format.
                Err(_) => {}
            }
            if entries.len() > MOST_ENTRIES {
                break;
            }
        }
        let mut entries = entries.into_iter();
        match entries.next() {
            Some(newest) => Ok(Self {
                newest,
                older: entries.collect(),
            }),
            None => Err(Error::new(
                Place::file(path),
                Problem::Malformed("it has no entry".to_owned()),
            )),
        }
    }

    /// The distribution that the newest entry is meant for: its own or, where it is `UNRELEASED`, that of the last
    /// released entry; none when nothing was ever released.
    #[must_use]
    pub fn distribution(&self) -> Option<&str> {
        std::iter::once(&self.newest)
            .chain(&self.older)
            .find(|entry| !entry.is_unreleased())
            .and_then(|entry| entry.distributions.first())
            .map(String::as_str)
    }
}

fn heading(line: &str, number: usize) -> Result<ChangelogEntry, String> {
    let wanted = || {
        let shown: String = line.chars().take(80).collect();
        format!("{shown:?} is no heading: \"source (version) distribution; urgency=…\" is wanted")
    };
    let (source, rest) = line.split_once(" (").ok_or_else(wanted)?;
    let (version, rest) = rest.split_once(')').ok_or_else(wanted)?;
    let (distributions, _) = rest.split_once(';').ok_or_else(wanted)?;
    let distributions: Vec<String> = distributions.split_ascii_whitespace().map(str::to_owned).collect();
    let plain = |name: &String| {
        name.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'+'))
    };
    if distributions.is_empty() || !distributions.iter().all(plain) {
        return Err(wanted());
    }
    Ok(ChangelogEntry {
        source: source
            .trim()
            .parse()
            .map_err(|error: crate::NameError| error.to_string())?,
        version: version
            .trim()
            .parse()
            .map_err(|error: crate::VersionError| error.to_string())?,
        distributions,
        line: number,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Changelog, Error> {
        Changelog::parse(Path::new("debian/changelog"), text)
    }

    #[test]
    fn unreleased_takes_the_last_release() {
        let text = "\ndemo (1.1-1) UNRELEASED; urgency=medium\n\n  * x\n\n -- A <a@b>  Thu, 01 Jan 2026 00:00:00 +0000\n\ndemo (1.0-1) noble unstable; urgency=low\n\n  * y\n\n -- A <a@b>  Thu, 01 Jan 2025 00:00:00 +0000\nLocal variables:\n";
        let changelog = parse(text).unwrap();
        assert_eq!((changelog.newest.version.as_str(), changelog.newest.line), ("1.1-1", 2));
        assert!(changelog.newest.is_unreleased());
        assert_eq!(changelog.distribution(), Some("noble"));
        assert_eq!(
            parse("demo (1) UNRELEASED; urgency=low\n").unwrap().distribution(),
            None
        );
    }

    #[test]
    fn faults_name_the_line() {
        for (text, message) in [
            ("", "debian/changelog: it has no entry"),
            ("\n\nhello world\n", "debian/changelog:3: \"hello world\" is no heading"),
            (
                "demo (x) unstable; urgency=low\n",
                "debian/changelog:1: \"x\" is no version",
            ),
            (
                "de/mo (1) unstable; urgency=low\n",
                "debian/changelog:1: \"de/mo\" is no valid source package name",
            ),
            ("demo (1) un/stable; urgency=low\n", "debian/changelog:1: "),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
