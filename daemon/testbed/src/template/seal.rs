//! Makes a template's files safe on disk and says what they are, so that a template that a crash has torn or somebody has
//! written to is found out before a clone starts from it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;

use nix::unistd::{Whence, lseek};

/// What is compared at a time. A block of nothing but zeros counts as a hole, whether the file system has one there or not.
const BLOCK: usize = 128 * 1024;

/// Writes a file's content through to the disk.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The digest of a file's length and of its blocks that are not empty.
pub(super) fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&length.to_le_bytes());
    let (mut block, empty) = (vec![0; BLOCK], vec![0; BLOCK]);
    let mut at = 0;
    while let Some(data) = next_data(&file, at)? {
        // Holes begin and end where the file system likes; blocks do not.
        at = data - data % BLOCK as u64;
        lseek(file.as_fd(), i64::try_from(at).unwrap_or(i64::MAX), Whence::SeekSet)?;
        let read = fill(&mut file, &mut block)?;
        if read == 0 {
            break;
        }
        if block[..read] != empty[..read] {
            hasher.update(&at.to_le_bytes());
            hasher.update(&block[..read]);
        }
        at += read as u64;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Where the next data begins.
fn next_data(file: &File, from: u64) -> io::Result<Option<u64>> {
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    match lseek(file.as_fd(), from, Whence::SeekData) {
        Ok(at) => Ok(u64::try_from(at).ok()),
        // Nothing but a hole up to the end.
        Err(nix::Error::ENXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn fill(file: &mut File, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use proptest::prelude::*;

    use super::*;

    /// The same content, written with and without holes.
    fn written(folder: &Path, length: u64, pieces: &[(u64, Vec<u8>)]) -> (String, String) {
        let mut content = vec![0; usize::try_from(length).unwrap()];
        let mut sparse = File::create(folder.join("sparse")).unwrap();
        sparse.set_len(length).unwrap();
        for (at, piece) in pieces {
            let end = (at + piece.len() as u64).min(length);
            let piece = &piece[..usize::try_from(end.saturating_sub(*at)).unwrap()];
            if piece.is_empty() {
                continue;
            }
            sparse.seek(SeekFrom::Start(*at)).unwrap();
            sparse.write_all(piece).unwrap();
            content[usize::try_from(*at).unwrap()..][..piece.len()].copy_from_slice(piece);
        }
        std::fs::write(folder.join("whole"), content).unwrap();
        (
            digest(&folder.join("sparse")).unwrap(),
            digest(&folder.join("whole")).unwrap(),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn holes_make_no_difference_and_bytes_do(
            length in 1_u64..2_000_000,
            pieces in prop::collection::vec((0_u64..2_000_000, prop::collection::vec(any::<u8>(), 1..5000)), 0..6),
            flip: prop::sample::Index,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (sparse, whole) = written(folder.path(), length, &pieces);
            prop_assert_eq!(&sparse, &whole);
            let mut content = std::fs::read(folder.path().join("whole")).unwrap();
            let place = flip.index(content.len());
            content[place] ^= 1;
            std::fs::write(folder.path().join("whole"), &content).unwrap();
            prop_assert_ne!(digest(&folder.path().join("whole")).unwrap(), sparse.clone());
            content[place] ^= 1;
            content.push(0);
            std::fs::write(folder.path().join("whole"), &content).unwrap();
            prop_assert_ne!(digest(&folder.path().join("whole")).unwrap(), sparse);
        }
    }
}
