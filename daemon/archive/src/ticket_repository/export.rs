//! Writes a generation as a tree of its own, which any host's apt accepts and any web server can serve. The same folder
//! takes one generation after another: what is named by its content is added, then the release files are replaced, the
//! one that apt asks for first at the very end, so that whoever reads meanwhile sees one state or the other.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use preflight_debian::Sha256Digest;
use url::Url;

use super::generation::GenerationId;
use super::index;
use super::publish::{KEY, lock_folder};
use super::repository::TicketRepository;
use crate::apt::ticket_preferences;
use crate::error::ArchiveError;

/// apt's source, ready to be copied; by it an exported tree is known.
const SOURCES: &str = "preflight.sources";
/// apt's preference for what is in the tree.
const PREFERENCES: &str = "preflight.pref";
/// What is being written.
const ASIDE: &str = ".preflight-aside";
/// What is replaced, in this order: `InRelease` is what apt asks for first.
const REPLACED: [&str; 6] = [
    "Packages",
    "Packages.gz",
    "Packages.xz",
    "Release.gpg",
    "Release",
    "InRelease",
];

/// A tree that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The tree.
    pub folder: PathBuf,
    /// What it holds.
    pub generation: GenerationId,
    /// Where it says that it will be found.
    pub uri: String,
    /// The deb822 file for `sources.list.d`, which holds the key too.
    pub sources: PathBuf,
    /// The file for `preferences.d`, by which its packages win over an archive's.
    pub preferences: PathBuf,
    /// The public key, armored.
    pub key: PathBuf,
    /// How many packages.
    pub packages: usize,
    /// Their bytes.
    pub size: u64,
}

impl TicketRepository {
    /// Writes a generation into `target`: a folder that is missing, empty, or an earlier export, whose readers are not
    /// disturbed. `uri` is where it will be served; the folder itself where it is missing.
    ///
    /// # Errors
    /// [`ArchiveError::NoSuchGeneration`], [`ArchiveError::ExportTarget`], a file that is not what the history says, and
    /// what the system refuses. Such an export can be begun again.
    pub fn export(&self, generation: GenerationId, target: &Path, uri: Option<&str>) -> Result<Exported, ArchiveError> {
        let entry = self.generation(generation)?;
        let source = self.folder_of(generation);
        let refuse = |reason: &str| ArchiveError::ExportTarget {
            path: target.to_owned(),
            reason: reason.to_owned(),
        };
        let uri = match uri {
            Some(text) => Url::parse(text).map_err(|error| refuse(&format!("{text:?} is no URL: {error}")))?,
            None => Url::from_directory_path(target).map_err(|()| refuse("it must be an absolute path"))?,
        };
        let key = self.key(generation)?;
        let release = fs::read_to_string(source.join("Release")).map_err(ArchiveError::io(&source))?;

        let at_target = || ArchiveError::io(target);
        prepare(target).map_err(at_target())?;
        let _lock = lock_folder(target).map_err(at_target())?;
        let is_export = target.join(SOURCES).is_file();
        let is_empty = || fs::read_dir(target).map(|mut entries| entries.next().is_none());
        if !is_export && !is_empty().map_err(at_target())? {
            return Err(refuse("it is neither empty nor an earlier export: name another folder"));
        }
        let tree = Tree::open(target).map_err(at_target())?;
        // First of all what an export is known by, so that one that was cut short can be begun again.
        let sources = sources_file(uri.as_str(), &key);
        tree.write(SOURCES, sources.as_bytes()).map_err(at_target())?;
        let preferences = ticket_preferences(&index::labels(&release));
        tree.write(PREFERENCES, preferences.as_bytes()).map_err(at_target())?;
        tree.write(KEY, key.as_bytes()).map_err(at_target())?;
        for package in &entry.packages {
            tree.add(&source, &package.path, package.sha256)?;
        }
        for name in names(&source.join("by-hash/SHA256")).map_err(ArchiveError::io(&source))? {
            if let Ok(digest) = name.parse() {
                tree.add(&source, &format!("by-hash/SHA256/{name}"), digest)?;
            }
        }
        for name in REPLACED {
            let bytes = fs::read(source.join(name)).map_err(ArchiveError::io(&source))?;
            tree.write(name, &bytes).map_err(at_target())?;
        }
        tree.close().map_err(at_target())?;
        Ok(Exported {
            folder: target.to_owned(),
            generation,
            uri: uri.into(),
            sources: target.join(SOURCES),
            preferences: target.join(PREFERENCES),
            key: target.join(KEY),
            packages: entry.packages.len(),
            size: entry.size(),
        })
    }
}

fn prepare(target: &Path) -> io::Result<()> {
    if target.is_dir() {
        return Ok(());
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    make_folder(target)
}

/// apt reads as a user of its own, whatever this process's umask is.
fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o755).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// The tree while it is written: every file appears whole.
struct Tree<'a> {
    root: &'a Path,
    aside: PathBuf,
}

impl<'a> Tree<'a> {
    fn open(root: &'a Path) -> io::Result<Self> {
        let aside = root.join(ASIDE);
        // Of an export that was cut short.
        if aside.symlink_metadata().is_ok() {
            fs::remove_dir_all(&aside)?;
        }
        DirBuilder::new().mode(0o700).create(&aside)?;
        Ok(Self { root, aside })
    }

    fn close(self) -> io::Result<()> {
        fs::remove_dir(&self.aside)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let aside = self.aside.join("file");
        fs::write(&aside, bytes)?;
        self.place(&aside, name)
    }

    /// Adds a file that is named by what it holds.
    fn add(&self, source: &Path, path: &str, wanted: Sha256Digest) -> Result<(), ArchiveError> {
        let target = self.root.join(path);
        if Sha256Digest::of_file(&target).is_ok_and(|(digest, _)| digest == wanted) {
            return Ok(());
        }
        let (from, aside) = (source.join(path), self.aside.join("file"));
        // A copy, not a link: what becomes of the tree is not to become of the history.
        fs::copy(&from, &aside).map_err(ArchiveError::io(&from))?;
        let (digest, _) = Sha256Digest::of_file(&aside).map_err(ArchiveError::io(&aside))?;
        if digest != wanted {
            return Err(ArchiveError::Format {
                what: "a ticket repository's generation",
                reason: format!(
                    "{} has changed since it was published: its digest is {digest}",
                    from.display()
                ),
            });
        }
        self.place(&aside, path).map_err(ArchiveError::io(&target))
    }

    fn place(&self, aside: &Path, path: &str) -> io::Result<()> {
        let mut folder = self.root.to_owned();
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        for part in folders.split('/').filter(|part| !part.is_empty()) {
            folder.push(part);
            if !folder.is_dir() {
                make_folder(&folder)?;
            }
        }
        fs::set_permissions(aside, fs::Permissions::from_mode(0o644))?;
        fs::rename(aside, folder.join(name))
    }
}

/// sources.list(5) in deb822 style with the key in it, so that it is one file to copy (apt 2.3.10 or later).
fn sources_file(uri: &str, key: &str) -> String {
    let mut text = format!(
        "# Packages that Preflight has built. Copy this file to /etc/apt/sources.list.d/.\n\
         Types: deb\nURIs: {uri}\nSuites: ./\nSigned-By:\n"
    );
    for line in key.lines() {
        let line = line.trim_end();
        text.push(' ');
        text.push_str(if line.is_empty() { "." } else { line });
        text.push('\n');
    }
    text
}
