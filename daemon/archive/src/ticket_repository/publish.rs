//! Publishing: a generation is written aside, renamed into its place, journaled, and made the current one by the rename
//! of a link. Whoever dies in between leaves the old state; one writer at a time.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::Flock;
use preflight_debian::{BinaryPackage, Sha256Digest};

use super::generation::{GenerationId, RepositoryPackage};
use super::history::{self, HistoryEntry};
use super::index;
use super::repository::TicketRepository;
use crate::error::ArchiveError;
use crate::signing::SigningKey;

/// The link to the generation that is served.
pub(super) const CURRENT: &str = "current";
/// The public key in a generation.
pub(super) const KEY: &str = "key.asc";
/// What folders in the making begin with.
pub(super) const ASIDE: &str = "aside-";

/// What the release file says of itself; apt pins can name it (`Pin: release o=Preflight, l=ticket-7`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryLabels {
    /// `Origin`.
    pub origin: String,
    /// `Label`.
    pub label: String,
}

/// What is to be published.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// Exactly these `.deb` files; none is fine. They are hard-linked where possible, and made read-only.
    pub debs: &'a [PathBuf],
    /// What the release file says of itself.
    pub labels: &'a RepositoryLabels,
    /// Who signs.
    pub key: &'a SigningKey,
    /// What the release file says as its date; equal input gives an equal `Release` and `Packages`.
    pub at: SystemTime,
    /// Who publishes, for the history.
    pub by: &'a str,
}

/// What was published.
#[derive(Debug, Clone)]
pub struct Published {
    /// The current generation.
    pub generation: GenerationId,
    /// Its folder.
    pub folder: PathBuf,
    /// Its packages, sorted by name, version and architecture.
    pub packages: Vec<RepositoryPackage>,
    /// Whether it differs from what was current before; otherwise nothing was added.
    pub is_new: bool,
}

/// The only one who writes to a repository. What is to be published is best collected while it is held: whoever comes
/// later then publishes no less than who came before.
#[derive(Debug)]
pub struct RepositoryWriter<'a> {
    repository: &'a TicketRepository,
    #[expect(dead_code, reason = "held, not read")]
    lock: Flock<File>,
}

impl<'a> RepositoryWriter<'a> {
    pub(super) fn new(repository: &'a TicketRepository) -> Result<Self, ArchiveError> {
        let folder = repository.folder();
        let start = || -> io::Result<Flock<File>> {
            fs::create_dir_all(folder)?;
            let lock = lock_folder(folder)?;
            // What a writer that died was making.
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(ASIDE) {
                    fs::remove_dir_all(entry.path())?;
                }
            }
            Ok(lock)
        };
        Ok(Self {
            repository,
            lock: start().map_err(ArchiveError::io(folder))?,
        })
    }

    /// Makes a generation and has it replace the current one. Where the current one says the same and was signed by the
    /// same key, it stays.
    ///
    /// # Errors
    /// Two files that want to be the same package, a file that is no package, and what the system refuses. The
    /// repository then stays as it was.
    pub fn publish(&self, publication: &Publication<'_>) -> Result<Published, ArchiveError> {
        let folder = self.repository.folder();
        let found = open(publication.debs)?;
        let mut text = String::new();
        let mut packages = Vec::with_capacity(found.len());
        for (package, _) in &found {
            let entry = RepositoryPackage::of(package);
            index::stanza(&mut text, package, &entry.path);
            packages.push(entry);
        }
        let indices = index::indices(&text).map_err(ArchiveError::io(folder))?;
        let release = index::release(publication.labels, &indices, publication.at);
        let key = publication.key.public_armored()?;
        if let Some(current) = self.repository.current()? {
            let there = self.repository.folder_of(current);
            let same = fs::read_to_string(there.join("Release")).is_ok_and(|old| index::say_the_same(&old, &release))
                && fs::read(there.join(KEY)).is_ok_and(|old| old == key);
            if same {
                return Ok(Published {
                    generation: current,
                    folder: there,
                    packages,
                    is_new: false,
                });
            }
        }
        let generation = GenerationId::new(Sha256Digest::of(release.as_bytes()));
        let target = self.repository.folder_of(generation);
        let inline = publication.key.sign_inline(&release, publication.at)?;
        let detached = publication.key.sign_detached(&release, publication.at)?;
        let write = || -> io::Result<()> {
            let aside = tempfile::Builder::new().prefix(ASIDE).tempdir_in(folder)?;
            let root = aside.path();
            for ((_, path), package) in found.iter().zip(&packages) {
                place(path, &root.join(&package.path))?;
            }
            let by_hash = root.join("by-hash/SHA256");
            fs::create_dir_all(&by_hash)?;
            for (name, bytes) in &indices {
                write_file(&root.join(name), bytes)?;
                write_file(&by_hash.join(Sha256Digest::of(bytes).to_string()), bytes)?;
            }
            write_file(&root.join("Release"), release.as_bytes())?;
            write_file(&root.join("Release.gpg"), &detached)?;
            write_file(&root.join("InRelease"), &inline)?;
            write_file(&root.join(KEY), &key)?;
            // tempdir's 0700 would keep QEMU's or a tool's user out, were it ever served as files.
            fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
            // The same Release is the same generation: it stands, and is what was to be made.
            if !target.exists() {
                fs::rename(root, &target)?;
            }
            Ok(())
        };
        write().map_err(ArchiveError::io(folder))?;
        // Before it is current: what a reader has seen is in the history, whenever we die.
        let entry = HistoryEntry {
            generation,
            at: publication.at,
            by: publication.by.to_owned(),
            packages,
        };
        history::append(folder, &entry)?;
        self.make_current(generation).map_err(ArchiveError::io(folder))?;
        Ok(Published {
            generation,
            folder: target,
            packages: entry.packages,
            is_new: true,
        })
    }

    fn make_current(&self, generation: GenerationId) -> io::Result<()> {
        let folder = self.repository.folder();
        let link = folder.join(format!(".{CURRENT}"));
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(generation.folder_name(), &link)?;
        fs::rename(&link, folder.join(CURRENT))?;
        File::open(folder)?.sync_all()
    }
}

/// Waits until nobody else holds the folder. The lock goes with the process, however that ends.
pub(super) fn lock_folder(folder: &Path) -> io::Result<Flock<File>> {
    Flock::lock(File::open(folder)?, nix::fcntl::FlockArg::LockExclusive).map_err(|(_, error)| error.into())
}

/// The packages in these files, sorted by name, version and architecture; a file that is given twice counts once.
fn open(debs: &[PathBuf]) -> Result<Vec<(BinaryPackage, &PathBuf)>, ArchiveError> {
    let mut found: BTreeMap<String, (BinaryPackage, &PathBuf)> = BTreeMap::new();
    for path in debs {
        let package = BinaryPackage::open(path)?;
        let name = package.file_name();
        match found.get(&name) {
            Some((other, _)) if other.sha256 == package.sha256 => {}
            Some((other, there)) => {
                return Err(ArchiveError::SameName {
                    name,
                    first: described(other, there),
                    second: described(&package, path),
                });
            }
            None => drop(found.insert(name, (package, path))),
        }
    }
    Ok(found.into_values().collect())
}

fn described(package: &BinaryPackage, path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{name} of source {}", package.source)
}

fn place(file: &Path, target: &Path) -> io::Result<()> {
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    // What a build left is kept as it is, so that one copy on the disk serves both.
    if fs::hard_link(file, target).is_err() {
        fs::copy(file, target)?;
    }
    fs::set_permissions(target, fs::Permissions::from_mode(0o444))
}

pub(super) fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.set_permissions(fs::Permissions::from_mode(0o444))?;
    file.sync_all()
}
