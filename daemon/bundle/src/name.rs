//! Names of carried files: plain relative ones, below one of the folders that the format has. What such a name says can
//! be joined to a folder and stays in it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name in bytes.
const LONGEST: usize = 1000;
/// The longest part of a name in bytes: what file systems take.
const LONGEST_PART: usize = 255;
/// How many folders deep a file may be.
const DEEPEST: usize = 32;

/// The name of a carried file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryName(String);

/// Which folder of the format a file is in: the first part of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// `sources/…`: a staged source's package, and its control files.
    Sources,
    /// `logs/LOG` and `logs/LOG.idx`.
    Logs,
    /// `results/JOB.subunit`: a test job's stream.
    Results,
    /// `artifacts/NAME`.
    Artifacts,
    /// `tests/SOURCE/TEST/…`: what a test has left.
    Tests,
    /// `reruns/JOB/…`: what a rerun was given, and what it has left.
    Reruns,
    /// `repositories/generation-DIGEST/…`: states of other tickets' repositories.
    Repositories,
    /// `objects/SHA256`: what the archive served.
    Objects,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Sources,
        Self::Logs,
        Self::Results,
        Self::Artifacts,
        Self::Tests,
        Self::Reruns,
        Self::Repositories,
        Self::Objects,
    ];

    /// The folder's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sources => "sources",
            Self::Logs => "logs",
            Self::Results => "results",
            Self::Artifacts => "artifacts",
            Self::Tests => "tests",
            Self::Reruns => "reruns",
            Self::Repositories => "repositories",
            Self::Objects => "objects",
        }
    }

    /// The name of a file in it.
    ///
    /// # Errors
    /// No file of the format can be called so.
    pub fn file(self, rest: impl fmt::Display) -> Result<EntryName, NameError> {
        format!("{}/{rest}", self.word()).parse()
    }
}

/// A name that no carried file can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no name for a carried file: {why}")]
pub struct NameError {
    name: String,
    why: &'static str,
}

impl EntryName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its folder of the format.
    #[must_use]
    pub fn place(&self) -> Place {
        let first = self.0.split('/').next().unwrap_or_default();
        let known = Place::ALL.into_iter().find(|place| place.word() == first);
        // The constructor has found it.
        known.unwrap_or(Place::Tests)
    }

    /// What follows its place.
    #[must_use]
    pub fn rest(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, rest)| rest)
    }

    /// What follows a folder; none for what is not in it.
    #[must_use]
    pub fn below(&self, folder: &str) -> Option<&str> {
        self.0.strip_prefix(folder)?.strip_prefix('/')
    }
}

impl FromStr for EntryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bad = |why| NameError {
            name: text.chars().take(80).collect(),
            why,
        };
        if text.len() > LONGEST {
            return Err(bad("it is too long"));
        }
        // Letters of other scripts may stand in the names of what tests leave; what acts on a terminal may not.
        if text.chars().any(char::is_control) {
            return Err(bad("it has control characters"));
        }
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty() || matches!(*part, "." | "..")) {
            return Err(bad("it is no plain relative name"));
        }
        if parts.iter().any(|part| part.len() > LONGEST_PART) || parts.len() > DEEPEST {
            return Err(bad("it is too long"));
        }
        if parts.len() < 2 || !Place::ALL.iter().any(|place| place.word() == parts[0]) {
            return Err(bad("it is in no folder of the format"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for EntryName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<EntryName> for String {
    fn from(name: EntryName) -> Self {
        name.0
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for good in [
            "logs/1-build-hello.1.log",
            "tests/hello/smoke/.hidden/ü",
            "sources/0-a/package/a_1.dsc",
        ] {
            assert_eq!(good.parse::<EntryName>().unwrap().as_str(), good);
        }
        let long = format!("tests/{}", "a/".repeat(40) + "b");
        for bad in [
            "",
            "logs",
            "logs/",
            "/logs/x",
            "logs//x",
            "logs/../x",
            "logs/./x",
            "../logs/x",
            "kept/1-1/memory",
            "preflight.json",
            "logs/a\nb",
            "logs/a\u{0}",
            &format!("logs/{}", "a".repeat(256)),
            &long,
        ] {
            assert!(bad.parse::<EntryName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_tells_its_folder() {
        let name: EntryName = "sources/0-a/package/a_1.dsc".parse().unwrap();
        assert_eq!((name.place(), name.rest()), (Place::Sources, "0-a/package/a_1.dsc"));
        assert_eq!(name.below("sources/0-a"), Some("package/a_1.dsc"));
        assert_eq!(name.below("sources/0"), None);
        for place in Place::ALL {
            assert_eq!(place.file("x").unwrap().place(), place);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_taken_stays_in_its_folder(rest in "[./a-c\\\\\u{202e} ]{0,12}") {
            if let Ok(name) = Place::Tests.file(rest) {
                let path = Path::new(name.as_str());
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
                prop_assert!(path.starts_with("tests"));
            }
        }
    }
}
