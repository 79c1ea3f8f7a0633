//! How much of the disk a folder takes, as `du` counts: blocks, not lengths, so that holes cost nothing; folders too;
//! and of several names of one file only the first.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use preflight_core::Moment;
use walkdir::WalkDir;

use super::item::Device;

/// `stat`'s unit of `st_blocks`, whatever the file system's own is (stat(2)).
const BLOCK: u64 = 512;

/// Measures one folder after another, and counts nothing twice.
#[derive(Debug, Default)]
pub(super) struct Meter {
    seen: HashSet<(u64, u64)>,
}

/// What a file or folder takes, without what was counted before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Measured {
    /// Bytes on disk.
    pub(super) size: u64,
    /// The file system of the topmost.
    pub(super) device: Device,
    /// When the topmost was last changed; none where nothing is there.
    pub(super) changed: Option<Moment>,
}

impl Meter {
    /// Measures what is at a path, and all below it. What goes meanwhile is left out, and so is what another user has
    /// closed; links are not followed.
    ///
    /// # Errors
    /// The system's: a disk that does not answer, say.
    pub(super) fn measure(&mut self, path: &Path) -> io::Result<Measured> {
        let mut measured = Measured::default();
        for entry in WalkDir::new(path) {
            let metadata = match entry.and_then(|entry| Ok((entry.depth(), entry.metadata()?))) {
                Ok((depth, metadata)) => {
                    if depth == 0 {
                        measured.device = Device(metadata.dev());
                        measured.changed = Some(changed(&metadata));
                    }
                    metadata
                }
                Err(error) if error.io_error().is_some_and(is_nothing_to_count) => continue,
                Err(error) => return Err(error.into()),
            };
            if self.seen.insert((metadata.dev(), metadata.ino())) {
                measured.size += metadata.blocks() * BLOCK;
            }
        }
        Ok(measured)
    }
}

fn is_nothing_to_count(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

/// When a file's content was last changed.
pub(super) fn changed(metadata: &std::fs::Metadata) -> Moment {
    Moment(
        metadata
            .mtime()
            .saturating_mul(1_000_000)
            .saturating_add(metadata.mtime_nsec() / 1000),
    )
}

/// A number of bytes for people, in decimal units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [
            (1_000_000_000_000, "TB"),
            (1_000_000_000, "GB"),
            (1_000_000, "MB"),
            (1000, "kB"),
        ];
        match UNITS.into_iter().find(|(unit, _)| self.0 >= *unit) {
            Some((unit, name)) => write!(f, "{}.{} {name}", self.0 / unit, self.0 % unit / (unit / 10)),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn holes_and_second_names_cost_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let empty = Meter::default().measure(&inner).unwrap();
        fs::write(inner.join("full"), vec![1; 100_000]).unwrap();
        File::create(inner.join("sparse")).unwrap().set_len(1 << 30).unwrap();
        fs::hard_link(inner.join("full"), folder.path().join("again")).unwrap();
        std::os::unix::fs::symlink("/", inner.join("root")).unwrap();
        let mut meter = Meter::default();
        let measured = meter.measure(&inner).unwrap();
        let content = measured.size - empty.size;
        assert!((100_000..200_000).contains(&content), "{content}");
        assert_eq!(meter.measure(&folder.path().join("again")).unwrap().size, 0);
        assert_eq!(meter.measure(&inner).unwrap().size, 0);
        assert_eq!(meter.measure(&folder.path().join("none")).unwrap(), Measured::default());
    }

    #[test]
    fn sizes_are_short() {
        for (size, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (1_250_000_000, "1.2 GB"),
            (20_000_000_000, "20.0 GB"),
            (u64::MAX, "18446744.0 TB"),
        ] {
            assert_eq!(Size(size).to_string(), text);
        }
    }
}
