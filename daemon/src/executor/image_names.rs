//! What people call images: a name is a symbolic link beside the images, which is replaced in one rename. An image of any
//! number of names is one image; a name is of one image.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use preflight_core::ImageName;

use super::ticket_image::TicketImages;

/// The names' folder, beside the images.
const NAMES: &str = ".names";

fn folder(images: &Path) -> PathBuf {
    images.join(NAMES)
}

/// Names by the image that has them, in the folder of images. One that cannot be read names nothing.
pub(crate) fn names_in(images: &Path) -> BTreeMap<String, Vec<ImageName>> {
    let mut names: BTreeMap<String, Vec<ImageName>> = BTreeMap::new();
    for entry in fs::read_dir(folder(images)).into_iter().flatten().flatten() {
        let name = entry.file_name().to_str().and_then(|name| ImageName::new(name).ok());
        if let (Some(name), Some(id)) = (name, target(&entry.path())) {
            names.entry(id).or_default().push(name);
        }
    }
    names.values_mut().for_each(|names| names.sort());
    names
}

/// What a link points at, where that can be an image's folder.
fn target(link: &Path) -> Option<String> {
    let to = fs::read_link(link).ok()?;
    Some(to.file_name()?.to_str()?.to_owned())
}

impl TicketImages {
    /// Gives an image a name; the one that had it has it no more.
    ///
    /// # Errors
    /// There is no such image, or the system's.
    pub fn name(&self, name: &ImageName, id: &str) -> io::Result<()> {
        self.get(id)?;
        let folder = folder(self.folder());
        fs::create_dir_all(&folder)?;
        let to = Path::new("..").join(id);
        let link = folder.join(name.as_str());
        if fs::read_link(&link).is_ok_and(|now| now == to) {
            return Ok(());
        }
        // No name begins with a dot.
        let aside = tempfile::Builder::new()
            .prefix(".")
            .make_in(&folder, |path| std::os::unix::fs::symlink(&to, path))?;
        aside.persist(&link).map_err(|error| error.error)?;
        Ok(())
    }

    /// The image of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<String> {
        let name = ImageName::new(name).ok()?;
        target(&folder(self.folder()).join(name.as_str()))
    }

    /// Names by the image that has them.
    #[must_use]
    pub fn names(&self) -> BTreeMap<String, Vec<ImageName>> {
        names_in(self.folder())
    }

    /// Takes all names from an image.
    pub(super) fn take_names(&self, id: &str) -> io::Result<()> {
        for name in self.names().remove(id).unwrap_or_default() {
            fs::remove_file(folder(self.folder()).join(name.as_str()))?;
        }
        Ok(())
    }
}

/// Removes what a death while a name was given has left.
pub(super) fn sweep(images: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder(images)).into_iter().flatten() {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use preflight_archive::Lock;
    use preflight_core::{PackageSources, PinnedSnapshot, Sha256};

    use super::*;
    use crate::executor::{NewImage, Rebuilt};

    fn publish(images: &TicketImages, id: &str, sources: &PackageSources) {
        let draft = images.begin(id).unwrap();
        fs::write(draft.disk(), "a disk").unwrap();
        let new = NewImage {
            id,
            series: "debian-bookworm",
            base: "base",
            template: None,
            lock: &Lock::default(),
            rebuilt: Some(Rebuilt::new(vec![], sources, vec![])),
            repositories: "/nonexistent".into(),
        };
        images.publish(new, 1).unwrap();
    }

    fn name(text: &str) -> ImageName {
        ImageName::new(text).unwrap()
    }

    #[test]
    fn a_name_is_of_one_image_and_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let images = TicketImages::open(folder.path().join("images")).unwrap();
        let state = Sha256([7; 32]);
        let pinned = PackageSources {
            snapshot: Some(PinnedSnapshot {
                name: "debian-bookworm@2026-11-20T14:00:00Z-07070707".into(),
                state,
                suites: vec![],
            }),
            ..PackageSources::default()
        };
        publish(&images, "image-1", &PackageSources::default());
        publish(&images, "image-2", &pinned);
        for (called, id) in [
            ("mine", "image-1"),
            ("other", "image-1"),
            ("mine", "image-2"),
            ("mine", "image-2"),
        ] {
            images.name(&name(called), id).unwrap();
        }
        assert!(images.name(&name("third"), "image-3").is_err());
        let named = |called: &str| images.named(called);
        assert_eq!(
            (named("mine").as_deref(), named("other").as_deref()),
            (Some("image-2"), Some("image-1"))
        );
        assert_eq!(
            (named("third"), named("../images/image-1"), named(".mine")),
            (None, None, None)
        );
        assert_eq!(images.states().unwrap(), [(state, "image-2".to_owned())]);
        assert_eq!(images.get("image-2").unwrap().rebuilt.unwrap().sources(), Ok(pinned));

        // A death while a name was given.
        std::os::unix::fs::symlink("../image-1", folder.path().join("images/.names/.half")).unwrap();
        let images = TicketImages::open(folder.path().join("images")).unwrap();
        images.remove("image-1").unwrap();
        assert_eq!(
            images.names(),
            BTreeMap::from([("image-2".to_owned(), vec![name("mine")])])
        );
        assert_eq!(fs::read_dir(folder.path().join("images/.names")).unwrap().count(), 1);
    }
}
