//! `_source.changes` (deb-changes(5)): one source upload, its files and the `.dsc` among them.

use std::path::{Path, PathBuf};

use crate::dsc::SourcePackage;
use crate::error::{Error, Place, Problem};
use crate::input::{Document, TextFile};
use crate::listed::{self, ListedFile};
use crate::name::SourceName;
use crate::signature::{Keyring, SignaturePolicy, SignatureState};
use crate::version::Version;

/// What a `_source.changes` says.
#[derive(Debug, Clone)]
pub struct SourceChanges {
    /// `Source`.
    pub source: SourceName,
    /// `Version`.
    pub version: Version,
    /// `Distribution`: the suite that the upload is for, as written.
    pub distribution: String,
    /// `Changes`, for display.
    pub changes: String,
    /// All files.
    pub files: Vec<ListedFile>,
    /// The name of the `.dsc` among the files.
    pub dsc: String,
}

impl SourceChanges {
    /// Parses the signed text of a `.changes`; `path` is for messages.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let document = Document::parse(path, text)?;
        if document.stanzas.len() != 1 {
            let problem = Problem::Malformed(format!("it has {} stanzas, a .changes has one", document.stanzas.len()));
            return Err(Error::new(Place::file(path), problem));
        }
        let format = document.required(0, "Format")?;
        if !format.starts_with("1.") {
            return Err(document.error(
                0,
                "Format",
                Problem::UnknownFormat {
                    format: format.to_owned(),
                },
            ));
        }
        let architecture = document.required(0, "Architecture")?;
        if architecture != "source" {
            let problem = Problem::NotSourceOnly {
                architecture: architecture.to_owned(),
            };
            return Err(document.error(0, "Architecture", problem));
        }
        let files = listed::parse(&document)?;
        let mut dscs = files.iter().filter(|file| file.name.ends_with(".dsc"));
        let dsc = match (dscs.next(), dscs.next()) {
            (Some(dsc), None) => dsc.name.clone(),
            (None, _) => return Err(document.error(0, "Files", Problem::NoDsc)),
            (Some(_), Some(_)) => {
                return Err(document.error(0, "Files", Problem::Malformed("it lists more than one .dsc".to_owned())));
            }
        };
        Ok(Self {
            source: document.parsed(0, "Source")?,
            version: document.parsed(0, "Version")?,
            distribution: document.required(0, "Distribution")?.to_owned(),
            changes: document.field(0, "Changes").unwrap_or_default().trim().to_owned(),
            files,
            dsc,
        })
    }
}

/// A source upload on disk: every file that `.changes` and `.dsc` list is there and as listed.
#[derive(Debug, Clone)]
pub struct SourceUpload {
    /// What the `.changes` says.
    pub changes: SourceChanges,
    /// The `.changes`.
    pub path: PathBuf,
    /// The signature of the `.changes`.
    pub signature: SignatureState,
    /// Its source package.
    pub package: SourcePackage,
}

impl SourceUpload {
    /// Reads a `_source.changes`, judges its signature and its `.dsc`'s by `policy`, and verifies every file.
    pub fn open(path: &Path, keyring: &Keyring, policy: SignaturePolicy) -> Result<Self, Error> {
        let file = TextFile::read(path)?;
        let verified = keyring.open(&file, policy)?;
        let signed = TextFile {
            path: file.path,
            bytes: verified.content,
        };
        let changes = SourceChanges::parse(path, signed.text()?)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for listed in &changes.files {
            listed.verify(path, folder)?;
        }
        let package = SourcePackage::open(&folder.join(&changes.dsc), keyring, policy)?;
        let contradiction = |field: &str, ours: &str, theirs: &str| {
            let place = Place {
                file: path.to_owned(),
                line: None,
                field: Some(field.to_owned()),
            };
            let problem = Problem::Contradiction {
                left: "the .changes".to_owned(),
                left_value: ours.to_owned(),
                right: changes.dsc.clone(),
                right_value: theirs.to_owned(),
            };
            Err(Error::new(place, problem))
        };
        if changes.source != package.dsc.source {
            return contradiction("Source", changes.source.as_str(), package.dsc.source.as_str());
        }
        if changes.version != package.dsc.version {
            return contradiction("Version", changes.version.as_str(), package.dsc.version.as_str());
        }
        Ok(Self {
            changes,
            path: path.to_owned(),
            signature: verified.state,
            package,
        })
    }
}
