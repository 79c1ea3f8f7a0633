//! Takes apart what a testbed sends of a folder, into a folder of this host. The archive is hostile: names are plain and
//! relative, nothing is followed, sizes and counts are bounded, and links are made last so that nothing is ever written through
//! one. Modes, times and links are kept as autopkgtest's own servers keep them: what it copies back later has to be the same.
//!
//! A link may lead anywhere, and is a link's text and no more here: what a link of a guest leads to is for who follows it to
//! judge. What is no file, folder or link is left out, and so are set-user and set-group bits.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use tar::{Archive, Entry, EntryType};

/// The deepest path, in components.
const DEPTH: usize = 64;
/// The longest path, in bytes.
const PATH_BYTES: usize = 4096;
/// What an archive may need for one entry beside its content: headers, a long name, padding.
const ENTRY_OVERHEAD: u64 = 8 * 1024;

/// How much a testbed may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Content of all files, in bytes.
    pub(super) bytes: u64,
    /// Files, folders and links.
    pub(super) entries: u64,
}

/// What is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    /// The host's own trouble.
    #[error("{path}: {source}")]
    Host {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No archive, or a broken one.
    #[error("the testbed sends no archive: {0}")]
    Malformed(io::Error),
    /// A path that leads elsewhere.
    #[error("the testbed sends the path {0:?}, which leads out of the folder")]
    LeadsOut(PathBuf),
    /// A path that is none.
    #[error("the testbed sends a path of more than {PATH_BYTES} bytes or {DEPTH} folders")]
    LongPath,
    /// Too many entries.
    #[error("the testbed sends more than {0} files")]
    TooMany(u64),
    /// Too much content.
    #[error("the testbed sends more than {0} bytes")]
    TooLarge(u64),
}

fn on_host(path: &Path) -> impl Fn(io::Error) -> UnpackError + '_ {
    |source| UnpackError::Host {
        path: path.to_owned(),
        source,
    }
}

/// Unpacks an archive into a folder, which is made or added to; files that are there already are replaced. Answers how many
/// entries were left out.
///
/// # Errors
/// [`UnpackError`]; what has come by then stays, as it does with autopkgtest's own servers.
pub(super) fn unpack(archive: impl Read, folder: &Path, limits: Limits) -> Result<u64, UnpackError> {
    let is_new = match make_directory(folder) {
        // The folder that a caller names may be a link's; below it none is followed.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => false,
        made => made.map(|()| true).map_err(on_host(folder))?,
    };
    let mut tree = Tree {
        root: folder.to_owned(),
        is_new,
        folders: Vec::new(),
        links: Vec::new(),
        left_out: 0,
    };
    tree.fill(archive, limits)?;
    tree.finish()?;
    Ok(tree.left_out)
}

/// A tree that is being made. A guest has no part in what is on the host but by what it sends here, one thing after the other:
/// what is looked at is still so when it is used.
struct Tree {
    /// May have what came earlier, links of a guest's too.
    root: PathBuf,
    /// Whether it was made for this.
    is_new: bool,
    /// Folders with the mode and the time that they get when all is in them.
    folders: Vec<(PathBuf, u32, SystemTime)>,
    /// Where symbolic links go, and where they lead.
    links: Vec<(PathBuf, PathBuf)>,
    left_out: u64,
}

impl Tree {
    fn fill(&mut self, archive: impl Read, limits: Limits) -> Result<(), UnpackError> {
        let most = limits
            .bytes
            .saturating_add(limits.entries.saturating_add(4).saturating_mul(ENTRY_OVERHEAD));
        let (mut entries, mut bytes) = (0u64, 0u64);
        let mut archive = Archive::new(archive.take(most));
        for entry in archive.entries().map_err(UnpackError::Malformed)? {
            let mut entry = entry.map_err(UnpackError::Malformed)?;
            entries += 1;
            if entries > limits.entries {
                return Err(UnpackError::TooMany(limits.entries));
            }
            if entry.header().entry_type().is_file() {
                bytes = bytes.saturating_add(entry.size());
                if bytes > limits.bytes {
                    return Err(UnpackError::TooLarge(limits.bytes));
                }
            }
            self.take(&mut entry)?;
        }
        // The archive ends before its sender does, who would be told that nobody listens.
        io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(UnpackError::Malformed)?;
        Ok(())
    }

    fn take(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<(), UnpackError> {
        let path = checked(&entry.path().map_err(UnpackError::Malformed)?)?;
        let place = self.root.join(&path);
        let mode = entry.header().mode().map_err(UnpackError::Malformed)? & 0o777;
        let seconds = entry.header().mtime().map_err(UnpackError::Malformed)?;
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let time = time.unwrap_or(SystemTime::UNIX_EPOCH);
        if let Some(parent) = path.parent() {
            self.make_directories(parent)?;
        }
        if !matches!(entry.header().entry_type(), EntryType::Directory) {
            make_way(&place).map_err(on_host(&place))?;
        }
        match entry.header().entry_type() {
            EntryType::Directory => {
                self.make_directories(&path)?;
                if self.is_new || !path.as_os_str().is_empty() {
                    // Its owner has to be able to remove it.
                    self.folders.push((place, mode | 0o700, time));
                }
            }
            EntryType::Regular | EntryType::Continuous => {
                write_file(entry, &place, mode | 0o400, time).map_err(on_host(&place))?;
            }
            EntryType::Symlink => {
                let target = entry.link_name().map_err(UnpackError::Malformed)?;
                let target = target.filter(|target| target.as_os_str().len() <= PATH_BYTES);
                match target.filter(|target| !target.as_os_str().is_empty()) {
                    Some(target) => self.links.push((path, target.into_owned())),
                    None => self.left_out += 1,
                }
            }
            EntryType::Link => {
                let target = entry.link_name().map_err(UnpackError::Malformed)?;
                let target = checked(&target.unwrap_or_default())?;
                self.link(path, &target)?;
            }
            _ => self.left_out += 1,
        }
        Ok(())
    }

    /// A second name of something that has come already.
    fn link(&mut self, path: PathBuf, target: &Path) -> Result<(), UnpackError> {
        let of = self.links.iter().find(|(link, _)| link == target);
        if let Some((_, leads_to)) = of {
            let leads_to = leads_to.clone();
            self.links.push((path, leads_to));
            return Ok(());
        }
        let (from, to) = (self.root.join(target), self.root.join(path));
        if !self.is_reached_without_links(target) {
            self.left_out += 1;
            return Ok(());
        }
        match fs::symlink_metadata(&from) {
            Ok(metadata) if metadata.is_file() => fs::hard_link(&from, &to).map_err(on_host(&to)),
            _ => {
                self.left_out += 1;
                Ok(())
            }
        }
    }

    /// Whether all that leads to a checked path are folders of the tree.
    fn is_reached_without_links(&self, path: &Path) -> bool {
        let mut above = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
        above.all(|above| fs::symlink_metadata(self.root.join(above)).is_ok_and(|metadata| metadata.is_dir()))
    }

    fn make_directories(&self, path: &Path) -> Result<(), UnpackError> {
        let mut current = self.root.clone();
        for component in path.components() {
            current.push(component);
            match make_directory(&current) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let metadata = fs::symlink_metadata(&current).map_err(on_host(&current))?;
                    if !metadata.is_dir() {
                        return Err(on_host(&current)(error));
                    }
                }
                made => made.map_err(on_host(&current))?,
            }
        }
        Ok(())
    }

    /// Makes what has to wait until all has come.
    fn finish(&mut self) -> Result<(), UnpackError> {
        for (path, target) in std::mem::take(&mut self.links) {
            let place = self.root.join(path);
            make_way(&place).map_err(on_host(&place))?;
            symlink(target, &place).map_err(on_host(&place))?;
        }
        // The deepest first: what is done in a folder changes its time.
        self.folders.sort_by(|(one, ..), (other, ..)| other.cmp(one));
        for (folder, mode, time) in std::mem::take(&mut self.folders) {
            fs::set_permissions(&folder, Permissions::from_mode(mode)).map_err(on_host(&folder))?;
            let opened = File::open(&folder).map_err(on_host(&folder))?;
            opened.set_modified(time).map_err(on_host(&folder))?;
        }
        Ok(())
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o755).create(path)
}

/// The path, if it is relative and made of plain names; `.` is left out.
fn checked(path: &Path) -> Result<PathBuf, UnpackError> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(UnpackError::LeadsOut(path.to_owned()));
            }
        }
    }
    if plain.as_os_str().len() > PATH_BYTES || plain.components().count() > DEPTH {
        return Err(UnpackError::LongPath);
    }
    Ok(plain)
}

fn write_file(entry: &mut Entry<'_, impl Read>, place: &Path, mode: u32, time: SystemTime) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(place)?;
    let size = entry.size();
    if io::copy(&mut entry.take(size), &mut file)? != size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    file.set_modified(time)
}

/// Removes what is at a place that something else is to have; a folder stays, and is in the way.
fn make_way(place: &Path) -> io::Result<()> {
    match fs::symlink_metadata(place) {
        Ok(metadata) if !metadata.is_dir() => fs::remove_file(place),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tar::{Builder, Header};

    use super::*;

    const LIMITS: Limits = Limits {
        bytes: 1000,
        entries: 10,
    };

    fn archive(entries: &[(EntryType, &str, &str, u32)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (kind, name, content, mode) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(*mode);
            header.set_mtime(1_000_000);
            // Written by hand: the builder refuses the names that this is about.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
            if is_link {
                header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
            }
            let data = if is_link { "" } else { content };
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, data.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn unpacked(entries: &[(EntryType, &str, &str, u32)]) -> (tempfile::TempDir, Result<u64, UnpackError>) {
        let folder = tempfile::tempdir().unwrap();
        let taken = unpack(archive(entries).as_slice(), &folder.path().join("out"), LIMITS);
        (folder, taken)
    }

    #[test]
    fn modes_times_and_links_are_kept() {
        let (folder, taken) = unpacked(&[
            (EntryType::Directory, "./", "", 0o1777),
            (EntryType::Symlink, "./d/link", "/etc/passwd", 0o777),
            (EntryType::Directory, "./d", "", 0o500),
            (EntryType::Regular, "./d/f", "content", 0o4755),
            (EntryType::Link, "./again", "./d/f", 0o755),
            (EntryType::Fifo, "./fifo", "", 0o644),
        ]);
        assert_eq!(taken.unwrap(), 1);
        let out = folder.path().join("out");
        let mode = |path: &str| fs::symlink_metadata(out.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!([mode("."), mode("d"), mode("d/f")], [0o777, 0o700, 0o755]);
        assert_eq!(fs::read_link(out.join("d/link")).unwrap(), Path::new("/etc/passwd"));
        assert_eq!(fs::read_to_string(out.join("again")).unwrap(), "content");
        for path in ["d", "d/f"] {
            let time = fs::metadata(out.join(path)).unwrap().modified().unwrap();
            assert_eq!(time, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000), "{path}");
        }
    }

    #[test]
    fn a_folder_that_is_there_is_added_to_and_no_link_in_it_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (out, outside) = (folder.path().join("out"), folder.path().join("outside"));
        fs::create_dir_all(out.join("d")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(out.join("d/old"), "old").unwrap();
        fs::write(out.join("d/f"), "old").unwrap();
        symlink(&outside, out.join("link")).unwrap();
        symlink(outside.join("g"), out.join("g")).unwrap();
        let entries = [
            (EntryType::Directory, "d", "", 0o755),
            (EntryType::Regular, "d/f", "new", 0o644),
            (EntryType::Regular, "g", "new", 0o644),
        ];
        unpack(archive(&entries).as_slice(), &out, LIMITS).unwrap();
        assert_eq!(fs::read_to_string(out.join("d/f")).unwrap(), "new");
        assert_eq!(fs::read_to_string(out.join("d/old")).unwrap(), "old");
        assert_eq!(fs::read_to_string(out.join("g")).unwrap(), "new");
        let through = archive(&[(EntryType::Regular, "link/f", "x", 0o644)]);
        assert!(unpack(through.as_slice(), &out, LIMITS).is_err());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn what_leads_out_is_refused() {
        for name in ["../f", "/etc/f", "d/../../f"] {
            let (folder, taken) = unpacked(&[(EntryType::Regular, name, "x", 0o644)]);
            assert!(matches!(taken, Err(UnpackError::LeadsOut(_))), "{name}: {taken:?}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
        for target in ["../f", "/etc/passwd"] {
            let (_, taken) = unpacked(&[(EntryType::Link, "f", target, 0o644)]);
            assert!(matches!(taken, Err(UnpackError::LeadsOut(_))), "{target}: {taken:?}");
        }
        let (_, taken) = unpacked(&[
            (EntryType::Symlink, "link", "/etc", 0o777),
            (EntryType::Regular, "link/f", "x", 0o644),
        ]);
        assert!(taken.is_err(), "a link cannot be where a folder is");
        let (_, taken) = unpacked(&[
            (EntryType::Symlink, "link", "/etc", 0o777),
            (EntryType::Link, "f", "link/passwd", 0o644),
        ]);
        assert_eq!(taken.unwrap(), 1, "a name of nothing that has come");
        let out = tempfile::tempdir().unwrap();
        symlink("/etc", out.path().join("link")).unwrap();
        let named = archive(&[(EntryType::Link, "f", "link/passwd", 0o644)]);
        assert_eq!(unpack(named.as_slice(), out.path(), LIMITS).unwrap(), 1);
        assert!(!out.path().join("f").exists());
    }

    #[test]
    fn bounds_hold() {
        let large = "x".repeat(1001);
        let (_, taken) = unpacked(&[(EntryType::Regular, "f", &large, 0o644)]);
        assert!(matches!(taken, Err(UnpackError::TooLarge(1000))));
        let names: Vec<String> = (0..11).map(|number| format!("f{number}")).collect();
        let many: Vec<_> = names
            .iter()
            .map(|name| (EntryType::Regular, name.as_str(), "", 0o644))
            .collect();
        assert!(matches!(unpacked(&many).1, Err(UnpackError::TooMany(10))));
        for long in ["d/".repeat(65), "x".repeat(4097)] {
            assert!(matches!(checked(Path::new(&long)), Err(UnpackError::LongPath)));
        }
    }

    #[test]
    fn an_archive_that_is_cut_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let whole = archive(&[(EntryType::Regular, "f", &"x".repeat(900), 0o644)]);
        let out = folder.path().join("out");
        assert!(unpack(&whole[..700], &out, LIMITS).is_err());
    }

    proptest! {
        #[test]
        fn fuzz_copyup(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            let folder = tempfile::tempdir().unwrap();
            let _ = unpack(bytes.as_slice(), &folder.path().join("out"), LIMITS);
        }
    }
}
