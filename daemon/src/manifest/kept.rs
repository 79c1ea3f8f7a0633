//! Keeps what a guest has said of its image beside the image: an image never changes, so that it is asked once. It is kept in
//! the guest's own words, and judged anew each time.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::entry::Manifest;
use super::listing::{self, ListingError, MOST_BYTES};
use crate::output_file::OutputFile;

/// Another number, where another question was asked.
const NAME: &str = "manifest-1";

fn file(image: &Path) -> PathBuf {
    image.join(NAME)
}

/// The manifest of the image in this folder; none where it was not asked for yet, or what is kept cannot be read.
pub(crate) fn kept(image: &Path) -> Option<Manifest> {
    let mut answer = Vec::new();
    let file = fs::File::open(file(image)).ok()?;
    file.take(MOST_BYTES + 1).read_to_end(&mut answer).ok()?;
    listing::read(&answer)
        .inspect_err(|error| tracing::warn!(image = %image.display(), %error, "a manifest is made anew"))
        .ok()
}

/// Reads a guest's answer, and keeps it for the next who asks.
///
/// # Errors
/// It is not what was asked for. That it cannot be kept is none.
pub(crate) fn keep(image: &Path, answer: &[u8]) -> Result<Manifest, ListingError> {
    let manifest = listing::read(answer)?;
    let write = || -> io::Result<()> {
        let output = OutputFile::begin(&file(image))?;
        output.file().write_all(answer)?;
        output.publish()
    };
    if let Err(error) = write() {
        tracing::warn!(image = %image.display(), %error, "a manifest is not kept");
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_once_is_not_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let answer = b"P\tinstalled\thello\t1\tall\0F\td\t755\t0\t0\t0\t/\0E\0";
        assert!(kept(folder.path()).is_none());
        assert!(keep(folder.path(), b"nonsense").is_err());
        assert!(kept(folder.path()).is_none());
        let manifest = keep(folder.path(), answer).unwrap();
        assert_eq!(kept(folder.path()), Some(manifest.clone()));
        fs::write(file(folder.path()), &answer[..9]).unwrap();
        assert!(kept(folder.path()).is_none());
        // A folder that takes no files.
        assert_eq!(keep(Path::new("/nonexistent"), answer), Ok(manifest));
    }
}
