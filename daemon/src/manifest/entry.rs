//! What is known of an image's packages and files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A file's path in the image, from its root; bytes, as a file system has them.
pub(crate) type FilePath = Vec<u8>;

/// All that is known of what an image holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Manifest {
    /// Versions of installed packages by name and architecture.
    pub(super) packages: BTreeMap<(String, String), String>,
    /// The files; what a machine writes while it runs is not among them.
    pub(super) files: BTreeMap<FilePath, Entry>,
    /// Which package a path is of, as dpkg has it.
    pub(super) owners: BTreeMap<FilePath, Arc<str>>,
    /// Paths that packages take for configuration.
    pub(super) conffiles: BTreeSet<FilePath>,
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Permission bits, those for set-id and sticky included.
    pub(super) mode: u16,
    pub(super) user: u32,
    pub(super) group: u32,
    /// Bytes of a regular file; 0 for all others.
    pub(super) size: u64,
    /// Of a regular file that could be read and is not larger than any that is looked at.
    pub(super) sha256: Option<[u8; 32]>,
    /// Where a symbolic link points.
    pub(super) target: Option<Vec<u8>>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    CharacterDevice,
    BlockDevice,
    Fifo,
    Socket,
}

impl Kind {
    /// By find(1)'s `%y`.
    pub(super) fn of(letter: &[u8]) -> Option<Self> {
        Some(match letter {
            b"f" => Self::File,
            b"d" => Self::Folder,
            b"l" => Self::Link,
            b"c" => Self::CharacterDevice,
            b"b" => Self::BlockDevice,
            b"p" => Self::Fifo,
            b"s" => Self::Socket,
            _ => return None,
        })
    }
}

impl Manifest {
    /// The package that a path is of. dpkg's lists may name it by way of a folder of the root that has become a link into
    /// `/usr`.
    pub(super) fn owner(&self, path: &[u8]) -> Option<&str> {
        let direct = self.owners.get(path);
        let owner = direct.or_else(|| {
            let below = path.strip_prefix(b"/usr".as_slice())?;
            let end = below.get(1..)?.iter().position(|byte| *byte == b'/')? + 1;
            let points = self.files.get(&below[..end])?.target.as_deref()?;
            let merged = [b"usr".as_slice(), &below[..end]].concat();
            let points = points.strip_prefix(b"/").unwrap_or(points);
            (points == merged).then(|| self.owners.get(below)).flatten()
        });
        owner.map(|owner| &**owner)
    }
}
