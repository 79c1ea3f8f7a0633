//! The journal of a ticket repository: what was published when and by whom, one JSON object a line, only ever appended
//! to. A line that a crash has cut short counts as never written, and goes with the next one.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::generation::{GenerationId, RepositoryPackage};
use crate::error::ArchiveError;

const FILE: &str = "history.jsonl";
const FORMAT: u32 = 1;

/// A publishing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The generation that became the current one.
    pub generation: GenerationId,
    /// When.
    pub at: SystemTime,
    /// Who published it, in words; empty where nobody knows any more.
    pub by: String,
    /// All its packages, sorted by name, version and architecture.
    pub packages: Vec<RepositoryPackage>,
}

impl HistoryEntry {
    /// Bytes of all its packages.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.packages.iter().map(|package| package.size).sum()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    format: u32,
    generation: String,
    at: Timestamp,
    by: String,
    packages: Vec<PackageLine>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackageLine {
    name: String,
    version: String,
    architecture: String,
    source: String,
    path: String,
    size: u64,
    sha256: String,
}

/// All publishings, the oldest first.
pub(super) fn read(folder: &Path) -> Result<Vec<HistoryEntry>, ArchiveError> {
    let path = folder.join(FILE);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(ArchiveError::io(&path))?,
    };
    let whole = &bytes[..whole_lines(&bytes)];
    let lines = whole.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let entries = lines.enumerate().map(|(at, line)| {
        parse(line).map_err(|reason| ArchiveError::Format {
            what: "a ticket repository's history",
            reason: format!("{}:{}: {reason}", path.display(), at + 1),
        })
    });
    entries.collect()
}

/// Adds a publishing, which is on the disk when this returns.
pub(super) fn append(folder: &Path, entry: &HistoryEntry) -> Result<(), ArchiveError> {
    let path = folder.join(FILE);
    let line = line(entry).map_err(ArchiveError::io(&path))?;
    let write = || -> io::Result<()> {
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes)?;
        let end = whole_lines(&bytes) as u64;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        file.write_all(&line)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()
    };
    write().map_err(ArchiveError::io(&path))
}

/// Where the last whole line ends.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1)
}

fn line(entry: &HistoryEntry) -> io::Result<Vec<u8>> {
    let packages = entry.packages.iter().map(|package| PackageLine {
        name: package.name.to_string(),
        version: package.version.to_string(),
        architecture: package.architecture.to_string(),
        source: package.source.to_string(),
        path: package.path.clone(),
        size: package.size,
        sha256: package.sha256.to_string(),
    });
    let mut line = serde_json::to_vec(&Line {
        format: FORMAT,
        generation: entry.generation.to_string(),
        at: Timestamp::try_from(entry.at).unwrap_or(Timestamp::UNIX_EPOCH),
        by: entry.by.clone(),
        packages: packages.collect(),
    })?;
    line.push(b'\n');
    Ok(line)
}

fn parse(line: &[u8]) -> Result<HistoryEntry, String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if line.format != FORMAT {
        return Err(format!("its format is {}, of a newer Preflight", line.format));
    }
    let mut packages = Vec::with_capacity(line.packages.len());
    for package in line.packages {
        packages.push(RepositoryPackage {
            name: package.name.parse().map_err(|error| format!("{error}"))?,
            version: package.version.parse().map_err(|error| format!("{error}"))?,
            architecture: package.architecture.parse().map_err(|error| format!("{error}"))?,
            source: package.source.parse().map_err(|error| format!("{error}"))?,
            path: package.path,
            size: package.size,
            sha256: package.sha256.parse().map_err(|error| format!("{error}"))?,
        });
    }
    Ok(HistoryEntry {
        generation: line.generation.parse().map_err(|error| format!("{error}"))?,
        at: line.at.into(),
        by: line.by,
        packages,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use preflight_debian::Sha256Digest;
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    fn entry(number: u64) -> HistoryEntry {
        let digest = Sha256Digest::of(&number.to_le_bytes());
        HistoryEntry {
            generation: GenerationId::new(digest),
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + number),
            by: format!("job {number}\n"),
            packages: vec![RepositoryPackage {
                name: "hello".parse().unwrap(),
                version: "2:1.0~rc1-1".parse().unwrap(),
                architecture: "all".parse().unwrap(),
                source: "source".parse().unwrap(),
                path: "pool/0123/hello_1.0~rc1-1_all.deb".to_owned(),
                size: number,
                sha256: digest,
            }],
        }
    }

    #[test]
    fn what_is_no_journal_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), []);
        append(folder.path(), &entry(1)).unwrap();
        let path = folder.path().join(FILE);
        let good = fs::read_to_string(&path).unwrap();
        for wrong in [
            "{}\n",
            "x\n",
            &good.replace("\"format\":1", "\"format\":2"),
            &good.replace("2:1.0", "x"),
        ] {
            fs::write(&path, good.clone() + wrong).unwrap();
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(error.contains("history.jsonl:2"), "{error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Whatever a crash leaves of the last line, the others stand, and the next one follows them.
        #[test]
        fn a_torn_line_counts_as_never_written(whole in 0_u64..4, torn in 1_usize..300) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(FILE);
            for number in 0..=whole {
                append(folder.path(), &entry(number)).unwrap();
            }
            let bytes = fs::read(&path).unwrap();
            let last = line(&entry(whole)).unwrap().len();
            fs::write(&path, &bytes[..bytes.len() - torn.min(last)]).unwrap();
            let wanted: Vec<HistoryEntry> = (0..whole).map(entry).collect();
            prop_assert_eq!(&read(folder.path()).unwrap(), &wanted);
            append(folder.path(), &entry(9)).unwrap();
            let entries = read(folder.path()).unwrap();
            prop_assert_eq!(entries.len(), wanted.len() + 1);
            prop_assert_eq!(entries.last(), Some(&entry(9)));
        }
    }
}
