//! What an index says about files: path → digest and size, parsed once from `Packages` or `Sources` into a compact
//! sorted table that sessions share. Parsing streams, so that an index of any size needs the table's memory alone.

use std::io::BufRead;
use std::path::Path;

use preflight_debian::Sha256Digest;

use crate::index_text::{IndexKind, IndexText, bad, each_line, value};
use crate::release::Listed;

/// Files of one index. A key is the first half of the path's SHA-256: 128 bits can't be made to collide, and a table
/// of fixed records has a quarter of the size of one of strings.
#[derive(Debug)]
pub(crate) struct FileTable {
    records: Vec<([u8; 16], Listed)>,
}

impl FileTable {
    pub(crate) fn find(&self, path: &str) -> Option<Listed> {
        let wanted = key(path);
        let at = self.records.binary_search_by(|(key, _)| key.cmp(&wanted)).ok()?;
        self.records.get(at).map(|(_, listed)| *listed)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Reads the index in the file `object`; `path` tells its kind and compression.
    pub(crate) fn load(object: &Path, path: &str) -> std::io::Result<Self> {
        let IndexText { kind, text } = IndexText::open(object, path)?;
        let mut records = Vec::new();
        match kind {
            IndexKind::Sources => sources(text, &mut records)?,
            IndexKind::Packages => packages(text, &mut records)?,
        }
        records.sort_unstable_by_key(|(key, _)| *key);
        records.dedup_by_key(|(key, _)| *key);
        records.shrink_to_fit();
        Ok(Self { records })
    }
}

fn key(path: &str) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&Sha256Digest::of(path.as_bytes()).as_bytes()[..16]);
    key
}

fn packages(reader: impl BufRead, records: &mut Vec<([u8; 16], Listed)>) -> std::io::Result<()> {
    let (mut name, mut size, mut sha256) = (None, None, None);
    each_line(reader, |line| {
        if line.is_empty() {
            // A stanza without SHA-256 names a file that can't be verified, so it is as if it were not there.
            if let (Some(name), Some(size), Some(sha256)) = (name.take(), size.take(), sha256.take()) {
                records.push((name, Listed { sha256, size }));
            }
            (name, size, sha256) = (None, None, None);
        } else if let Some(path) = value(line, "Filename") {
            name = Some(key(path.trim_start_matches("./")));
        } else if let Some(number) = value(line, "Size") {
            size = Some(number.parse().map_err(|_| bad("a Size in the index is no number"))?);
        } else if let Some(digest) = value(line, "SHA256") {
            sha256 = Some(digest.parse().map_err(|_| bad("a SHA256 in the index is no digest"))?);
        }
        Ok(())
    })
}

fn sources(reader: impl BufRead, records: &mut Vec<([u8; 16], Listed)>) -> std::io::Result<()> {
    let mut folder = String::new();
    let mut files: Vec<(String, Listed)> = Vec::new();
    let mut in_list = false;
    each_line(reader, |line| {
        if line.is_empty() {
            for (name, listed) in files.drain(..) {
                let path = if folder.is_empty() || folder == "." {
                    name
                } else {
                    format!("{folder}/{name}")
                };
                records.push((key(path.trim_start_matches("./")), listed));
            }
            folder.clear();
            in_list = false;
        } else if line[0] == b' ' {
            if in_list {
                let text = std::str::from_utf8(line).map_err(|_| bad("the index is not UTF-8"))?;
                let mut words = text.split_ascii_whitespace();
                let (Some(digest), Some(size), Some(name)) = (words.next(), words.next(), words.next()) else {
                    return Ok(());
                };
                let sha256 = digest.parse().map_err(|_| bad("a digest in the index is malformed"))?;
                let size = size.parse().map_err(|_| bad("a size in the index is no number"))?;
                files.push((name.to_owned(), Listed { sha256, size }));
            }
        } else {
            in_list = value(line, "Checksums-Sha256").is_some();
            if let Some(path) = value(line, "Directory") {
                path.clone_into(&mut folder);
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, text: &str) -> std::io::Result<FileTable> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index");
        std::fs::write(&file, text).unwrap();
        FileTable::load(&file, name)
    }

    #[test]
    fn packages_and_sources_are_found_by_path() {
        let abc = Sha256Digest::of(b"abc");
        let text = format!(
            "Package: a\nFilename: pool/a.deb\nSize: 3\nSHA256: {abc}\nDescription: x\n Size: 7\n\nPackage: b\nFilename: ./b.deb\nSHA256: {abc}\nSize: 4"
        );
        let found = table("main/binary-amd64/Packages", &text).unwrap();
        assert_eq!(found.find("pool/a.deb"), Some(Listed { sha256: abc, size: 3 }));
        assert_eq!(found.find("b.deb"), Some(Listed { sha256: abc, size: 4 }));
        assert_eq!((found.find("pool/c.deb"), found.len()), (None, 2));
        let text = format!(
            "Package: a\nDirectory: pool/a\nFiles:\n 900150983cd24fb0d6963f7d28e17f72 3 a.dsc\nChecksums-Sha256:\n {abc} 3 a.dsc\n {abc} 3 a.tar.xz\nHomepage: h\n\n"
        );
        let found = table("main/source/Sources", &text).unwrap();
        assert_eq!(found.find("pool/a/a.tar.xz"), Some(Listed { sha256: abc, size: 3 }));
        assert_eq!(found.len(), 2);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "((Filename|Size|SHA256|Directory|Checksums-Sha256|x):?[ -~é]{0,12}\n? ?){0,8}", sources: bool) {
            let mut records = Vec::new();
            let _ = if sources { super::sources(text.as_bytes(), &mut records) } else { packages(text.as_bytes(), &mut records) };
        }
    }

    #[test]
    fn what_lacks_a_digest_is_not_there_and_nonsense_is_an_error() {
        assert_eq!(
            table("Packages", "Package: a\nFilename: a\nSize: 3\n\n").unwrap().len(),
            0
        );
        assert!(table("Packages", "Filename: a\nSize: x\nSHA256: y\n").is_err());
        assert!(table("Packages.xz", "no xz").is_err());
    }
}
