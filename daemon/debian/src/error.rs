//! What can be wrong with a source package: a closed list of kinds, each with the place where it was seen and a hint
//! of what to do. Knows nothing of how the kinds are shown.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::digest::Sha256Digest;

/// Where something is wrong: a file and, as far as known, its line (from 1) and field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The file that was read.
    pub file: PathBuf,
    /// The line in the signed text, counted from 1.
    pub line: Option<usize>,
    /// The field's name as written in the format's specification.
    pub field: Option<String>,
}

impl Place {
    /// The file as a whole.
    #[must_use]
    pub fn file(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            field: None,
        }
    }

    /// A line of the file.
    #[must_use]
    pub fn line(file: &Path, line: usize) -> Self {
        Self {
            file: file.to_owned(),
            line: Some(line),
            field: None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Debug's escapes make control characters in a hostile file name harmless.
        write!(f, "{}", self.file.display().to_string().escape_debug())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(field) = &self.field {
            write!(f, ", field {field}")?;
        }
        Ok(())
    }
}

/// A fault of the input with its place; shown as `place: what is wrong`, [`Error::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Error {
    /// Where.
    pub place: Box<Place>,
    /// What.
    #[source]
    pub problem: Box<Problem>,
}

/// The kinds of fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file can't be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] std::io::Error),
    /// A file that another one lists is not there.
    #[error("the listed file {name} is not there")]
    MissingFile {
        /// The listed name.
        name: String,
    },
    /// A listed file, or something in the way to it, is not a regular file.
    #[error("{name} is not a regular file")]
    NotAFile {
        /// The listed name.
        name: String,
    },
    /// A listed file has another content.
    #[error("{name} has another SHA-256 than listed: expected {expected}, found {found}")]
    WrongDigest {
        /// The listed name.
        name: String,
        /// As listed.
        expected: Sha256Digest,
        /// As computed.
        found: Sha256Digest,
    },
    /// A listed file has another size.
    #[error("{name} has another size than listed: expected {expected} bytes, found {found}")]
    WrongSize {
        /// The listed name.
        name: String,
        /// Bytes, as listed.
        expected: u64,
        /// Bytes, as found.
        found: u64,
    },
    /// A listed file name is not a plain name.
    #[error("the file name {name:?} holds a path or is hidden; only a plain name beside this file is accepted")]
    PathInFileName {
        /// The listed name.
        name: String,
    },
    /// No SHA-256 for the files.
    #[error("it lists no SHA-256 digests")]
    NoSha256,
    /// The lists of files in one document disagree.
    #[error("the lists Files and Checksums-Sha256 disagree about {name}")]
    ListsDisagree {
        /// The name that one list has alone, or twice, or with another size.
        name: String,
    },
    /// A folder without `debian/`.
    #[error("it has no folder debian/, so it is no Debian source package")]
    NoDebianFolder,
    /// A file that every source package has is missing.
    #[error("{name} is missing")]
    NoSuchPart {
        /// The path below the folder.
        name: &'static str,
    },
    /// The upstream tarball of a non-native package is not beside its folder.
    #[error("the upstream tarball {wanted} is not beside the folder")]
    NoOrigTarball {
        /// The file name with a placeholder for the compression.
        wanted: String,
    },
    /// Several tarballs could be the upstream tarball.
    #[error("more than one upstream tarball is beside the folder: {}", .found.join(", "))]
    SeveralOrigTarballs {
        /// Their names.
        found: Vec<String>,
    },
    /// The signature does not fit the text.
    #[error("the signature is bad: {reason}")]
    BadSignature {
        /// What the check said.
        reason: String,
    },
    /// A signature is wanted and there is none.
    #[error("it is not signed, and the policy requires a signature")]
    Unsigned,
    /// Signed by keys that no keyring has.
    #[error("it is signed by {}, which no keyring has", .key_ids.join(", "))]
    UnknownSigner {
        /// Key ids or fingerprints, hexadecimal.
        key_ids: Vec<String>,
    },
    /// The source format is not supported.
    #[error("the format {format:?} is not supported")]
    UnknownFormat {
        /// The format as written.
        format: String,
    },
    /// A field is missing.
    #[error("the field is missing")]
    MissingField,
    /// A field or line is not what its format wants.
    #[error("{0}")]
    Malformed(String),
    /// More than the bound.
    #[error("it is larger than the accepted {limit} bytes")]
    TooLarge {
        /// Bytes.
        limit: u64,
    },
    /// More entries than the bound.
    #[error("it has more than the accepted {limit} entries")]
    TooMany {
        /// Entries.
        limit: usize,
    },
    /// The text is not UTF-8.
    #[error("it is not UTF-8 text")]
    NotUtf8,
    /// A `.changes` that is not a pure source upload.
    #[error("it is no source upload: Architecture says {architecture:?}, only \"source\" is accepted")]
    NotSourceOnly {
        /// The field's value.
        architecture: String,
    },
    /// A `.changes` without a `.dsc`.
    #[error("it lists no .dsc")]
    NoDsc,
    /// Two files that belong together say different things.
    #[error("{left} says {left_value:?} but {right} says {right_value:?}")]
    Contradiction {
        /// The first file or field.
        left: String,
        /// Its value.
        left_value: String,
        /// The second file or field.
        right: String,
        /// Its value.
        right_value: String,
    },
    /// Every changelog entry is UNRELEASED.
    #[error("every entry of the changelog is UNRELEASED")]
    NoReleasedEntry,
}

impl Error {
    pub(crate) fn new(place: Place, problem: Problem) -> Self {
        Self {
            place: Box::new(place),
            problem: Box::new(problem),
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match &*self.problem {
            Problem::MissingFile { .. } => "put the listed file beside it, or build the source package again",
            Problem::WrongDigest { .. } | Problem::WrongSize { .. } => {
                "the file was changed after it was listed: fetch it again, or build the source package again"
            }
            Problem::PathInFileName { .. } => "do not use this file: dpkg never writes such a name",
            Problem::NoSha256 => "build the source package again with a current dpkg",
            Problem::NoDebianFolder => "name the folder that holds debian/, a .dsc, or a _source.changes",
            Problem::NoOrigTarball { .. } => {
                "put it beside the folder (origtargz, or git archive), or use the format 3.0 (native)"
            }
            Problem::SeveralOrigTarballs { .. } => "leave only one of them",
            Problem::BadSignature { .. } => "sign it again with debsign, or check where it comes from",
            Problem::Unsigned => "sign it with debsign, or set the signature policy to warn or ignore",
            Problem::UnknownSigner { .. } => "add a keyring that holds the signer's key to the configuration",
            Problem::UnknownFormat { .. } => "use 1.0, 3.0 (native) or 3.0 (quilt)",
            Problem::NotSourceOnly { .. } => "build the upload with dpkg-buildpackage -S",
            Problem::NoReleasedEntry => "name the series with --series",
            Problem::NoDsc => "build the upload again with dpkg-buildpackage -S",
            _ => return None,
        })
    }
}
