//! What a source's tree is apart from its version: a digest over all of its files but `debian/changelog`, whatever order they are
//! packed in and whenever they were written. It reads a tar archive that a guest has made, so that nothing in it is believed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use preflight_debian::Sha256Digest;
use tar::{Archive, EntryType};

/// What tells nothing but the version.
const LEFT_OUT: &[u8] = b"tree/debian/changelog";
/// More entries than any source of the archive has.
const MOST_ENTRIES: usize = 1_000_000;
/// More bytes than all names and links of a file take in an extended header.
const LONGEST_HEADER: u64 = 64 << 10;

/// The digest; none where the archive has more in it than a source's tree has, and nothing should be taken for its like.
///
/// # Errors
/// It cannot be read, or is no tar archive.
pub(super) fn digest(unpacked: &Path) -> io::Result<Option<Sha256Digest>> {
    let file = File::open(unpacked)?;
    of(BufReader::with_capacity(1 << 20, file))
}

fn of(mut tar: impl Read + Seek) -> io::Result<Option<Sha256Digest>> {
    if !is_bounded(&mut tar)? {
        return Ok(None);
    }
    tar.rewind()?;
    let mut files = BTreeMap::new();
    for entry in Archive::new(tar).entries()? {
        let mut entry = entry?;
        let name = entry.path_bytes().into_owned();
        if name == LEFT_OUT {
            continue;
        }
        let header = entry.header();
        let (kind, mode) = (header.entry_type().as_byte(), header.mode()? & 0o777);
        let link = entry
            .link_name_bytes()
            .map(|link| link.into_owned())
            .unwrap_or_default();
        let (content, size) = Sha256Digest::of_reader(&mut entry)?;
        let mut words = format!("{kind} {mode:o} {size} {content} {} {}\n", name.len(), link.len()).into_bytes();
        words.extend_from_slice(&name);
        words.extend_from_slice(&link);
        files.insert(name, Sha256Digest::of(&words));
    }
    let words: String = files.into_values().map(|digest| format!("{digest}\n")).collect();
    Ok(Some(Sha256Digest::of(words.as_bytes())))
}

/// Whether it can be read within bounds: extended headers are kept in memory, and so is a line a file.
fn is_bounded(tar: &mut (impl Read + Seek)) -> io::Result<bool> {
    let extended = [
        EntryType::XHeader,
        EntryType::XGlobalHeader,
        EntryType::GNULongName,
        EntryType::GNULongLink,
    ];
    let mut count = 0;
    for entry in Archive::new(tar).entries_with_seek()?.raw(true) {
        let entry = entry?;
        count += 1;
        let kind = entry.header().entry_type();
        let is_known =
            extended.contains(&kind) || kind.is_file() || kind.is_dir() || kind.is_symlink() || kind.is_hard_link();
        let is_long = extended.contains(&kind) && entry.header().entry_size()? > LONGEST_HEADER;
        if count > MOST_ENTRIES || !is_known || is_long {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;
    use tar::{Builder, Header};

    use super::*;

    fn packed(files: &[(&str, &str, u32, u64)]) -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        for (name, content, mode, written_at) in files {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(*mode);
            header.set_mtime(*written_at);
            tar.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn digest_of(tar: &[u8]) -> Option<Sha256Digest> {
        of(Cursor::new(tar)).unwrap()
    }

    #[test]
    fn order_times_and_the_changelog_are_left_out_and_nothing_else() {
        let long = format!("tree/{}", "x".repeat(200));
        let tree = [
            ("tree/a", "1", 0o644, 1),
            ("tree/debian/changelog", "x (1)", 0o644, 1),
            (&long, "2", 0o755, 1),
        ];
        let own = digest_of(&packed(&tree)).unwrap();
        let turned = [
            ("tree/debian/changelog", "x (2)", 0o644, 9),
            (&long, "2", 0o755, 7),
            ("tree/a", "1", 0o644, 8),
        ];
        assert_eq!(digest_of(&packed(&turned)), Some(own));
        for (place, other) in [
            (0, ("tree/a", "2", 0o644, 1)),
            (0, ("tree/b", "1", 0o644, 1)),
            (0, ("tree/a", "1", 0o755, 1)),
            (1, ("tree/debian/changelog.x", "x (1)", 0o644, 1)),
        ] {
            let mut changed = tree;
            changed[place] = other;
            assert_ne!(digest_of(&packed(&changed)), Some(own), "{other:?}");
        }
    }

    #[test]
    fn what_no_tree_has_in_it_has_no_digest() {
        let mut tar = Builder::new(Vec::new());
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_path("PaxHeaders/x").unwrap();
        header.set_size(LONGEST_HEADER + 1);
        header.set_cksum();
        tar.append(&header, &vec![b'x'; LONGEST_HEADER as usize + 1][..])
            .unwrap();
        assert_eq!(digest_of(&tar.into_inner().unwrap()), None);

        let mut tar = Builder::new(Vec::new());
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Char);
        header.set_path("tree/null").unwrap();
        header.set_size(0);
        header.set_cksum();
        tar.append(&header, &b""[..]).unwrap();
        assert_eq!(digest_of(&tar.into_inner().unwrap()), None);
    }

    proptest! {
        #[test]
        fn fuzz_tree_digest(mut bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0usize..1024) {
            let mut tar = packed(&[("tree/a", "1", 0o644, 1)]);
            bytes.truncate(tar.len().saturating_sub(at));
            let place = at.min(tar.len());
            tar[place..][..bytes.len().min(1024)].copy_from_slice(&bytes);
            // Whatever it says, it comes to an end.
            let _ = of(Cursor::new(tar));
        }
    }
}
