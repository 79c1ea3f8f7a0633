//! A snapshot as a value, and its file (JSON, format 1). It names objects of the store and holds none.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;
use preflight_debian::Sha256Digest;
use serde::{Deserialize, Serialize};

use crate::state::ArchiveStateId;
use crate::url::CanonicalUrl;

use super::error::SnapshotError;
use super::name::SnapshotName;

/// All suites of a series at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name, and the name of its file.
    pub name: SnapshotName,
    /// The Debian architecture of its binary packages.
    pub architecture: String,
    /// When it was taken, more exactly than its name says.
    pub taken_at: SystemTime,
    /// Its release files as a state, which a session can be given.
    pub state: ArchiveStateId,
    /// The release and its pockets, in the order of their folders' URLs.
    pub suites: Vec<SnapshotSuite>,
}

/// One suite of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSuite {
    /// The URL of the folder of its release file, as guests spell it.
    pub folder: CanonicalUrl,
    /// The suite, as apt's sources name it.
    pub suite: String,
    /// The components that were taken.
    pub components: Vec<String>,
    /// What the release file says of its date.
    pub date: Option<SystemTime>,
    /// Release files and indices, in the order of their paths.
    pub files: Vec<SnapshotFile>,
}

/// One file of a suite.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotFile {
    /// The path below the suite's folder.
    pub path: String,
    /// What it is.
    pub role: FileRole,
    /// Its content.
    pub sha256: Sha256Digest,
    /// Bytes.
    pub size: u64,
}

/// What a file of a suite is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "role", content = "component", rename_all = "kebab-case")]
pub enum FileRole {
    /// A release file, or its signature.
    Release,
    /// `Packages` of this component (empty in a flat repository).
    Packages(String),
    /// `Sources` of this component.
    Sources(String),
}

impl Snapshot {
    /// The series.
    #[must_use]
    pub fn series(&self) -> &str {
        self.name.series()
    }

    /// All objects that it names: its state, release files and indices. A store that keeps them can serve it.
    #[must_use]
    pub fn objects(&self) -> BTreeSet<Sha256Digest> {
        self.files()
            .map(|file| file.sha256)
            .chain([self.state.digest()])
            .collect()
    }

    /// Bytes of its release files and indices, each counted once. Snapshots share what did not change between them.
    #[must_use]
    pub fn size(&self) -> u64 {
        let distinct: BTreeSet<(Sha256Digest, u64)> = self.files().map(|file| (file.sha256, file.size)).collect();
        distinct.iter().map(|(_, size)| size).sum()
    }

    fn files(&self) -> impl Iterator<Item = &SnapshotFile> {
        self.suites.iter().flat_map(|suite| &suite.files)
    }

    /// Whether both hold the same, whenever they were taken.
    pub(super) fn holds_the_same(&self, other: &Self) -> bool {
        self.architecture == other.architecture && self.state == other.state && self.suites == other.suites
    }

    pub(super) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let time = |at: SystemTime| Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
        let suite = |suite: &SnapshotSuite| SuiteForm {
            folder: suite.folder.to_string(),
            suite: suite.suite.clone(),
            components: suite.components.clone(),
            date: suite.date.map(time),
            files: suite.files.iter().map(FileForm::of).collect(),
        };
        serde_json::to_vec_pretty(&SnapshotForm {
            snapshot_format: FORMAT,
            name: self.name.to_string(),
            architecture: self.architecture.clone(),
            taken_at: time(self.taken_at),
            state: self.state.to_string(),
            suites: self.suites.iter().map(suite).collect(),
        })
    }

    /// Reads what [`Self::to_json`] wrote to `path`.
    pub(super) fn from_json(path: &Path, text: &[u8]) -> Result<Self, SnapshotError> {
        Self::parse(text).map_err(|reason| SnapshotError::Damaged {
            path: path.to_owned(),
            reason,
        })
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let version: FormatForm = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if version.snapshot_format != FORMAT {
            return Err(format!(
                "its format {} is not known, only {FORMAT}",
                version.snapshot_format
            ));
        }
        let form: SnapshotForm = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let mut suites = Vec::with_capacity(form.suites.len());
        for suite in form.suites {
            suites.push(SnapshotSuite {
                folder: suite
                    .folder
                    .parse()
                    .map_err(|error: crate::UrlError| error.to_string())?,
                suite: suite.suite,
                components: suite.components,
                date: suite.date.map(SystemTime::from),
                files: suite.files.into_iter().map(FileForm::file).collect::<Result<_, _>>()?,
            });
        }
        Ok(Self {
            name: form
                .name
                .parse()
                .map_err(|error: super::SnapshotNameError| error.to_string())?,
            architecture: form.architecture,
            taken_at: form.taken_at.into(),
            state: form.state.parse().map_err(digest_error)?,
            suites,
        })
    }
}

const FORMAT: u32 = 1;

/// What every format has.
#[derive(Deserialize)]
struct FormatForm {
    snapshot_format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SnapshotForm {
    snapshot_format: u32,
    name: String,
    architecture: String,
    taken_at: Timestamp,
    state: String,
    suites: Vec<SuiteForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SuiteForm {
    folder: String,
    suite: String,
    components: Vec<String>,
    date: Option<Timestamp>,
    files: Vec<FileForm>,
}

#[derive(Serialize, Deserialize)]
struct FileForm {
    path: String,
    #[serde(flatten)]
    role: FileRole,
    sha256: String,
    size: u64,
}

impl FileForm {
    fn of(file: &SnapshotFile) -> Self {
        Self {
            path: file.path.clone(),
            role: file.role.clone(),
            sha256: file.sha256.to_string(),
            size: file.size,
        }
    }

    fn file(self) -> Result<SnapshotFile, String> {
        Ok(SnapshotFile {
            path: self.path,
            role: self.role,
            sha256: self.sha256.parse().map_err(digest_error)?,
            size: self.size,
        })
    }
}

fn digest_error(error: preflight_debian::DigestParseError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn snapshot() -> Snapshot {
        let file = |path: &str, role, content: &[u8]| SnapshotFile {
            path: path.to_owned(),
            role,
            sha256: Sha256Digest::of(content),
            size: content.len() as u64,
        };
        let main = "main".to_owned();
        let suite = |suite: &str, release: &[u8]| SnapshotSuite {
            folder: format!("http://mirror.example/debian/dists/{suite}").parse().unwrap(),
            suite: suite.to_owned(),
            components: vec![main.clone()],
            date: Some(SystemTime::UNIX_EPOCH),
            files: vec![
                file("InRelease", FileRole::Release, release),
                file(
                    "main/binary-amd64/Packages.xz",
                    FileRole::Packages(main.clone()),
                    b"shared",
                ),
                file("main/source/Sources.xz", FileRole::Sources(main.clone()), b"sources"),
            ],
        };
        Snapshot {
            name: "debian-bookworm@2026-11-20T14:00:00Z-1f2e3d4c".parse().unwrap(),
            architecture: "amd64".to_owned(),
            taken_at: SystemTime::UNIX_EPOCH + std::time::Duration::from_nanos(1_795_183_200_123_456_789),
            state: format!("1f2e3d4c{}", "0".repeat(56)).parse().unwrap(),
            suites: vec![suite("bookworm", b"one"), suite("bookworm-updates", b"two")],
        }
    }

    #[test]
    fn the_file_gives_back_what_was_written() {
        let snapshot = snapshot();
        let text = snapshot.to_json().unwrap();
        assert_eq!(Snapshot::from_json(Path::new("x"), &text).unwrap(), snapshot);
        assert_eq!(snapshot.series(), "debian-bookworm");
        // Two release files, two indices that both suites share, and the state.
        assert_eq!(snapshot.objects().len(), 5);
        assert_eq!(snapshot.size(), 3 + 3 + 6 + 7);
    }

    #[test]
    fn what_is_of_another_format_or_malformed_is_refused_with_its_path() {
        let good = String::from_utf8(snapshot().to_json().unwrap()).unwrap();
        for (from, to) in [
            ("\"snapshot_format\": 1", "\"snapshot_format\": 2"),
            ("debian-bookworm@", "../debian-bookworm@"),
            ("\"taken_at\"", "\"taken\""),
            ("http://mirror", "file://mirror"),
            ("\"packages\"", "\"patches\""),
            ("1f2e3d4c0", "1f2e3d4cx"),
        ] {
            let bad = good.replace(from, to);
            assert_ne!(bad, good, "{from}");
            let error = Snapshot::from_json(Path::new("/x/y.json"), bad.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with("/x/y.json: "), "{error}");
        }
    }
}
