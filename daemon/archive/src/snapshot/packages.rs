//! Which packages a snapshot's indices list. Indices are read as streams; a stanza whose names or version no Debian
//! package can have is left out.

use preflight_debian::{Architecture, PackageName, Version};

use crate::archive::Archive;
use crate::index_text::{IndexKind, IndexText, each_line, value};

use super::error::SnapshotError;
use super::record::{FileRole, Snapshot, SnapshotFile, SnapshotSuite};

/// One package of one suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPackage {
    /// The suite, as apt's sources name it.
    pub suite: String,
    /// Its component; empty in a flat repository.
    pub component: String,
    /// The package, or the source package.
    pub package: PackageName,
    /// Its architecture; `source` for a source package.
    pub architecture: Architecture,
    /// Its version.
    pub version: Version,
}

/// What a stanza is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) package: PackageName,
    pub(super) architecture: Architecture,
    pub(super) version: Version,
}

impl Archive {
    /// Calls `visit` for each package and source package of a snapshot, in the order of its suites and indices. It reads
    /// and unpacks all of them: seconds for a whole distribution, so not on a thread that others wait for.
    ///
    /// # Errors
    /// An index was removed from the store, or is malformed.
    pub fn snapshot_packages(
        &self,
        snapshot: &Snapshot,
        mut visit: impl FnMut(SnapshotPackage),
    ) -> Result<(), SnapshotError> {
        for suite in &snapshot.suites {
            for file in &suite.files {
                let (FileRole::Packages(component) | FileRole::Sources(component)) = &file.role else {
                    continue;
                };
                self.each_listing(snapshot, suite, file, |listing| {
                    visit(SnapshotPackage {
                        suite: suite.suite.clone(),
                        component: component.clone(),
                        package: listing.package,
                        architecture: listing.architecture,
                        version: listing.version,
                    });
                })?;
            }
        }
        Ok(())
    }

    /// Reads one index.
    pub(super) fn each_listing(
        &self,
        snapshot: &Snapshot,
        suite: &SnapshotSuite,
        file: &SnapshotFile,
        visit: impl FnMut(Listing),
    ) -> Result<(), SnapshotError> {
        let path = self.store().path_of(file.sha256);
        let read = IndexText::open(&path, &file.path).and_then(|index| read_listings(index, visit));
        let left_out = read.map_err(|error| SnapshotError::Index {
            snapshot: snapshot.name.clone(),
            suite: suite.suite.clone(),
            path: file.path.clone(),
            reason: error.to_string(),
        })?;
        if left_out > 0 {
            tracing::warn!(snapshot = %snapshot.name, index = file.path, left_out, "stanzas name no possible package");
        }
        Ok(())
    }
}

/// Reads stanzas, and counts those that name no possible package.
fn read_listings(index: IndexText, mut visit: impl FnMut(Listing)) -> std::io::Result<usize> {
    let kind = index.kind;
    let mut stanza = Stanza::default();
    let mut left_out = 0;
    each_line(index.text, |line| {
        if line.is_empty() {
            match std::mem::take(&mut stanza).listing(kind) {
                Some(Ok(listing)) => visit(listing),
                Some(Err(())) => left_out += 1,
                None => {}
            }
        } else {
            stanza.read(line);
        }
        Ok(())
    })?;
    Ok(left_out)
}

#[derive(Debug, Default)]
struct Stanza {
    package: Option<String>,
    architecture: Option<String>,
    version: Option<String>,
    is_extra: bool,
}

impl Stanza {
    fn read(&mut self, line: &[u8]) {
        if let Some(text) = value(line, "Package") {
            self.package = Some(text.to_owned());
        } else if let Some(text) = value(line, "Architecture") {
            self.architecture = Some(text.to_owned());
        } else if let Some(text) = value(line, "Version") {
            self.version = Some(text.to_owned());
        } else if value(line, "Extra-Source-Only") == Some("yes") {
            self.is_extra = true;
        }
    }

    /// None for what is no package: an empty stanza, or a source that only keeps company to a binary built with it.
    fn listing(self, kind: IndexKind) -> Option<Result<Listing, ()>> {
        if self.package.is_none() && self.version.is_none() || self.is_extra {
            return None;
        }
        let architecture = match kind {
            IndexKind::Sources => Some("source".to_owned()),
            IndexKind::Packages => self.architecture,
        };
        let listing = || {
            Some(Listing {
                package: self.package?.parse().ok()?,
                architecture: architecture?.parse().ok()?,
                version: self.version?.parse().ok()?,
            })
        };
        Some(listing().ok_or(()))
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn read(name: &str, text: &str) -> (Vec<String>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index");
        std::fs::write(&file, text).unwrap();
        let mut seen = Vec::new();
        let left_out = read_listings(IndexText::open(&file, name).unwrap(), |listing| {
            seen.push(format!(
                "{} {} {}",
                listing.package, listing.architecture, listing.version
            ));
        });
        (seen, left_out.unwrap())
    }

    #[test]
    fn packages_and_sources_are_read_and_nonsense_is_counted() {
        let text = "Package: one\nVersion: 1:2.0-1\nArchitecture: amd64\nDescription: x\n Package: no\n\n\n\
                    Package: ../two\nVersion: 1\nArchitecture: all\n\nPackage: three\nVersion: 3\nArchitecture: all";
        assert_eq!(
            read("main/binary-amd64/Packages", text),
            (vec!["one amd64 1:2.0-1".to_owned(), "three all 3".to_owned()], 1)
        );
        let text = "Package: one\nBinary: one, two\nVersion: 1-1\nArchitecture: any all\n\n\
                    Package: one\nVersion: 0.9-1\nArchitecture: any\nExtra-Source-Only: yes\n\n";
        assert_eq!(
            read("main/source/Sources", text),
            (vec!["one source 1-1".to_owned()], 0)
        );
        assert_eq!(read("Packages", ""), (vec![], 0));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "((Package|Version|Architecture|x):?[ -~é]{0,12}\n? ?\n?){0,8}", sources: bool) {
            read(if sources { "Sources" } else { "Packages" }, &text);
        }
    }
}
