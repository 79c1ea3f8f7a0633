//! The packages that tests check, and source packages made of them. dpkg-source and dpkg-genchanges make these; neither
//! runs `debian/rules`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A fixture's folder.
///
/// # Panics
/// There is none of that name.
#[must_use]
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    assert!(folder.join("debian").is_dir(), "no fixture {name}");
    folder.canonicalize().unwrap()
}

/// Runs a tool and answers with its standard output.
///
/// # Panics
/// It fails.
pub fn tool(command: &mut Command) -> String {
    let output = command
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A copy of a fixture's folder below `parent`.
///
/// # Panics
/// It cannot be copied.
#[must_use]
pub fn copy(name: &str, parent: &Path) -> PathBuf {
    tool(Command::new("cp").arg("-R").arg(folder(name)).arg(parent));
    parent.join(name)
}

/// A source package of a folder, made beside it: its `.dsc`.
///
/// # Panics
/// dpkg-source fails.
#[must_use]
pub fn dsc_of(folder: &Path) -> PathBuf {
    let parent = folder.parent().unwrap();
    tool(Command::new("dpkg-source").arg("-b").arg(folder).current_dir(parent));
    found(parent, "dsc")
}

/// A source upload of a folder, made beside it: its `_source.changes`.
///
/// # Panics
/// dpkg-source or dpkg-genchanges fails.
#[must_use]
pub fn changes_of(folder: &Path) -> PathBuf {
    let dsc = dsc_of(folder);
    let files = folder.join("debian/files");
    std::fs::write(&files, "").unwrap();
    let text = tool(Command::new("dpkg-genchanges").arg("-S").current_dir(folder));
    std::fs::remove_file(files).unwrap();
    let name = format!("{}_source.changes", dsc.file_stem().unwrap().to_string_lossy());
    let changes = dsc.with_file_name(name);
    std::fs::write(&changes, text).unwrap();
    changes
}

/// A source package of a fixture, in a folder of its own below `parent`.
///
/// # Panics
/// It cannot be made.
#[must_use]
pub fn dsc(name: &str, parent: &Path) -> PathBuf {
    let own = parent.join(format!("source-{name}"));
    std::fs::create_dir_all(&own).unwrap();
    dsc_of(&copy(name, &own))
}

/// The one file with this ending in a folder.
///
/// # Panics
/// There is none, or more than one.
#[must_use]
pub fn found(folder: &Path, ending: &str) -> PathBuf {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .collect();
    assert_eq!(files.len(), 1, "not one .{ending} in {}: {files:?}", folder.display());
    files.remove(0)
}

/// Puts another text into a file.
///
/// # Panics
/// The file does not hold `from`.
pub fn replace(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from:?} is not in {}:\n{text}", file.display());
    std::fs::write(file, text.replace(from, to)).unwrap();
}
