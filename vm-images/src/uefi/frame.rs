//! Writes the whole disk but its root file system: finds what has to be on the system partition, and puts everything where
//! the layout says. It leaves nothing but the disk.

use std::fs::{self, File};
use std::path::Path;

use super::drivers;
use super::error::{UefiError, at};
use super::layout::Layout;
use super::loader::{self, Loader};
use super::system_partition::{self, Placed};
use super::table;
use crate::image::BaseImage;
use crate::initrd;

/// A disk that lacks its root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where things are on it.
    pub layout: Layout,
    /// The kernel's command line, as it stands in the loader's entry.
    pub command_line: String,
}

/// Writes a disk for an image that is this base image, or is made of it, into an empty file, which gets the disk's size and
/// stays sparse. The root file system belongs at [`Layout::root`]. What is put together on the way lies in a folder of its
/// own below `scratch`.
///
/// Blocks for some tenths of a second.
///
/// # Errors
/// [`UefiError`], with what to install; the file is of no use then.
pub fn write_frame(image: &BaseImage, agent: &Path, scratch: &Path, disk: &File) -> Result<Frame, UefiError> {
    let architecture = image.metadata.architecture.as_str();
    let loader = Loader::of(architecture)?;
    let missing = |source| UefiError::LoaderMissing {
        file: loader.source.clone(),
        source,
    };
    fs::metadata(&loader.source).map_err(missing)?;
    // Enough that no two disks which meet in one machine are taken for one another.
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let root = format!("preflight-{}", &unique[..12]);
    let command_line = loader::command_line(architecture, &root);

    let folder = tempfile::Builder::new()
        .prefix("uefi-")
        .tempdir_in(scratch)
        .map_err(at(scratch))?;
    let written = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).map_err(at(&file))?;
        Ok::<_, UefiError>(file)
    };
    let beside = drivers::beside(&image.metadata, &image.disk())?;
    let files = [
        (loader.path.as_str(), loader.source.clone()),
        (loader::KERNEL, image.kernel()),
        (
            loader::INITRD,
            written("initrd", &initrd::with_drivers(image, agent, beside)?)?,
        ),
        (
            loader::ENTRY,
            written("entry", loader::entry(&image.metadata, &command_line).as_bytes())?,
        ),
        (
            loader::CONFIGURATION,
            written("loader.conf", loader::CONFIGURED.as_bytes())?,
        ),
    ];
    let files = files.map(|(path, source)| Placed {
        path: path.to_owned(),
        source,
    });
    let mut bytes = 0;
    for file in &files {
        bytes += fs::metadata(&file.source).map_err(at(&file.source))?.len();
    }
    let layout = Layout::new(bytes, image.metadata.disk_bytes);
    disk.set_len(layout.size).map_err(at(Path::new("the disk")))?;
    table::write(disk, &layout, &root, architecture)?;
    system_partition::write(disk, layout.system, &files)?;
    Ok(Frame { layout, command_line })
}
