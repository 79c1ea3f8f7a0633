//! The text of an index (`Packages` or `Sources`), unpacked as it is read, line by line and bounded, so that an index of
//! any size needs no memory of its own. What the lines mean is the readers' matter.

use std::fs::File;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};
use std::path::Path;

/// Unpacked bytes of an index; Debian's largest has about 50 MiB.
const MOST_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Longer lines are descriptions or relations and are not kept.
const LONGEST_LINE: u64 = 1024 * 1024;

/// What an index lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IndexKind {
    Packages,
    Sources,
}

/// An index that is being read.
pub(crate) struct IndexText {
    pub(crate) kind: IndexKind,
    pub(crate) text: Box<dyn BufRead>,
}

impl IndexText {
    /// Opens the index in the file `object`; `path` tells its kind and compression.
    pub(crate) fn open(object: &Path, path: &str) -> Result<Self> {
        let file = BufReader::with_capacity(64 * 1024, File::open(object)?);
        let (stem, reader): (&str, Box<dyn Read>) = if let Some(stem) = path.strip_suffix(".xz") {
            (stem, Box::new(liblzma::read::XzDecoder::new_multi_decoder(file)))
        } else if let Some(stem) = path.strip_suffix(".gz") {
            (stem, Box::new(flate2::bufread::MultiGzDecoder::new(file)))
        } else {
            (path, Box::new(file))
        };
        let kind = if stem.ends_with("Sources") {
            IndexKind::Sources
        } else {
            IndexKind::Packages
        };
        let text = Box::new(BufReader::with_capacity(256 * 1024, reader.take(MOST_BYTES)));
        Ok(Self { kind, text })
    }
}

pub(crate) fn bad(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what.to_owned())
}

/// Calls `line` for each line and once more with an empty one at the end.
pub(crate) fn each_line(mut reader: impl BufRead, mut line: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let read = (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut buffer)?;
        if buffer.last() == Some(&b'\n') {
            buffer.pop();
        } else if read as u64 == LONGEST_LINE {
            return Err(bad("a line of the index is too long"));
        }
        line(&buffer)?;
        if read == 0 {
            return Ok(());
        }
    }
}

/// The value of a field that starts on this line.
pub(crate) fn value<'a>(line: &'a [u8], field: &str) -> Option<&'a str> {
    let (name, rest) = line.split_at_checked(field.len())?;
    let rest = if name.eq_ignore_ascii_case(field.as_bytes()) {
        rest.strip_prefix(b":")?
    } else {
        return None;
    };
    std::str::from_utf8(rest).ok().map(str::trim)
}
