//! The names of a source's files, out of the tree that was kept as bytes. A guest has packed it: nothing but names is read,
//! and only so many.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use preflight_report::findings::SourceFiles;
use tar::{Archive, EntryType, PaxExtensions};

use super::tree::UNPACKED;

/// So many entries are looked at; the largest sources have some 100,000.
const MOST_ENTRIES: usize = 500_000;
/// All names together, in bytes.
const MOST_BYTES: usize = 32 << 20;
/// What stands before an entry for its sake.
const LONGEST_EXTENSION: u64 = 64 << 10;
/// The tree's folder in what was kept.
const TREE: &str = "tree/";

/// The names of a staged source's files; none where its tree was not kept.
pub(super) fn of(staged: &Path) -> SourceFiles {
    let read = File::open(staged.join(UNPACKED)).and_then(names);
    SourceFiles::new(read.unwrap_or_default())
}

fn names(kept: impl Read + Seek) -> io::Result<Vec<String>> {
    let mut archive = Archive::new(kept);
    let (mut names, mut bytes) = (Vec::new(), 0);
    let mut long = None;
    // Raw: otherwise a name as long as a guest likes would be read at once.
    for entry in archive.entries_with_seek()?.raw(true).take(MOST_ENTRIES) {
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::XHeader => long = path_of(&beginning(&mut entry)?),
            EntryType::GNULongName => {
                let name = beginning(&mut entry)?;
                long = Some(String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned());
            }
            EntryType::Regular | EntryType::Continuous | EntryType::Symlink | EntryType::Link => {
                let short = || String::from_utf8_lossy(&entry.header().path_bytes()).into_owned();
                let name = long.take().unwrap_or_else(short);
                let Some(name) = name.strip_prefix(TREE) else { continue };
                bytes += name.len();
                if bytes > MOST_BYTES {
                    break;
                }
                names.push(name.to_owned());
            }
            _ => long = None,
        }
    }
    Ok(names)
}

fn beginning(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    entry.take(LONGEST_EXTENSION).read_to_end(&mut text)?;
    Ok(text)
}

fn path_of(records: &[u8]) -> Option<String> {
    let mut records = PaxExtensions::new(records).flatten();
    let path = records.find(|record| record.key_bytes() == b"path")?;
    Some(String::from_utf8_lossy(path.value_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tar::{Builder, Header};

    use super::*;

    fn add(builder: &mut Builder<Vec<u8>>, kind: EntryType, name: &str, content: &[u8]) {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).unwrap();
    }

    #[test]
    fn files_are_named_whatever_their_names_length_is() {
        let long = format!("tree/{}/x.c", "d".repeat(90));
        let longer = "e/".repeat(100) + "y.c";
        let mut builder = Builder::new(Vec::new());
        add(&mut builder, EntryType::Directory, "tree/src/", b"");
        add(&mut builder, EntryType::Regular, "tree/src/hello.c", &[b'x'; 5000]);
        add(&mut builder, EntryType::Regular, &long, b"x");
        let records = [("path", format!("tree/{longer}").into_bytes())];
        builder
            .append_pax_extensions(records.iter().map(|(key, value)| (*key, value.as_slice())))
            .unwrap();
        add(&mut builder, EntryType::Regular, "tree/short", b"y");
        add(&mut builder, EntryType::Regular, "elsewhere/z.c", b"");
        let archive = builder.into_inner().unwrap();
        let found = names(Cursor::new(&archive)).unwrap();
        assert_eq!(found, ["src/hello.c".to_owned(), long[5..].to_owned(), longer]);
        // Cut off anywhere, it is an error or less, and no panic.
        for end in (0..archive.len()).step_by(257) {
            drop(names(Cursor::new(&archive[..end])));
        }
    }

    #[test]
    fn a_name_without_an_end_is_not_read_whole() {
        let mut builder = Builder::new(Vec::new());
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_path("x").unwrap();
        header.set_size(1 << 40);
        header.set_cksum();
        builder.append(&header, io::empty()).unwrap();
        let mut archive = builder.into_inner().unwrap();
        archive.truncate(512);
        struct Endless(Cursor<Vec<u8>>);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.read(buffer)? {
                    0 => {
                        buffer.fill(b'7');
                        Ok(buffer.len())
                    }
                    length => Ok(length),
                }
            }
        }
        impl Seek for Endless {
            fn seek(&mut self, _: io::SeekFrom) -> io::Result<u64> {
                Err(io::ErrorKind::Unsupported.into())
            }
        }
        assert!(names(Endless(Cursor::new(archive))).is_err());
    }
}
