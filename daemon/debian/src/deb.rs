//! What a build left: the control data of a `.deb` (deb(5)) and the fields of a `.buildinfo`. Both come from a guest,
//! so every length is bounded before anything is kept.
//!
//! The ar container is read here rather than by a crate: a `.deb` allows three members in fixed order, and general ar
//! readers make room for a name table as large as the file claims.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use deb822_fast::Paragraph;

use crate::digest::Sha256Digest;
use crate::error::{Error, Place, Problem};
use crate::input::{Document, TextFile};
use crate::listed::{self, ListedFile};
use crate::name::{Architecture, PackageName, SourceName};
use crate::version::Version;

/// Bytes of a control member, packed or unpacked; maintainer scripts and lists of conffiles are in it.
const MOST_CONTROL_MEMBER: u64 = 64 * 1024 * 1024;
/// Bytes of the file `control` itself.
const MOST_CONTROL: u64 = 1024 * 1024;

/// A binary package's control data.
#[derive(Debug, Clone)]
pub struct BinaryPackage {
    /// `Package`.
    pub name: PackageName,
    /// `Version`.
    pub version: Version,
    /// `Architecture`.
    pub architecture: Architecture,
    /// `Source` without a version in parentheses; the package's own name where the field is missing.
    pub source: SourceName,
    /// All fields in their order, each value without control characters but line feed and tab.
    pub fields: Vec<(String, String)>,
    /// Bytes of the `.deb`.
    pub size: u64,
    /// SHA-256 of the `.deb`.
    pub sha256: Sha256Digest,
}

impl BinaryPackage {
    /// Reads a `.deb` (or `.udeb`, `.ddeb`).
    pub fn open(path: &Path) -> Result<Self, Error> {
        let at = |problem| Error::new(Place::file(path), problem);
        let unreadable = |error| at(Problem::Unreadable(error));
        if !std::fs::symlink_metadata(path).map_err(unreadable)?.is_file() {
            return Err(at(Problem::NotAFile {
                name: path.display().to_string(),
            }));
        }
        let (sha256, size) = Sha256Digest::of_file(path).map_err(unreadable)?;
        let text = control_text(path)
            .map_err(|reason| at(Problem::Malformed(format!("it is no Debian package: {reason}"))))?;
        let document = Document::parse(path, &text)?;
        let [stanza] = &document.stanzas[..] else {
            return Err(at(Problem::Malformed(
                "its control file has not exactly one stanza".to_owned(),
            )));
        };
        let name: PackageName = document.parsed(0, "Package")?;
        let source = document
            .field(0, "Source")
            .and_then(|s| s.split_ascii_whitespace().next())
            .unwrap_or(name.as_str());
        Ok(Self {
            source: source.parse().map_err(|error: crate::NameError| {
                document.error(0, "Source", Problem::Malformed(error.to_string()))
            })?,
            version: document.parsed(0, "Version")?,
            architecture: document.parsed(0, "Architecture")?,
            name,
            fields: clean_fields(stanza).map_err(|name| {
                document.error(0, &name, Problem::Malformed("it is no field name or value".to_owned()))
            })?,
            size,
            sha256,
        })
    }

    /// A field's value.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The name that dpkg gives such a file: `NAME_VERSION_ARCHITECTURE.deb`, the version without epoch.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!(
            "{}_{}_{}.deb",
            self.name,
            self.version.without_epoch(),
            self.architecture
        )
    }
}

fn clean_fields(stanza: &Paragraph) -> Result<Vec<(String, String)>, String> {
    let mut fields = Vec::new();
    for (name, value) in stanza.iter() {
        let good_name = name.bytes().all(|b| b.is_ascii_graphic()) && !name.starts_with(['-', '#']);
        let good_value = value.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t'));
        if !good_name || !good_value {
            return Err(name.to_owned());
        }
        fields.push((name.to_owned(), value.to_owned()));
    }
    Ok(fields)
}

fn control_text(path: &Path) -> Result<String, String> {
    let mut file = BufReader::new(File::open(path).map_err(|error| error.to_string())?);
    let mut magic = [0_u8; 8];
    file.read_exact(&mut magic).map_err(|_| "it is too short")?;
    if &magic != b"!<arch>\n" {
        return Err("it is no ar archive".to_owned());
    }
    let (name, size) = member(&mut file)?;
    if name != "debian-binary" || size > 16 {
        return Err("its first member is not debian-binary".to_owned());
    }
    let mut version = Vec::new();
    (&mut file)
        .take(size + size % 2)
        .read_to_end(&mut version)
        .map_err(|error| error.to_string())?;
    if !version.starts_with(b"2.") {
        return Err("its format is not 2.x".to_owned());
    }
    let (name, size) = member(&mut file)?;
    if size > MOST_CONTROL_MEMBER {
        return Err(format!("its control member has more than {MOST_CONTROL_MEMBER} bytes"));
    }
    let packed = (&mut file).take(size);
    let unpacked: Box<dyn Read> = match name.as_str() {
        "control.tar" => Box::new(packed),
        "control.tar.gz" => Box::new(flate2::read::GzDecoder::new(packed)),
        "control.tar.xz" => Box::new(liblzma::read::XzDecoder::new_stream(packed, xz_stream()?)),
        "control.tar.zst" => Box::new(zstd_reader(packed)?),
        other => {
            return Err(format!(
                "its second member is {:?}, not control.tar.{{gz,xz,zst}}",
                other
            ));
        }
    };
    let mut archive = tar::Archive::new(unpacked.take(MOST_CONTROL_MEMBER));
    for entry in archive.entries().map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let is_control = matches!(entry.path_bytes().as_ref(), b"./control" | b"control");
        if !is_control || !entry.header().entry_type().is_file() {
            continue;
        }
        if entry.size() > MOST_CONTROL {
            return Err(format!("its control file has more than {MOST_CONTROL} bytes"));
        }
        let mut text = String::new();
        entry
            .take(MOST_CONTROL)
            .read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
        return Ok(text);
    }
    Err("its control member has no control file".to_owned())
}

/// Name and size of the next ar member: a header of 60 bytes.
fn member(file: &mut impl Read) -> Result<(String, u64), String> {
    let mut header = [0_u8; 60];
    file.read_exact(&mut header)
        .map_err(|_| "it ends before its control data")?;
    if &header[58..] != b"`\n" {
        return Err("an ar member's header is damaged".to_owned());
    }
    let text = |range: std::ops::Range<usize>| {
        std::str::from_utf8(&header[range])
            .map(str::trim)
            .map_err(|_| "an ar member's header is damaged")
    };
    let name = text(0..16)?.trim_end_matches('/').to_owned();
    let size = text(48..58)?.parse().map_err(|_| "an ar member's size is no number")?;
    Ok((name, size))
}

fn xz_stream() -> Result<liblzma::stream::Stream, String> {
    // A dictionary larger than what `xz -9` makes is an attack on memory.
    liblzma::stream::Stream::new_stream_decoder(128 * 1024 * 1024, 0).map_err(|error| error.to_string())
}

fn zstd_reader<'a>(packed: impl Read + 'a) -> Result<impl Read + 'a, String> {
    let mut decoder = zstd::Decoder::new(packed).map_err(|error| error.to_string())?;
    decoder.window_log_max(27).map_err(|error| error.to_string())?;
    Ok(decoder)
}

/// What a `.buildinfo` (deb-buildinfo(5)) says of a build.
#[derive(Debug, Clone)]
pub struct BuildInfo {
    /// `Source`.
    pub source: SourceName,
    /// `Version`.
    pub version: Version,
    /// The files that the build made.
    pub files: Vec<ListedFile>,
}

impl BuildInfo {
    /// Reads an unsigned or signed `.buildinfo`; its signature is not judged.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = TextFile::read(path)?;
        let opened = crate::Keyring::default().open(&file, crate::SignaturePolicy::Ignore)?;
        let signed = TextFile {
            path: file.path,
            bytes: opened.content,
        };
        let document = Document::parse(path, signed.text()?)?;
        let source = document
            .required(0, "Source")?
            .split_ascii_whitespace()
            .next()
            .unwrap_or_default();
        Ok(Self {
            source: source.parse().map_err(|error: crate::NameError| {
                document.error(0, "Source", Problem::Malformed(error.to_string()))
            })?,
            version: document.parsed(0, "Version")?,
            files: listed::parse_strong(&document)?,
        })
    }
}
