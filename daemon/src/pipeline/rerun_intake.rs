//! Intake of a rerun: copies what an owner has edited of a source's tests, so that the run does not depend on files that
//! are edited on. Nothing else of the tree is looked at, and no symbolic link is followed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use preflight_debian::{Control, TextFile};
use preflight_protocol::error::RpcError;
use preflight_store::TicketsFolder;
use walkdir::WalkDir;

use super::intake::{cannot_stage, refusal, refused};
use crate::services::{StagedRerun, Staging};

/// Where a source's tests are.
const TESTS: &str = "debian/tests";
const CONTROL: &str = "debian/control";

/// Bounds on what is copied: many times what any package of the archive has.
const MOST_ENTRIES: usize = 4096;
const MOST_BYTES: u64 = 64 * 1024 * 1024;
const DEEPEST: usize = 32;

/// Stages a source tree's `debian/control` and `debian/tests`, or one file of a `debian/tests`.
pub(super) fn stage(tickets: &TicketsFolder, with: &Path) -> Result<StagedRerun, RpcError> {
    let path = std::fs::canonicalize(with).map_err(|error| refusal(format!("{}: {error}", with.display())))?;
    let staging = Staging::create(tickets).map_err(|error| cannot_stage(tickets.root(), &error))?;
    let source = if path.is_dir() {
        Some(tree(&path, staging.path())?)
    } else {
        let place = place_of(&path).ok_or_else(|| {
            refusal(format!("{} is no file of a {TESTS}", path.display()))
                .with_hint("give a file below debian/tests, or the source tree itself")
        })?;
        let mut copy = Copying::new(&path, staging.path());
        copy.file(&path, &Path::new(TESTS).join(place))?;
        None
    };
    Ok(StagedRerun { staging, source })
}

/// Stages a tree; answers its source's name.
fn tree(folder: &Path, to: &Path) -> Result<String, RpcError> {
    let tests = folder.join(TESTS);
    if !tests.join("control").is_file() && !tests.join("control.autodep8").is_file() {
        return Err(refusal(format!("{} has no {TESTS}/control", folder.display()))
            .with_hint("give a source tree, or one file below its debian/tests"));
    }
    let control = TextFile::read(&folder.join(CONTROL)).map_err(refused)?;
    let source = Control::parse(&control.path, control.text().map_err(refused)?).map_err(refused)?;
    let mut copy = Copying::new(folder, to);
    copy.file(&folder.join(CONTROL), Path::new(CONTROL))?;
    let walk = WalkDir::new(&tests).follow_links(false).sort_by_file_name();
    for entry in walk {
        let entry = entry.map_err(|error| refusal(error.to_string()))?;
        let Ok(place) = entry.path().strip_prefix(folder) else {
            continue;
        };
        if entry.depth() > DEEPEST {
            return Err(copy.too_much(&format!("deeper than {DEEPEST} folders")));
        }
        let kind = entry.file_type();
        if kind.is_dir() {
            copy.folder(place)?;
        } else if kind.is_symlink() {
            copy.link(entry.path(), place)?;
        } else {
            copy.file(entry.path(), place)?;
        }
    }
    Ok(source.source.as_str().to_owned())
}

/// Where below `debian/tests` a file lies.
fn place_of(path: &Path) -> Option<PathBuf> {
    let mut folders = path.ancestors().skip(1);
    let tests = folders.find(|folder| folder.ends_with(TESTS))?;
    path.strip_prefix(tests).map(Path::to_path_buf).ok()
}

/// A copy that is being made, within its bounds.
struct Copying<'a> {
    what: &'a Path,
    to: &'a Path,
    entries: usize,
    bytes: u64,
}

impl<'a> Copying<'a> {
    fn new(what: &'a Path, to: &'a Path) -> Self {
        Self {
            what,
            to,
            entries: 0,
            bytes: 0,
        }
    }

    fn too_much(&self, bound: &str) -> RpcError {
        refusal(format!("the tests of {} are {bound}", self.what.display()))
    }

    fn count(&mut self) -> Result<(), RpcError> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(self.too_much(&format!("more than {MOST_ENTRIES} files")));
        }
        Ok(())
    }

    fn folder(&mut self, place: &Path) -> Result<(), RpcError> {
        self.count()?;
        std::fs::create_dir_all(self.to.join(place)).map_err(|error| cannot_stage(self.to, &error))
    }

    fn link(&mut self, path: &Path, place: &Path) -> Result<(), RpcError> {
        self.count()?;
        let target = std::fs::read_link(path).map_err(|error| refusal(format!("{}: {error}", path.display())))?;
        if !stays_within(place, &target) {
            let message = format!("{} points out of the tree, to {}", path.display(), target.display());
            return Err(refusal(message));
        }
        symlink(&target, self.to.join(place)).map_err(|error| cannot_stage(self.to, &error))
    }

    fn file(&mut self, path: &Path, place: &Path) -> Result<(), RpcError> {
        self.count()?;
        let unreadable = |error: io::Error| refusal(format!("{}: {error}", path.display()));
        // A FIFO is opened without waiting for its writer, and seen to be none of a source's files.
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let file = file.map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(refusal(format!("{} is neither file, folder nor link", path.display())));
        }
        let executable = metadata.permissions().mode() & 0o100 != 0;
        let left = MOST_BYTES.saturating_sub(self.bytes);
        // It may grow while it is read.
        let copied = self
            .write(&mut file.take(left + 1), place, executable)
            .map_err(|error| cannot_stage(self.to, &error))?;
        self.bytes += copied;
        if self.bytes > MOST_BYTES {
            return Err(self.too_much(&format!("more than {} MiB", MOST_BYTES >> 20)));
        }
        Ok(())
    }

    fn write(&self, content: &mut impl Read, place: &Path, executable: bool) -> io::Result<u64> {
        let to = self.to.join(place);
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = File::create_new(&to)?;
        let mode = if executable { 0o755 } else { 0o644 };
        file.set_permissions(PermissionsExt::from_mode(mode))?;
        io::copy(content, &mut file)
    }
}

/// Whether a link at this place of a tree points to a place of the tree, as far as its words say.
fn stays_within(place: &Path, target: &Path) -> bool {
    let mut depth = place.components().count() - 1;
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use preflight_protocol::error::ErrorCode;

    use super::*;

    const CONTROL_TEXT: &str = "Source: hello\nMaintainer: J <j@example.org>\n\nPackage: hello\nArchitecture: any\n";

    struct Desk {
        folder: tempfile::TempDir,
        tickets: TicketsFolder,
    }

    impl Desk {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let tickets = TicketsFolder::below(&folder.path().join("state"));
            let desk = Self { folder, tickets };
            desk.write(CONTROL, CONTROL_TEXT);
            desk.write("debian/tests/control", "Tests: upstream\nDepends: @\n");
            desk.write("debian/tests/upstream", "#!/bin/sh\n");
            desk.write("debian/tests/data/one", "1");
            desk.write("secret", "not a test's");
            desk
        }

        fn tree(&self) -> PathBuf {
            self.folder.path().join("hello-1")
        }

        fn write(&self, place: &str, text: &str) {
            let path = self.tree().join(place);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn refused(&self, with: &Path) -> String {
            let error = stage(&self.tickets, with).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidParams, "{error}");
            let left = std::fs::read_dir(self.tickets.staging()).map_or(0, Iterator::count);
            assert_eq!(left, 0, "nothing is kept of what is refused");
            error.to_string()
        }
    }

    fn files(staged: &StagedRerun) -> Vec<String> {
        let root = staged.staging.path();
        let mut found: Vec<String> = WalkDir::new(root)
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| !entry.file_type().is_dir())
            .map(|entry| entry.path().strip_prefix(root).unwrap().display().to_string())
            .collect();
        found.sort();
        found
    }

    #[test]
    fn a_trees_tests_and_nothing_else_are_taken() {
        let desk = Desk::new();
        std::fs::set_permissions(
            desk.tree().join("debian/tests/upstream"),
            PermissionsExt::from_mode(0o700),
        )
        .unwrap();
        symlink("../../secret", desk.tree().join("debian/tests/link")).unwrap();
        let staged = stage(&desk.tickets, &desk.tree()).unwrap();
        assert_eq!(staged.source.as_deref(), Some("hello"));
        assert_eq!(
            files(&staged),
            [
                "debian/control",
                "debian/tests/control",
                "debian/tests/data/one",
                "debian/tests/link",
                "debian/tests/upstream",
            ]
        );
        let copy = staged.staging.path().join("debian/tests/upstream");
        assert_eq!(std::fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o755);
        let link = std::fs::read_link(staged.staging.path().join("debian/tests/link")).unwrap();
        assert_eq!(link, Path::new("../../secret"), "a link is taken as a link");
    }

    #[test]
    fn one_file_is_taken_to_its_place() {
        let desk = Desk::new();
        for (file, expected) in [
            ("debian/tests/upstream", "debian/tests/upstream"),
            ("debian/tests/data/one", "debian/tests/data/one"),
        ] {
            let staged = stage(&desk.tickets, &desk.tree().join(file)).unwrap();
            assert_eq!((files(&staged), staged.source), (vec![expected.to_owned()], None));
        }
    }

    #[test]
    fn what_leads_elsewhere_or_is_too_much_is_refused() {
        let desk = Desk::new();
        assert!(desk.refused(&desk.tree().join("nothing")).contains("nothing"));
        assert!(desk.refused(&desk.tree().join("secret")).contains("no file of"));
        assert!(desk.refused(desk.folder.path()).contains("debian/tests/control"));
        let link = desk.tree().join("debian/tests/link");
        for target in ["/etc/passwd", "../../../elsewhere", "../../x/../../y"] {
            symlink(target, &link).unwrap();
            assert!(
                desk.refused(&desk.tree()).contains("points out of the tree"),
                "{target}"
            );
            std::fs::remove_file(&link).unwrap();
        }
        nix::unistd::mkfifo(&link, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(desk.refused(&desk.tree()).contains("neither file"));
        std::fs::remove_file(&link).unwrap();
        File::create(&link).unwrap().set_len(MOST_BYTES).unwrap();
        assert!(desk.refused(&desk.tree()).contains("64 MiB"));
        std::fs::remove_file(&link).unwrap();
        desk.write(CONTROL, "Source: \n");
        assert!(desk.refused(&desk.tree()).contains("control"));
    }
}
