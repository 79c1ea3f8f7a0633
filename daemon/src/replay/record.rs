//! What a replay goes by, as a file in its ticket's folder: the earlier run's locks, the base images that its jobs started
//! from, and packages that jobs before a lone one had made. It is whole when the ticket is made: what becomes of the
//! earlier ticket afterwards changes nothing.

use std::io;
use std::path::Path;

use preflight_archive::{CanonicalUrl, Lock, LockEntry, LockKind, UrlError};
use preflight_core::{Artifact, ImageId, JobLabel, Sha256, Sha256Error};
use preflight_debian::Sha256Digest;
use preflight_store::TicketFolder;
use serde::{Deserialize, Serialize};

/// The file, in the ticket's folder.
const FILE: &str = "replay.json";
/// The version of the file that this release writes and reads.
const FORMAT: u32 = 1;

/// What one job goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobReplay {
    /// The base image that its testbeds start from.
    pub(crate) base: ImageId,
    /// All that it may fetch.
    pub(crate) lock: Lock,
}

/// What a replay goes by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ReplayRecord {
    pub(super) jobs: Vec<(JobLabel, JobReplay)>,
    pub(super) given: Vec<(String, Sha256, u64)>,
}

impl ReplayRecord {
    /// What a job goes by; none where the earlier run never came to that job.
    pub(crate) fn job(&self, label: &JobLabel) -> Option<JobReplay> {
        let found = self.jobs.iter().find(|(of, _)| of == label);
        found.map(|(_, replay)| replay.clone())
    }

    /// The packages that a lone job is given, in the place of what jobs before it would have made.
    pub(crate) fn given(&self, folder: &TicketFolder) -> Vec<Artifact> {
        let artifact = |(name, sha256, size): &(String, Sha256, u64)| Artifact {
            name: name.clone(),
            sha256: *sha256,
            size: *size,
            path: folder.artifacts().join(name),
        };
        self.given.iter().map(artifact).collect()
    }

    /// Writes the file into a folder that will be a ticket's.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let job = |(label, replay): &(JobLabel, JobReplay)| JobText {
            kind: label.kind.key().to_owned(),
            source: label.source.clone(),
            base: replay.base.0.clone(),
            lock: replay.lock.to_json(),
        };
        let text = Text {
            format: FORMAT,
            jobs: self.jobs.iter().map(job).collect(),
            given: self
                .given
                .iter()
                .map(|(name, sha256, size)| GivenText {
                    name: name.clone(),
                    sha256: sha256.to_string(),
                    size: *size,
                })
                .collect(),
        };
        let mut file = io::BufWriter::new(std::fs::File::create_new(folder.join(FILE))?);
        serde_json::to_writer_pretty(&mut file, &text)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }

    /// Reads it; the error is in words.
    pub(crate) fn read(folder: &TicketFolder) -> Result<Self, String> {
        let path = folder.root().join(FILE);
        let bad = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let bytes = std::fs::read(&path).map_err(|error| bad(&error))?;
        let text: Text = serde_json::from_slice(&bytes).map_err(|error| bad(&error))?;
        if text.format != FORMAT {
            return Err(bad(&format!("format {} is not known, only {FORMAT}", text.format)));
        }
        let job = |job: JobText| {
            let kind = kind(&job.kind).ok_or_else(|| bad(&format!("there are no jobs of the kind {:?}", job.kind)))?;
            let lock = Lock::from_json(&job.lock).map_err(|error| bad(&error))?;
            let label = JobLabel {
                kind,
                source: job.source,
            };
            Ok::<_, String>((
                label,
                JobReplay {
                    base: ImageId(job.base),
                    lock,
                },
            ))
        };
        let given = |given: GivenText| {
            let sha256 = given.sha256.parse().map_err(|error: Sha256Error| bad(&error))?;
            Ok::<_, String>((given.name, sha256, given.size))
        };
        Ok(Self {
            jobs: text.jobs.into_iter().map(job).collect::<Result<_, _>>()?,
            given: text.given.into_iter().map(given).collect::<Result<_, _>>()?,
        })
    }
}

/// The jobs that can be run again.
fn kind(key: &str) -> Option<preflight_core::JobKind> {
    super::plan::KINDS.into_iter().find(|kind| kind.key() == key)
}

/// A lock as the archive has it, of what the state remembers of it; the error names the entry that is none.
pub(super) fn lock(entries: &[preflight_core::LockEntry]) -> Result<Lock, UrlError> {
    let entry = |entry: &preflight_core::LockEntry| {
        let url: CanonicalUrl = entry.url.parse()?;
        Ok(LockEntry {
            kind: LockKind::of(&url),
            url,
            sha256: Sha256Digest::from_bytes(entry.sha256.0),
            size: entry.size,
            origin: entry.origin.as_deref().map(str::parse).transpose()?,
        })
    };
    entries.iter().map(entry).collect()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: u32,
    jobs: Vec<JobText>,
    given: Vec<GivenText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobText {
    kind: String,
    source: Option<String>,
    base: String,
    lock: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenText {
    name: String,
    sha256: String,
    size: u64,
}

#[cfg(test)]
mod tests {
    use preflight_core::{JobKind, TicketId};
    use preflight_store::TicketsFolder;

    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let state = tempfile::tempdir().unwrap();
        let folder = TicketsFolder::below(state.path()).ticket(TicketId(3));
        std::fs::create_dir_all(folder.root()).unwrap();
        let entries =
            ["dists/bookworm/InRelease", "pool/main/h/hello/hello_1_all.deb"].map(|path| preflight_core::LockEntry {
                url: format!("http://mirror.example/debian/{path}"),
                sha256: Sha256([7; 32]),
                size: 3,
                origin: None,
            });
        let label = JobLabel {
            kind: JobKind::Build,
            source: Some("hello".into()),
        };
        let replay = JobReplay {
            base: ImageId("debian-bookworm-build-00".into()),
            lock: lock(&entries).unwrap(),
        };
        let record = ReplayRecord {
            jobs: vec![(label.clone(), replay.clone())],
            given: vec![("lib_1_all.deb".into(), Sha256([8; 32]), 5)],
        };
        record.write(folder.root()).unwrap();
        let found = ReplayRecord::read(&folder).unwrap();
        assert_eq!(found, record);
        assert_eq!(found.job(&label), Some(replay));
        let image = JobLabel {
            kind: JobKind::Image,
            source: None,
        };
        assert_eq!(found.job(&image), None);
        assert_eq!(found.given(&folder)[0].path, folder.artifacts().join("lib_1_all.deb"));
        std::fs::write(folder.root().join(FILE), "{}").unwrap();
        assert!(ReplayRecord::read(&folder).unwrap_err().contains(FILE));
    }
}
