//! Archives and compressed files, unpacked without believing them: what comes out is counted while it comes, a decoder's
//! memory is bounded, and no name or size in a header is taken for granted. Knows nothing of what is in the files.

use std::io::{self, Cursor, Read};

use liblzma::stream::{CONCATENATED, Stream};
use tar::{Archive, EntryType};

use crate::error::ResultsError;
use crate::limits::{LONGEST_PATH, MOST_BYTES, XZ_MEMORY};
use crate::name::EntryName;

/// As much of a file's beginning as tells what it is.
const HEAD: usize = 8 * 1024;
/// The largest extended header of an entry, in bytes.
const LARGEST_HEADER: u64 = 64 * 1024;
/// Headers and padding beside the files' bytes.
const OVERHEAD: u64 = 64 << 20;
/// Compressed within compressed.
const MOST_LAYERS: usize = 2;

/// A file without its compression.
pub(crate) struct Peeled<'a> {
    /// Its first bytes; they come again from `content`.
    pub(crate) head: Vec<u8>,
    /// All of it.
    pub(crate) content: Box<dyn Read + 'a>,
}

impl Peeled<'_> {
    /// Whether it is a tar archive.
    pub(crate) fn is_tar(&self) -> bool {
        self.head.get(257..262) == Some(b"ustar")
    }
}

/// Ends with an error, not silently, where more comes than may.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it unpacks to more than {} MiB", (MOST_BYTES + OVERHEAD) >> 20),
            )),
        }
    }
}

/// Takes off gzip and xz, as far as they are there.
pub(crate) fn peel<'a>(file: impl Read + 'a) -> io::Result<Peeled<'a>> {
    let mut peeled = look(Box::new(file))?;
    for _ in 0..MOST_LAYERS {
        let unpacked: Box<dyn Read + 'a> = if peeled.head.starts_with(&[0x1f, 0x8b]) {
            Box::new(flate2::read::MultiGzDecoder::new(peeled.content))
        } else if peeled.head.starts_with(b"\xfd7zXZ\0") {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED).map_err(io::Error::other)?;
            Box::new(liblzma::read::XzDecoder::new_stream(peeled.content, stream))
        } else {
            break;
        };
        peeled = look(Box::new(Limited {
            inner: unpacked,
            left: MOST_BYTES + OVERHEAD,
        }))?;
    }
    Ok(peeled)
}

fn look<'a>(mut content: Box<dyn Read + 'a>) -> io::Result<Peeled<'a>> {
    let mut head = Vec::new();
    content.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    Ok(Peeled {
        content: Box::new(Cursor::new(head.clone()).chain(content)),
        head,
    })
}

/// What [`entries`] found.
pub(crate) enum Found<'a> {
    /// A regular file.
    File(EntryName, &'a mut dyn Read),
    /// Something that is not taken, in words.
    LeftOut(String),
}

/// Hands every regular file of a tar archive to `take`.
pub(crate) fn entries(
    content: impl Read,
    mut take: impl FnMut(Found<'_>) -> Result<(), ResultsError>,
) -> Result<(), ResultsError> {
    let damaged = |error: io::Error| ResultsError::damaged("tar archive", error.to_string());
    let mut archive = Archive::new(content);
    // As they stand: the library would gather a long name of any length.
    let entries = archive.entries().map_err(damaged)?.raw(true);
    let mut long_name: Option<Vec<u8>> = None;
    for entry in entries {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => long_name = Some(header(&mut entry, LONGEST_PATH as u64 + 1).map_err(damaged)?),
            EntryType::XHeader => {
                let records = header(&mut entry, LARGEST_HEADER).map_err(damaged)?;
                long_name = path_of(&records).or(long_name);
            }
            EntryType::Regular | EntryType::Continuous => {
                let raw = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                match EntryName::new(&raw) {
                    Some(name) => take(Found::File(name, &mut entry))?,
                    None => take(Found::LeftOut(format!("{}: no name for a file", shown(&raw))))?,
                }
            }
            EntryType::Directory | EntryType::XGlobalHeader => long_name = None,
            _ => {
                let raw = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                take(Found::LeftOut(format!("{}: no regular file", shown(&raw))))?;
            }
        }
    }
    Ok(())
}

fn header(entry: &mut impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!(
            "an extended header of more than {most} bytes"
        )));
    }
    // GNU ends a long name with NUL.
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

/// The `path` of POSIX extended header records: `LENGTH KEY=VALUE\n`.
fn path_of(records: &[u8]) -> Option<Vec<u8>> {
    let mut rest = records;
    let mut found = None;
    while !rest.is_empty() {
        let space = rest.iter().take(12).position(|&byte| byte == b' ')?;
        let length: usize = str::from_utf8(&rest[..space]).ok()?.parse().ok()?;
        let record = rest.get(space + 1..length)?;
        if let Some(path) = record.strip_prefix(b"path=") {
            found = Some(path.strip_suffix(b"\n").unwrap_or(path).to_vec());
        }
        rest = &rest[length..];
    }
    found
}

/// A name as a line may show it.
pub(crate) fn shown(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    text.chars().take(100).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn listed(bytes: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        let peeled = peel(bytes).unwrap();
        assert!(peeled.is_tar());
        entries(peeled.content, |found| {
            names.push(match found {
                Found::File(name, content) => {
                    let mut text = String::new();
                    content.read_to_string(&mut text).unwrap();
                    format!("{name}: {text}")
                }
                Found::LeftOut(why) => format!("- {why}"),
            });
            Ok(())
        })
        .unwrap();
        names
    }

    fn archive() -> tar::Builder<Vec<u8>> {
        let mut builder = tar::Builder::new(Vec::new());
        let long = format!("artifacts/{}/name", "long".repeat(40));
        for (name, content) in [("./exitcode", "0\n"), (long.as_str(), "x")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "link", "/etc/passwd").unwrap();
        builder
    }

    #[test]
    fn files_come_and_links_stay() {
        let tar = archive().into_inner().unwrap();
        let long = format!("artifacts/{}/name: x", "long".repeat(40));
        let expected = ["exitcode: 0\n", &long, "- link: no regular file"];
        assert_eq!(listed(&tar), expected);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(&tar).unwrap();
        assert_eq!(listed(&gz.finish().unwrap()), expected);
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(&tar).unwrap();
        assert_eq!(listed(&xz.finish().unwrap()), expected);
    }

    #[test]
    fn a_path_of_an_extended_header() {
        for (records, expected) in [
            (&b"12 path=abc\n"[..], Some(&b"abc"[..])),
            (b"20 mtime=1234567.89\n12 path=abc\n", Some(b"abc")),
            (b"20 mtime=1234567.89\n", None),
            (b"99 path=abc\n", None),
            (b"0 path=abc\n", None),
            (b"-1 path=abc\n", None),
            (b"path", None),
        ] {
            assert_eq!(path_of(records).as_deref(), expected, "{records:?}");
        }
    }

    #[test]
    fn a_name_without_an_end_is_refused() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::GNULongName);
        header.set_size(1 << 20);
        header.set_cksum();
        builder.append(&header, io::repeat(b'a').take(1 << 20)).unwrap();
        let tar = builder.into_inner().unwrap();
        let error = entries(&tar[..], |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("extended header"), "{error}");
    }

    #[test]
    fn a_bomb_is_given_up() {
        let mut limited = Limited {
            inner: io::repeat(0),
            left: 1000,
        };
        let error = io::copy(&mut limited, &mut io::sink()).unwrap_err();
        assert!(error.to_string().contains("MiB"), "{error}");
    }
}
