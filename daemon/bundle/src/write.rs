//! Writes a bundle: the document, then every file that it lists, in its order. Who writes says first what will follow, so
//! that a reader knows it before anything comes.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use zstd::stream::write::Encoder;

use crate::check;
use crate::content::Content;
use crate::document::{CarriedFile, Document};
use crate::entry;
use crate::error::BundleError;

/// zstd's default: packages are compressed already, and logs gain little from more.
const LEVEL: i32 = 3;

/// A bundle that is being written. What was not finished is no bundle.
pub struct Writer<W: Write> {
    tar: tar::Builder<Encoder<'static, W>>,
    expected: VecDeque<CarriedFile>,
}

impl<W: Write> Writer<W> {
    /// Writes the document.
    ///
    /// # Errors
    /// It is none that could be read back, or it cannot be written.
    pub fn begin(output: W, document: &Document) -> Result<Self, BundleError> {
        check::check(document)?;
        let text = serde_json::to_vec_pretty(document).map_err(|error| BundleError::Incoherent(error.to_string()))?;
        let size = text.len() as u64;
        check::no_more("bytes of description", size, check::LARGEST_DOCUMENT)?;
        let mut encoder = Encoder::new(output, LEVEL).map_err(BundleError::Store)?;
        encoder.include_checksum(true).map_err(BundleError::Store)?;
        let mut tar = tar::Builder::new(encoder);
        tar.append(&entry::document(size), text.as_slice())
            .map_err(BundleError::Store)?;
        Ok(Self {
            tar,
            expected: document.files.iter().cloned().collect(),
        })
    }

    /// The file that is to follow now; none when all are there.
    #[must_use]
    pub fn next(&self) -> Option<&CarriedFile> {
        self.expected.front()
    }

    /// Writes the file that is to follow now.
    ///
    /// # Errors
    /// It is not what the document says, or cannot be written; the bundle cannot be finished then.
    pub fn append(&mut self, content: impl Read) -> Result<(), BundleError> {
        let Some(file) = self.expected.pop_front() else {
            return Err(BundleError::Incoherent("nothing more is to follow".to_owned()));
        };
        let mut content = Content::new(content, file.size);
        let written = self.tar.append(&entry::file(&file), &mut content);
        let changed = content.is_bad();
        match written {
            Err(error) if !changed => return Err(BundleError::Store(error)),
            _ => {}
        }
        match content.finish(file.sha256) {
            None => Ok(()),
            Some(_) => Err(BundleError::Changed {
                name: file.name.to_string(),
            }),
        }
    }

    /// Ends the bundle.
    ///
    /// # Errors
    /// Something that was to follow is missing, or its end cannot be written.
    pub fn finish(self) -> Result<W, BundleError> {
        if let Some(missing) = self.expected.front() {
            return Err(BundleError::Incoherent(format!("{} is missing", missing.name)));
        }
        let end = || -> io::Result<W> { self.tar.into_inner()?.finish() };
        end().map_err(BundleError::Store)
    }
}
