//! Files that a `.dsc` or `.changes` lists: the lists parsed against one another, and the files on disk verified by
//! name, kind, size and SHA-256. Knows nothing of what the files mean.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::digest::Sha256Digest;
use crate::error::{Error, Place, Problem};
use crate::input::Document;

/// No real upload comes near it; the kernel's lists five.
const MOST_FILES: usize = 256;

/// A file as listed in `Checksums-Sha256`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// A plain name: no path, not hidden.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: Sha256Digest,
}

impl ListedFile {
    /// Checks the file of this name in `folder` against size and digest, and returns its path.
    /// `listing` is the file that lists it, for messages.
    pub fn verify(&self, listing: &Path, folder: &Path) -> Result<PathBuf, Error> {
        let path = folder.join(&self.name);
        let at = |problem| {
            Error::new(
                Place {
                    file: listing.to_owned(),
                    line: None,
                    field: Some("Checksums-Sha256".to_owned()),
                },
                problem,
            )
        };
        let name = || self.name.clone();
        let metadata = match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(at(Problem::MissingFile { name: name() }));
            }
            Err(error) => return Err(Error::new(Place::file(&path), Problem::Unreadable(error))),
            Ok(metadata) => metadata,
        };
        if !metadata.is_file() {
            return Err(at(Problem::NotAFile { name: name() }));
        }
        if metadata.len() != self.size {
            return Err(at(Problem::WrongSize {
                name: name(),
                expected: self.size,
                found: metadata.len(),
            }));
        }
        let unreadable = |error| Error::new(Place::file(&path), Problem::Unreadable(error));
        let (found, size) = Sha256Digest::of_reader(File::open(&path).map_err(unreadable)?).map_err(unreadable)?;
        if size != self.size {
            return Err(at(Problem::WrongSize {
                name: name(),
                expected: self.size,
                found: size,
            }));
        }
        if found != self.sha256 {
            return Err(at(Problem::WrongDigest {
                name: name(),
                expected: self.sha256,
                found,
            }));
        }
        Ok(path)
    }
}

/// Whether `name` is a plain file name that leads nowhere else, as dpkg writes them.
pub(crate) fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-' | b'~' | b'%' | b':' | b'@' | b'=')
        })
}

/// The files of `Checksums-Sha256`, in order, which must be the files of `Files`.
pub(crate) fn parse(document: &Document<'_>) -> Result<Vec<ListedFile>, Error> {
    // Names are judged first: a path in a name is the graver fault, whatever else is missing.
    let plain = names_and_sizes(document, "Files")?;
    let files = parse_strong(document)?;
    let strong: BTreeMap<String, u64> = files.iter().map(|file| (file.name.clone(), file.size)).collect();
    let odd = plain
        .iter()
        .find(|&(name, size)| strong.get(name) != Some(size))
        .or_else(|| strong.iter().find(|&(name, size)| plain.get(name) != Some(size)));
    match odd {
        Some((name, _)) => Err(document.error(0, "Files", Problem::ListsDisagree { name: name.clone() })),
        None => Ok(files),
    }
}

/// The files of `Checksums-Sha256`, in order.
pub(crate) fn parse_strong(document: &Document<'_>) -> Result<Vec<ListedFile>, Error> {
    const SHA256: &str = "Checksums-Sha256";
    let Some(list) = document.field(0, SHA256) else {
        return Err(document.error(0, SHA256, Problem::NoSha256));
    };
    let mut files: Vec<ListedFile> = Vec::new();
    for line in entry_lines(list) {
        let (digest, size, name) = entry(document, SHA256, line)?;
        let sha256 = digest.parse().map_err(|error: crate::DigestParseError| {
            document.error(0, SHA256, Problem::Malformed(error.to_string()))
        })?;
        if files.iter().any(|file| file.name == name) {
            return Err(document.error(0, SHA256, Problem::ListsDisagree { name: name.to_owned() }));
        }
        files.push(ListedFile {
            name: name.to_owned(),
            size,
            sha256,
        });
        if files.len() > MOST_FILES {
            return Err(document.error(0, SHA256, Problem::TooMany { limit: MOST_FILES }));
        }
    }
    if files.is_empty() {
        return Err(document.error(0, SHA256, Problem::NoSha256));
    }
    Ok(files)
}

fn names_and_sizes(document: &Document<'_>, field: &'static str) -> Result<BTreeMap<String, u64>, Error> {
    let list = document
        .field(0, field)
        .ok_or_else(|| document.error(0, field, Problem::MissingField))?;
    let mut found = BTreeMap::new();
    for line in entry_lines(list) {
        let (_, size, name) = entry(document, field, line)?;
        if found.insert(name.to_owned(), size).is_some() {
            return Err(document.error(0, field, Problem::ListsDisagree { name: name.to_owned() }));
        }
        if found.len() > MOST_FILES {
            return Err(document.error(0, field, Problem::TooMany { limit: MOST_FILES }));
        }
    }
    Ok(found)
}

fn entry_lines(list: &str) -> impl Iterator<Item = &str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// Digest, size and name: the name is last, after section and priority in the `Files` of a `.changes`.
fn entry<'a>(document: &Document<'_>, field: &str, line: &'a str) -> Result<(&'a str, u64, &'a str), Error> {
    let malformed = || {
        document.error(
            0,
            field,
            Problem::Malformed(format!("{line:?} is no digest, size and file name")),
        )
    };
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (digest, size, name) = match words[..] {
        [digest, size, name] if field != "Files" => (digest, size, name),
        [digest, size, name] | [digest, size, _, _, name] => (digest, size, name),
        _ => return Err(malformed()),
    };
    if !is_plain_name(name) {
        return Err(document.error(0, field, Problem::PathInFileName { name: name.to_owned() }));
    }
    Ok((digest, size.parse().map_err(|_| malformed())?, name))
}
