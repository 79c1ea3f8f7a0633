//! Archive states: the set of release files that an image was built from, as an object of the store named by its
//! digest. A snapshot names one, and all indices beside it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use preflight_debian::{DigestParseError, Sha256Digest};
use serde::{Deserialize, Serialize};

use crate::content::ContentStore;
use crate::error::ArchiveError;
use crate::url::CanonicalUrl;

/// The name of an archive state: the SHA-256 of its text form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchiveStateId(Sha256Digest);

impl ArchiveStateId {
    /// The state of that digest; whether the store has it is found when it is used.
    #[must_use]
    pub fn new(sha256: [u8; 32]) -> Self {
        Self(Sha256Digest::from_bytes(sha256))
    }

    /// The digest.
    #[must_use]
    pub fn digest(self) -> Sha256Digest {
        self.0
    }
}

impl fmt::Display for ArchiveStateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ArchiveStateId {
    type Err = DigestParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The release files of one suite, by name (`InRelease`, or `Release` and `Release.gpg`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuiteRecord {
    /// The folder's canonical URL.
    pub(crate) folder: String,
    /// Name → SHA-256.
    pub(crate) files: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    archive_state_format: u32,
    suites: Vec<SuiteRecord>,
}

const FORMAT: u32 = 1;

/// Stores a state; equal sets give equal ids.
pub(crate) fn store(
    content: &ContentStore,
    suites: &BTreeMap<CanonicalUrl, SuiteRecord>,
) -> Result<ArchiveStateId, ArchiveError> {
    let file = StateFile {
        archive_state_format: FORMAT,
        suites: suites.values().cloned().collect(),
    };
    let text = serde_json::to_vec(&file).map_err(|error| ArchiveError::Format {
        what: "an archive state",
        reason: error.to_string(),
    })?;
    let digest = Sha256Digest::of(&text);
    let path = content.path_of(digest);
    content.put(&text).map_err(ArchiveError::io(&path))?;
    Ok(ArchiveStateId(digest))
}

/// Loads a state, and checks that the release files that it names are there.
pub(crate) fn load(
    content: &ContentStore,
    id: ArchiveStateId,
) -> Result<BTreeMap<CanonicalUrl, SuiteRecord>, ArchiveError> {
    let bad = |reason: String| ArchiveError::NoSuchState { id, reason };
    let text = content
        .read(id.0)
        .map_err(|error| bad(error.to_string()))?
        .ok_or_else(|| bad("it was removed".to_owned()))?;
    let file: StateFile = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    if file.archive_state_format != FORMAT {
        return Err(bad(format!("its format {} is not known", file.archive_state_format)));
    }
    let mut suites = BTreeMap::new();
    for suite in file.suites {
        for (name, sha256) in &suite.files {
            let sha256 = sha256
                .parse()
                .map_err(|error: DigestParseError| bad(error.to_string()))?;
            if content.get(sha256).map_err(|error| bad(error.to_string()))?.is_none() {
                return Err(bad(format!("{}/{name} is missing", suite.folder)));
            }
        }
        let folder = suite
            .folder
            .parse()
            .map_err(|error: crate::UrlError| bad(error.to_string()))?;
        suites.insert(folder, suite);
    }
    Ok(suites)
}
