//! The `.dsc` (deb-src-control(5), dsc(5)): parsed from signed text, and with its files verified a [`SourcePackage`].

use std::path::{Path, PathBuf};

use crate::control::relation_fields;
use crate::digest::Sha256Digest;
use crate::error::{Error, Place, Problem};
use crate::folder::SourceFormat;
use crate::input::{Document, TextFile};
use crate::listed::{self, ListedFile};
use crate::name::{PackageName, SourceName};
use crate::relation::Dependency;
use crate::signature::{Keyring, SignaturePolicy, SignatureState};
use crate::version::Version;

/// The fields that decide what is installed for a build (deb-src-control(5)).
const BUILD_RELATIONS: [&str; 6] = [
    "Build-Depends",
    "Build-Depends-Arch",
    "Build-Depends-Indep",
    "Build-Conflicts",
    "Build-Conflicts-Arch",
    "Build-Conflicts-Indep",
];

/// What a `.dsc` says.
#[derive(Debug, Clone)]
pub struct Dsc {
    /// `Source`.
    pub source: SourceName,
    /// `Version`.
    pub version: Version,
    /// `Format`.
    pub format: SourceFormat,
    /// `Binary`: the binary packages, which very long lists shorten.
    pub binaries: Vec<PackageName>,
    /// `Build-Depends`, `-Arch` and `-Indep` together.
    pub build_depends: Vec<Dependency>,
    /// All fields that decide what is installed for a build, those that are there, each as `Name: value` on one line.
    pub build_relations: Vec<String>,
    /// `Testsuite`, split at commas; empty without tests.
    pub testsuite: Vec<String>,
    /// The files.
    pub files: Vec<ListedFile>,
}

impl Dsc {
    /// Parses the signed text of a `.dsc`; `path` is for messages.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let document = Document::parse(path, text)?;
        if document.stanzas.len() != 1 {
            let problem = Problem::Malformed(format!("it has {} stanzas, a .dsc has one", document.stanzas.len()));
            return Err(Error::new(Place::file(path), problem));
        }
        let written = document.required(0, "Format")?;
        let format = SourceFormat::parse(written).ok_or_else(|| {
            document.error(
                0,
                "Format",
                Problem::UnknownFormat {
                    format: written.to_owned(),
                },
            )
        })?;
        let mut binaries = Vec::new();
        for name in document
            .field(0, "Binary")
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|n| !n.is_empty())
        {
            binaries.push(name.parse().map_err(|error: crate::NameError| {
                document.error(0, "Binary", Problem::Malformed(error.to_string()))
            })?);
        }
        let testsuite = document.field(0, "Testsuite").unwrap_or_default();
        Ok(Self {
            source: document.parsed(0, "Source")?,
            version: document.parsed(0, "Version")?,
            format,
            binaries,
            build_depends: relation_fields(&document, 0, &crate::control::BUILD_DEPENDS)?,
            build_relations: BUILD_RELATIONS
                .iter()
                .filter_map(|name| Some((name, document.field(0, name)?)))
                .map(|(name, value)| format!("{name}: {}", value.split_whitespace().collect::<Vec<_>>().join(" ")))
                .collect(),
            testsuite: testsuite
                .split(',')
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
                .collect(),
            files: listed::parse(&document)?,
        })
    }
}

/// A source package on disk whose files are all there and are what the `.dsc` lists.
#[derive(Debug, Clone)]
pub struct SourcePackage {
    /// What the `.dsc` says.
    pub dsc: Dsc,
    /// The `.dsc`.
    pub dsc_path: PathBuf,
    /// SHA-256 of the `.dsc` itself.
    pub dsc_sha256: Sha256Digest,
    /// The `.dsc`'s signature.
    pub signature: SignatureState,
    /// The verified files, in the order of `dsc.files`.
    pub files: Vec<PathBuf>,
}

impl SourcePackage {
    /// Reads a `.dsc`, judges its signature by `policy` and verifies every file that it lists, beside it.
    pub fn open(path: &Path, keyring: &Keyring, policy: SignaturePolicy) -> Result<Self, Error> {
        let file = TextFile::read(path)?;
        let verified = keyring.open(&file, policy)?;
        let signed = TextFile {
            path: file.path.clone(),
            bytes: verified.content,
        };
        let dsc = Dsc::parse(path, signed.text()?)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let files = dsc
            .files
            .iter()
            .map(|listed| listed.verify(path, folder))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            dsc,
            dsc_path: path.to_owned(),
            dsc_sha256: Sha256Digest::of(&file.bytes),
            signature: verified.state,
            files,
        })
    }
}
