//! The lock: all that a job fetched, by canonical URL and digest. A value with a text form; it fetches nothing.

use std::collections::BTreeMap;

use preflight_debian::Sha256Digest;
use serde::{Deserialize, Serialize};

use crate::error::ArchiveError;
use crate::url::CanonicalUrl;

/// What a fetched file was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockKind {
    /// A signed release file (`InRelease`, `Release`, `Release.gpg`).
    Release,
    /// An index that a release file lists.
    Index,
    /// A package or a source's file.
    Package,
    /// Anything of the ticket's own repository, which differs from run to run.
    Ticket,
}

impl LockKind {
    /// What a file of an archive is, by its URL.
    #[must_use]
    pub fn of(url: &CanonicalUrl) -> Self {
        let (url, name) = (url.as_str(), url.as_str().rsplit('/').next().unwrap_or_default());
        match name {
            "InRelease" | "Release" | "Release.gpg" => Self::Release,
            _ if url.contains("/dists/") || name.starts_with("Packages") || name.starts_with("Sources") => Self::Index,
            _ => Self::Package,
        }
    }
}

/// One fetched file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockEntry {
    /// Where it came from.
    pub url: CanonicalUrl,
    /// Its content.
    pub sha256: Sha256Digest,
    /// Bytes.
    pub size: u64,
    /// What it was.
    pub kind: LockKind,
    /// Of a package, the folder of the suite that it came from: of those that list it, the one that the session prefers.
    pub origin: Option<CanonicalUrl>,
}

/// A sorted set of fetched files, one per URL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    entries: BTreeMap<CanonicalUrl, LockEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    lock_format: u32,
    files: Vec<LockLine>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockLine {
    url: String,
    sha256: String,
    size: u64,
    kind: LockKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
}

const FORMAT: u32 = 1;

impl Lock {
    /// The entries by URL.
    pub fn entries(&self) -> impl Iterator<Item = &LockEntry> {
        self.entries.values()
    }

    /// The entry of a URL.
    #[must_use]
    pub fn get(&self, url: &CanonicalUrl) -> Option<&LockEntry> {
        self.entries.get(url)
    }

    /// How many files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was fetched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The lock without the ticket's own repository: what two runs of one check have in common.
    #[must_use]
    pub fn from_archives(&self) -> Self {
        Self {
            entries: self
                .entries
                .iter()
                .filter(|(_, e)| e.kind != LockKind::Ticket)
                .map(|(u, e)| (u.clone(), e.clone()))
                .collect(),
        }
    }

    /// All entries of both; where both have a URL, the other's.
    #[must_use]
    pub fn merged(mut self, other: Self) -> Self {
        self.entries.extend(other.entries);
        self
    }

    pub(crate) fn insert(&mut self, entry: LockEntry) {
        self.entries.insert(entry.url.clone(), entry);
    }

    /// The lock as JSON, format 1: `{"lock_format": 1, "files": [{"url", "sha256", "size", "kind", "origin"}]}` sorted by
    /// URL; `origin` is left out where there is none.
    #[must_use]
    pub fn to_json(&self) -> String {
        let files = self
            .entries()
            .map(|e| LockLine {
                url: e.url.to_string(),
                sha256: e.sha256.to_string(),
                size: e.size,
                kind: e.kind,
                origin: e.origin.as_ref().map(ToString::to_string),
            })
            .collect();
        // Strings, numbers and a unit enum: there is nothing in it that can't be written.
        serde_json::to_string_pretty(&LockFile {
            lock_format: FORMAT,
            files,
        })
        .unwrap_or_default()
    }

    /// Reads what [`Lock::to_json`] wrote.
    pub fn from_json(text: &str) -> Result<Self, ArchiveError> {
        let bad = |reason: String| ArchiveError::Format {
            what: "the lock",
            reason,
        };
        let file: LockFile = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        if file.lock_format != FORMAT {
            return Err(bad(format!("format {} is not known, only {FORMAT}", file.lock_format)));
        }
        let mut lock = Self::default();
        let url = |text: String| text.parse().map_err(|error: crate::UrlError| bad(error.to_string()));
        for line in file.files {
            lock.insert(LockEntry {
                url: url(line.url)?,
                sha256: line
                    .sha256
                    .parse()
                    .map_err(|error: preflight_debian::DigestParseError| bad(error.to_string()))?,
                size: line.size,
                kind: line.kind,
                origin: line.origin.map(url).transpose()?,
            });
        }
        Ok(lock)
    }
}

impl FromIterator<LockEntry> for Lock {
    fn from_iter<T: IntoIterator<Item = LockEntry>>(entries: T) -> Self {
        Self {
            entries: entries.into_iter().map(|entry| (entry.url.clone(), entry)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_url_tells_what_a_file_is() {
        for (path, kind) in [
            ("dists/bookworm/InRelease", LockKind::Release),
            ("dists/bookworm/main/binary-amd64/by-hash/SHA256/00", LockKind::Index),
            ("flat/Packages.xz", LockKind::Index),
            ("pool/main/r/releases/Releases_1_all.deb", LockKind::Package),
        ] {
            let url = format!("http://mirror.example/debian/{path}").parse().unwrap();
            assert_eq!(LockKind::of(&url), kind, "{path}");
        }
    }

    #[test]
    fn text_form_round_trips_in_order() {
        let entry = |url: &str, kind| LockEntry {
            url: url.parse().unwrap(),
            sha256: Sha256Digest::of(b""),
            size: 3,
            kind,
            origin: (kind == LockKind::Package).then(|| "http://b/dists/x".parse().unwrap()),
        };
        let lock: Lock = [
            entry("http://b/x", LockKind::Package),
            entry("http://a/y", LockKind::Ticket),
        ]
        .into_iter()
        .collect();
        let text = lock.to_json();
        assert!(text.find("http://a/y") < text.find("http://b/x"));
        assert_eq!(Lock::from_json(&text).unwrap(), lock);
        assert_eq!(lock.from_archives().len(), 1);
        // As releases before wrote it.
        let without = text.replace(",\n      \"origin\": \"http://b/dists/x\"", "");
        assert_ne!(without, text);
        assert!(Lock::from_json(&without).unwrap().entries().all(|e| e.origin.is_none()));
        assert!(Lock::from_json(&text.replace("\"lock_format\": 1", "\"lock_format\": 2")).is_err());
    }
}
