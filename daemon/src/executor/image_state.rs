//! Remembers which archive state a base image was built from, so that its testbeds are served the same indices for ever.
//! The image's own metadata names release files; the archive's name for their set lies beside the images.

use std::path::{Path, PathBuf};

use preflight_archive::ArchiveStateId;
use preflight_vm_images::ImageStore;

fn file(image: &Path, store: &ImageStore) -> PathBuf {
    let name = image.file_name().unwrap_or_default();
    store.folder().join(".archive-states").join(name)
}

/// The state of an image; none where it was built without the archive's help.
pub(crate) fn read(image: &Path, store: &ImageStore) -> Option<ArchiveStateId> {
    std::fs::read_to_string(file(image, store)).ok()?.trim().parse().ok()
}

/// Remembers the state of an image. Called before anything uses the image.
pub(crate) fn write(image: &Path, store: &ImageStore, state: ArchiveStateId) -> std::io::Result<()> {
    let file = file(image, store);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(file, format!("{state}\n"))
}
