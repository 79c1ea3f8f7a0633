//! Takes a guest's tar archive apart. The archive is hostile: names are plain and relative, nothing that exists is
//! followed or replaced, sizes and counts are bounded, links are made last so that nothing is ever written through one.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType};

use crate::error::GuestError;

/// The deepest path, in components.
const DEPTH: usize = 64;
/// The longest path, in bytes.
const PATH_BYTES: usize = 4096;
/// What a tar archive may need for one entry beside its content: headers, a long name, padding.
const ENTRY_OVERHEAD: u64 = 8 * 1024;
/// As many left-out entries are named; more are counted.
const NAMED: usize = 100;

/// How much a guest's directory may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TreeLimits {
    /// Content of all files, in bytes.
    pub max_bytes: u64,
    /// Files, directories and links.
    pub max_entries: u64,
}

impl TreeLimits {
    /// What an archive within the limits may weigh.
    pub(crate) fn archive_bytes(self) -> u64 {
        self.max_bytes
            .saturating_add(self.max_entries.saturating_add(4).saturating_mul(ENTRY_OVERHEAD))
    }
}

/// What was copied from a guest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TreeReport {
    /// Regular files.
    pub files: u64,
    /// Their content, in bytes.
    pub bytes: u64,
    /// The first hundred entries that were not taken over.
    pub left_out: Vec<LeftOut>,
    /// How many there were.
    pub left_out_count: u64,
}

/// An entry that was not taken over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftOut {
    /// Its path in the tree.
    pub path: PathBuf,
    /// Why.
    pub why: WhyLeftOut,
}

/// Why an entry was not taken over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhyLeftOut {
    /// A symbolic link that leads out of the tree.
    LinkLeadsOut,
    /// A device, socket, FIFO or hard link.
    Special,
}

/// Unpacks an archive into a directory that must not exist.
pub(crate) fn unpack(archive: impl Read, host_dir: &Path, limits: TreeLimits) -> Result<TreeReport, GuestError> {
    let on_host = |error| GuestError::host(format!("writing to {}", host_dir.display()))(error);
    DirBuilder::new().mode(0o755).create(host_dir).map_err(on_host)?;
    let mut report = TreeReport::default();
    let mut links: Vec<(PathBuf, PathBuf)> = Vec::new();
    let mut entries = 0;
    // The reader itself is bounded by its owner; this bound holds for any other reader.
    let mut archive = Archive::new(archive.take(limits.archive_bytes()));
    for entry in archive.entries().map_err(malformed)? {
        let mut entry = entry.map_err(malformed)?;
        entries += 1;
        if entries > limits.max_entries {
            return Err(GuestError::Unacceptable(format!(
                "more than the {} files allowed",
                limits.max_entries
            )));
        }
        let path = checked(&entry.path().map_err(malformed)?)?;
        match entry.header().entry_type() {
            EntryType::Directory => make_directories(host_dir, &path).map_err(on_host)?,
            EntryType::Regular | EntryType::Continuous => {
                report.bytes = report.bytes.saturating_add(entry.size());
                if report.bytes > limits.max_bytes {
                    return Err(GuestError::Unacceptable(format!(
                        "more than the {} bytes allowed",
                        limits.max_bytes
                    )));
                }
                write_file(&mut entry, host_dir, &path).map_err(on_host)?;
                report.files += 1;
            }
            EntryType::Symlink => {
                let target = entry.link_name().map_err(malformed)?.map(|target| target.into_owned());
                match target.filter(|target| stays_inside(&path, target)) {
                    Some(target) => links.push((path, target)),
                    None => report.leave_out(path, WhyLeftOut::LinkLeadsOut),
                }
            }
            _ => report.leave_out(path, WhyLeftOut::Special),
        }
    }
    for (path, target) in links {
        if let Some(parent) = path.parent() {
            make_directories(host_dir, parent).map_err(on_host)?;
        }
        symlink(target, host_dir.join(path)).map_err(on_host)?;
    }
    Ok(report)
}

impl TreeReport {
    fn leave_out(&mut self, path: PathBuf, why: WhyLeftOut) {
        self.left_out_count += 1;
        if self.left_out.len() < NAMED {
            self.left_out.push(LeftOut { path, why });
        }
    }
}

fn malformed(error: io::Error) -> GuestError {
    GuestError::Unacceptable(format!("a malformed archive: {error}"))
}

/// The path, if it is relative and made of plain names; `.` is left out.
fn checked(path: &Path) -> Result<PathBuf, GuestError> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(GuestError::Unacceptable(format!(
                    "the path {path:?}, which leads out of the tree"
                )));
            }
        }
    }
    if plain.as_os_str().len() > PATH_BYTES || plain.components().count() > DEPTH {
        return Err(GuestError::Unacceptable("a path that is too long".to_owned()));
    }
    Ok(plain)
}

/// Whether a link at `path` leads to a place within the tree, by its words alone: it is relative and never climbs above.
fn stays_inside(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    let mut went_down = false;
    for component in target.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(_) => {
                went_down = true;
                depth += 1;
            }
            // After a name, `..` goes up from wherever that name leads, which may be another link.
            Component::ParentDir if !went_down && depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    target.as_os_str().len() <= PATH_BYTES && !target.as_os_str().is_empty()
}

/// Makes the directories of a checked path. Links are not made before the end, so none is followed.
fn make_directories(root: &Path, path: &Path) -> io::Result<()> {
    let mut current = root.to_owned();
    for component in path.components() {
        current.push(component);
        match DirBuilder::new().mode(0o755).create(&current) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !fs::symlink_metadata(&current)?.is_dir() {
                    return Err(error);
                }
            }
            other => other?,
        }
    }
    Ok(())
}

fn write_file(entry: &mut Entry<'_, impl Read>, root: &Path, path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        make_directories(root, parent)?;
    }
    let is_program = entry.header().mode().is_ok_and(|mode| mode & 0o100 != 0);
    let mode = if is_program { 0o755 } else { 0o644 };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(root.join(path))?;
    let size = entry.size();
    let written = io::copy(&mut entry.take(size), &mut file)?;
    if written != size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tar::{Builder, Header};

    use super::*;

    const LIMITS: TreeLimits = TreeLimits {
        max_bytes: 1000,
        max_entries: 10,
    };

    fn archive(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (kind, name, content) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o4777);
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

    fn unpacked(entries: &[(EntryType, &str, &str)]) -> (tempfile::TempDir, Result<TreeReport, GuestError>) {
        let folder = tempfile::tempdir().unwrap();
        let report = unpack(archive(entries).as_slice(), &folder.path().join("out"), LIMITS);
        (folder, report)
    }

    #[test]
    fn files_and_inner_links_arrive() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, report) = unpacked(&[
            (EntryType::Symlink, "d/link", "../f"),
            (EntryType::Directory, "d", ""),
            (EntryType::Regular, "f", "content"),
        ]);
        assert_eq!(
            report.unwrap(),
            TreeReport {
                files: 1,
                bytes: 7,
                ..TreeReport::default()
            }
        );
        let out = folder.path().join("out");
        assert_eq!(fs::read_to_string(out.join("d/link")).unwrap(), "content");
        let mode = fs::metadata(out.join("f")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7000, 0, "set-user bits stay in the guest");
    }

    #[test]
    fn what_leads_out_is_refused_or_left_out() {
        for name in ["../f", "/etc/f", "d/../../f"] {
            let (_, report) = unpacked(&[(EntryType::Regular, name, "x")]);
            assert!(matches!(report, Err(GuestError::Unacceptable(_))), "{name}: {report:?}");
        }
        for target in ["/etc/passwd", "../../f", "d/../../f", "a/.."] {
            let (_, report) = unpacked(&[(EntryType::Symlink, "d/link", target)]);
            assert_eq!(report.unwrap().left_out[0].why, WhyLeftOut::LinkLeadsOut, "{target}");
        }
        for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::Link] {
            let (_, report) = unpacked(&[(kind, "special", "")]);
            assert_eq!(report.unwrap().left_out[0].why, WhyLeftOut::Special, "{kind:?}");
        }
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (folder, report) = unpacked(&[
            (EntryType::Symlink, "link", "elsewhere"),
            (EntryType::Regular, "link/f", "x"),
        ]);
        assert!(report.is_err());
        assert!(!folder.path().join("out/elsewhere").exists());
        let (_, twice) = unpacked(&[(EntryType::Regular, "f", "x"), (EntryType::Regular, "f", "y")]);
        assert!(twice.is_err());
    }

    #[test]
    fn bounds_hold() {
        let (_, report) = unpacked(&[(EntryType::Regular, "f", &"x".repeat(1001))]);
        assert!(matches!(report, Err(GuestError::Unacceptable(_))));
        let names: Vec<String> = (0..11).map(|number| format!("f{number}")).collect();
        let many: Vec<_> = names
            .iter()
            .map(|name| (EntryType::Regular, name.as_str(), ""))
            .collect();
        assert!(matches!(unpacked(&many).1, Err(GuestError::Unacceptable(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_unpacked_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            let folder = tempfile::tempdir().unwrap();
            let _ = unpack(bytes.as_slice(), &folder.path().join("out"), LIMITS);
        }
    }
}
