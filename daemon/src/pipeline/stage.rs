//! Copies sources into a ticket's staging folder and makes sure that the copy is what was judged. A staged source has
//! `package/` with the `.dsc` and its files, or `tree/` and the upstream tarballs in `orig/` until a job has made the
//! package of them.

use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use preflight_debian::{EntryKind, Keyring, SignaturePolicy, SourceFolder, SourcePackage};
use preflight_protocol::error::RpcError;

use super::intake::{cannot_stage, refused};

/// Below a staged source: the `.dsc` and its files.
pub(crate) const PACKAGE: &str = "package";
/// Below a staged source: the folder as it was submitted.
pub(crate) const TREE: &str = "tree";
/// Below a staged source: the upstream tarballs that lay beside the folder.
pub(crate) const ORIG: &str = "orig";

/// Stages a source package: the copy is verified against the `.dsc` again, since files may change meanwhile.
pub(super) fn package(package: &SourcePackage, to: &Path) -> Result<(), RpcError> {
    let to = to.join(PACKAGE);
    let staged = copy_files(package.files.iter().chain([&package.dsc_path]), &to);
    staged.map_err(|error| cannot_stage(&to, &error))?;
    let name = package.dsc_path.file_name().unwrap_or_default();
    SourcePackage::open(&to.join(name), &Keyring::default(), SignaturePolicy::Ignore).map_err(refused)?;
    Ok(())
}

/// Stages a folder and the upstream tarballs beside it.
pub(super) fn folder(folder: &SourceFolder, to: &Path) -> Result<(), RpcError> {
    let tree = folder.tree().map_err(refused)?;
    let copied =
        copy_tree(&folder.path, &tree, &to.join(TREE)).and_then(|()| copy_files(&folder.orig_tarballs, &to.join(ORIG)));
    copied.map_err(|error| cannot_stage(to, &error))
}

fn copy_files<'a>(files: impl IntoIterator<Item = &'a PathBuf>, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for file in files {
        let copy = to.join(file.file_name().unwrap_or_default());
        std::fs::copy(file, &copy)?;
        // Whatever the original's mode, the copy is ours to read.
        std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o644))?;
    }
    Ok(())
}

fn copy_tree(from: &Path, entries: &[preflight_debian::TreeEntry], to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in entries {
        let (source, copy) = (from.join(&entry.path), to.join(&entry.path));
        match &entry.kind {
            EntryKind::Folder => std::fs::create_dir(&copy)?,
            EntryKind::Symlink { target } => symlink(target, &copy)?,
            EntryKind::File { executable, .. } => {
                std::fs::copy(&source, &copy)?;
                let mode = if *executable { 0o755 } else { 0o644 };
                std::fs::set_permissions(&copy, PermissionsExt::from_mode(mode))?;
            }
        }
    }
    Ok(())
}

/// The one `.dsc` of a `package/` folder.
pub(crate) fn dsc(package: &Path) -> io::Result<PathBuf> {
    let mut found = std::fs::read_dir(package)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "dsc"));
    match (found.next(), found.next()) {
        (Some(path), None) => Ok(path),
        _ => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{} holds no single .dsc", package.display()),
        )),
    }
}

/// Makes sure that a package that a guest made is whole, and the one that was submitted.
pub(super) fn verify(package: &Path, source: &str, version: &str) -> Result<(), String> {
    let dsc = dsc(package).map_err(|error| error.to_string())?;
    let opened = SourcePackage::open(&dsc, &Keyring::default(), SignaturePolicy::Ignore);
    let opened = opened.map_err(|error| error.to_string())?;
    let (made, made_version) = (opened.dsc.source.as_str(), opened.dsc.version.as_str());
    if (made, made_version) == (source, version) {
        Ok(())
    } else {
        Err(format!("it is {made} {made_version}, not {source} {version}"))
    }
}
