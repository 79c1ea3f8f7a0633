//! Which packages have targets: those with a function whose name begins with `fuzz_`. Reads sources, compiles nothing.

use std::collections::BTreeSet;
use std::path::Path;

use walkdir::WalkDir;

use crate::error::FuzzError;

/// The names of the packages.
pub(crate) fn packages(root: &Path) -> Result<BTreeSet<String>, FuzzError> {
    let is_ours = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || name == "target")
    };
    let mut packages = BTreeSet::new();
    for entry in WalkDir::new(root).into_iter().filter_entry(is_ours) {
        let path = entry?.into_path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(FuzzError::io(path.display().to_string()))?;
        if text.lines().any(|line| line.trim_start().starts_with("fn fuzz_")) {
            packages.insert(package(&path)?);
        }
    }
    Ok(packages)
}

/// The package that a file is of: the nearest `Cargo.toml` above it names it.
fn package(file: &Path) -> Result<String, FuzzError> {
    for folder in file.ancestors().skip(1) {
        let manifest = folder.join("Cargo.toml");
        let Ok(text) = std::fs::read_to_string(&manifest) else {
            continue;
        };
        let name = text.lines().find_map(|line| line.strip_prefix("name = "));
        return name
            .map(|name| name.trim_matches('"').to_owned())
            .ok_or(FuzzError::NoPackage(manifest));
    }
    Err(FuzzError::NoPackage(file.to_owned()))
}
