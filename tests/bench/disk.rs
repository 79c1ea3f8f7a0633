//! What a folder takes on the disk: blocks, not lengths, since disks of machines have holes.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The bytes that a file, or all in a folder, takes on the disk; 0 where there is none. A file with several names counts
/// once for each.
pub(crate) fn usage(path: &Path) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else {
        return 0;
    };
    // st_blocks counts 512 bytes, whatever the file system's blocks are (stat(2)).
    let own = metadata.blocks() * 512;
    if !metadata.is_dir() {
        return own;
    }
    let entries = path.read_dir().into_iter().flatten().flatten();
    own + entries.map(|entry| usage(&entry.path())).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_cost_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(folder.path().join("holes")).unwrap();
        file.set_len(1 << 30).unwrap();
        std::fs::write(folder.path().join("full"), vec![1; 1 << 20]).unwrap();
        let used = usage(folder.path());
        assert!((1 << 20..1 << 22).contains(&used), "{used}");
        assert_eq!(usage(&folder.path().join("nothing")), 0);
    }
}
