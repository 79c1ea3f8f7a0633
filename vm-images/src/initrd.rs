//! Composes an image's initrd: the guest agent as `/init`, and the modules that the kernel lacks. The agent is no part of
//! the image, so that a new agent needs no new image.
//!
//! Contract with `/init`: `/preflight/modules` lists one module's path a line, in the order in which they must be loaded;
//! a module that does not load is no failure by itself. Then it mounts the root that the kernel's command line names
//! (see [`crate::boot`]) and starts its init.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cpio::newc::{Builder, trailer};

use crate::identity::Sha256;
use crate::image::BaseImage;

const DIRECTORY: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// Larger than any agent or module; a file beyond it was not meant.
const LARGEST_FILE: u64 = 64 << 20;

/// Why an initrd cannot be composed.
#[derive(Debug, thiserror::Error)]
pub enum InitrdError {
    /// A part cannot be read.
    #[error("cannot read {file} for the initrd: {source}")]
    Unreadable {
        /// The agent's binary or a module.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A part is larger than an archive can say.
    #[error("the initrd cannot be put together: {0}")]
    Unwieldy(io::Error),
    /// The result cannot be written.
    #[error("cannot write the initrd into {folder}: {source}")]
    Unwritable {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Composes the initrd of an image with this agent, in `folder`. It is named by the digest of its contents and kept:
/// a second call with the same parts returns the same file.
///
/// Blocks for some tens of milliseconds.
///
/// # Errors
/// [`InitrdError`] when a part is missing or the folder cannot be written.
pub fn compose_initrd(image: &BaseImage, agent: &Path, folder: &Path) -> Result<PathBuf, InitrdError> {
    let archive = with_drivers(image, agent, Vec::new())?;
    let unwritable = |source| InitrdError::Unwritable {
        folder: folder.to_owned(),
        source,
    };
    let target = folder.join(format!("initrd-{}.cpio", Sha256::of(&archive).short()));
    if target.is_file() {
        return Ok(target);
    }
    fs::create_dir_all(folder).map_err(unwritable)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
    file.write_all(&archive).map_err(unwritable)?;
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o444);
    file.as_file().set_permissions(readable).map_err(unwritable)?;
    file.persist(&target).map_err(|error| unwritable(error.error))?;
    Ok(target)
}

/// An initrd with this agent and an image's modules, and others that are loaded after those.
pub(crate) fn with_drivers(
    image: &BaseImage,
    agent: &Path,
    others: Vec<(String, Vec<u8>)>,
) -> Result<Vec<u8>, InitrdError> {
    let mut modules = Vec::new();
    for module in &image.metadata.modules {
        modules.push((module.file.clone(), read_part(&image.module(module))?));
    }
    modules.extend(others);
    archive(&read_part(agent)?, &modules).map_err(InitrdError::Unwieldy)
}

fn read_part(file: &Path) -> Result<Vec<u8>, InitrdError> {
    let unreadable = |source| InitrdError::Unreadable {
        file: file.to_owned(),
        source,
    };
    if fs::metadata(file).map_err(unreadable)?.len() > LARGEST_FILE {
        return Err(unreadable(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 64 MiB",
        )));
    }
    fs::read(file).map_err(unreadable)
}

/// The cpio archive (newc, as the kernel's early userspace documentation has it). Not compressed: a few MiB are loaded
/// faster than an emulated processor unpacks them.
fn archive(agent: &[u8], modules: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut inode = 0;
    let mut entry = |name: &str, mode: u32, device: Option<(u32, u32)>, bytes: &[u8]| -> io::Result<()> {
        inode += 1;
        let (major, minor) = device.unwrap_or_default();
        let size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let links = if mode == DIRECTORY { 2 } else { 1 };
        let builder = Builder::new(name)
            .ino(inode)
            .mode(mode)
            .nlink(links)
            .rdev_major(major)
            .rdev_minor(minor);
        let mut writer = builder.write(&mut out, size);
        writer.write_all(bytes)?;
        writer.finish().map(drop)
    };
    for folder in ["dev", "proc", "sys", "run", "root", "preflight", "preflight/modules.d"] {
        entry(folder, DIRECTORY, None, &[])?;
    }
    // The kernel opens the console for /init before /init could mount devtmpfs.
    entry("dev/console", CHARACTER_DEVICE, Some((5, 1)), &[])?;
    entry("dev/null", CHARACTER_DEVICE, Some((1, 3)), &[])?;
    entry("init", EXECUTABLE, None, agent)?;
    let mut list = String::new();
    for (name, bytes) in modules {
        let path = format!("preflight/modules.d/{name}");
        entry(&path, FILE, None, bytes)?;
        list.push('/');
        list.push_str(&path);
        list.push('\n');
    }
    entry("preflight/modules", FILE, None, list.as_bytes())?;
    trailer(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn cpio_itself_reads_the_archive() {
        let modules = [("b.ko".to_owned(), vec![1; 5]), ("a.ko".to_owned(), vec![2; 3])];
        let bytes = archive(b"#!agent", &modules).unwrap();
        assert_eq!(
            bytes,
            archive(b"#!agent", &modules).unwrap(),
            "the same parts give the same bytes"
        );
        // Where there is no cpio, the end-to-end tests' kernel judges.
        let mut cpio = Command::new("cpio");
        cpio.args(["-itv", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let Ok(mut child) = cpio.spawn() else { return };
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let listing = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        for expected in [
            "-rwxr-xr-x",
            "init",
            "crw-------",
            "preflight/modules.d/b.ko",
            "preflight/modules",
        ] {
            assert!(listing.contains(expected), "{listing}");
        }
    }

    #[test]
    fn modules_keep_their_order() {
        let modules = [("z.ko".to_owned(), vec![]), ("a.ko".to_owned(), vec![])];
        let bytes = archive(b"", &modules).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("/preflight/modules.d/z.ko\n/preflight/modules.d/a.ko\n"));
    }
}
