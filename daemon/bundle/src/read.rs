//! Reads a bundle. Whoever takes its files must keep them aside until [`read`] has answered: only then is the whole file
//! known to be good.

use std::io::{self, BufRead, Read};

use serde::Deserialize;
use tar::Header;
use zstd::stream::read::Decoder;

use crate::check;
use crate::content::Content;
use crate::document::{CarriedFile, Document, FORMAT};
use crate::entry;
use crate::error::BundleError;

/// The largest window that a reader keeps, as a power of two of bytes: 8 MiB, zstd's own for the levels up to 19.
const WINDOW: u32 = 23;
/// tar's padding at the end, in bytes: a record of tar's default size, twice.
const LONGEST_END: u64 = 2 * 10240;

/// Takes what is read.
pub trait Sink {
    /// The document, checked, before any file comes: the last chance to refuse it for what it will take.
    ///
    /// # Errors
    /// It is not wanted; nothing more is read then.
    fn begin(&mut self, document: &Document) -> io::Result<()>;

    /// A file of the document; all of its bytes are to be read.
    ///
    /// # Errors
    /// It cannot be kept; nothing more is read then.
    fn file(&mut self, file: &CarriedFile, content: &mut dyn Read) -> io::Result<()>;
}

/// What every format begins with.
#[derive(Deserialize)]
struct Preamble {
    format: u32,
    release: String,
}

/// Reads a bundle to its last byte.
///
/// # Errors
/// It is damaged, from a newer release or contradicts itself, or the sink's error; nothing that the sink has taken counts
/// then.
pub fn read(input: impl Read, sink: &mut dyn Sink) -> Result<Document, BundleError> {
    let mut decoder = Decoder::new(input).map_err(damaged)?;
    decoder.window_log_max(WINDOW).map_err(damaged)?;
    let mut archive = tar::Archive::new(decoder);
    let document = entries(&mut archive, sink)?;
    end(archive.into_inner())?;
    Ok(document)
}

fn entries<R: BufRead>(
    archive: &mut tar::Archive<Decoder<'static, R>>,
    sink: &mut dyn Sink,
) -> Result<Document, BundleError> {
    // Raw: extensions, with names and sizes of their own, are entries of a kind that is refused.
    let mut entries = archive.entries().map_err(damaged)?.raw(true);
    let mut next = move || match entries.next() {
        Some(entry) => entry.map(Some).map_err(damaged),
        None => Ok(None),
    };
    let mut first = next()?.ok_or_else(|| bad("it is empty"))?;
    let size = first.header().entry_size().map_err(damaged)?;
    if !entry::is_same(first.header(), &entry::document(size)) {
        return Err(bad("it does not begin with its description"));
    }
    check::no_more("bytes of description", size, check::LARGEST_DOCUMENT)?;
    let mut text = Vec::new();
    first.read_to_end(&mut text).map_err(damaged)?;
    if text.len() as u64 != size {
        return Err(bad("its description is cut off"));
    }
    let document = parse(&text)?;
    drop(text);
    sink.begin(&document).map_err(BundleError::Store)?;
    for file in &document.files {
        let mut entry = next()?.ok_or_else(|| bad(format!("{} is missing", file.name)))?;
        if !entry::is_same(entry.header(), &entry::file(file)) {
            return Err(bad(format!(
                "{} follows where {} should",
                shown(entry.header()),
                file.name
            )));
        }
        let mut content = Content::new(&mut entry, file.size);
        let taken = sink.file(file, &mut content);
        if let Err(error) = taken
            && !content.is_bad()
        {
            return Err(BundleError::Store(error));
        }
        if let Some(why) = content.finish(file.sha256) {
            return Err(bad(format!("{}: {why}", file.name)));
        }
    }
    match next()? {
        None => Ok(document),
        Some(more) => Err(bad(format!("{} follows, which is not announced", shown(more.header())))),
    }
}

/// The archive's end, and that of the compressed stream: only there is its checksum compared.
fn end(decoder: impl Read) -> Result<(), BundleError> {
    let mut rest = Vec::new();
    decoder.take(LONGEST_END + 1).read_to_end(&mut rest).map_err(damaged)?;
    if rest.len() as u64 > LONGEST_END || rest.iter().any(|&byte| byte != 0) {
        return Err(bad("something follows its end"));
    }
    Ok(())
}

fn parse(text: &[u8]) -> Result<Document, BundleError> {
    let preamble: Preamble = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
    if preamble.format > FORMAT {
        return Err(BundleError::TooNew {
            format: preamble.format,
            release: check::release(&preamble.release)?.to_owned(),
        });
    }
    if preamble.format == 0 {
        return Err(bad("there is no format 0"));
    }
    let document = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
    check::check(&document)?;
    Ok(document)
}

/// A foreign name in a message.
fn shown(header: &Header) -> String {
    let name = header.path_bytes();
    format!(
        "{:?}",
        String::from_utf8_lossy(&name).chars().take(120).collect::<String>()
    )
}

fn damaged(error: io::Error) -> BundleError {
    BundleError::Damaged(error.to_string())
}

fn bad(why: impl Into<String>) -> BundleError {
    BundleError::Damaged(why.into())
}
