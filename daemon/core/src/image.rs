//! Images as tickets know them: names and what they were made from, never their bytes.

use std::fmt;
use std::path::PathBuf;

use crate::ids::{ImageId, Moment, Series};

/// What an image was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageKind {
    /// A series' pristine image, which tests start from.
    Base,
    /// The base image with a compiler and the packaging tools, which builds start from.
    BaseBuild,
    /// A ticket's image.
    Ticket,
}

/// An image in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRecord {
    /// Its name.
    pub id: ImageId,
    /// The series.
    pub series: Series,
    /// What it was made from.
    pub kind: ImageKind,
    /// The image that its disk is an overlay of, if any; it must not be removed before this one.
    pub parent: Option<ImageId>,
    /// Bytes that it takes on disk, sparse blocks not counted.
    pub size: u64,
    /// When it was made.
    pub created_at: Moment,
    /// The disk's file.
    pub path: PathBuf,
}

/// The longest name of an image, in characters.
const LONGEST: usize = 64;

/// What its owner calls an image: lower-case letters, digits, `.`, `_`, `+` and `-`, a letter first. It is a file's name, too,
/// and never a ticket's number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName(String);

/// A text that cannot name an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot name an image: a name is lower-case letters, digits, `.`, `_`, `+` and `-`, a letter first, and at most {LONGEST} characters"
)]
pub struct ImageNameError(String);

impl ImageName {
    /// A name.
    ///
    /// # Errors
    /// Where the text cannot be one.
    pub fn new(text: &str) -> Result<Self, ImageNameError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '+' | '-');
        let good =
            text.len() <= LONGEST && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(plain);
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(ImageNameError(text.chars().take(LONGEST + 1).collect()))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An image that is made for itself, of no source: the packages and sources are the ticket's options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRebuild {
    /// The image that gains them; the series' newest base image for tests where it is missing.
    pub base: Option<ImageId>,
    /// What the new one is called.
    pub name: ImageName,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_files_and_no_numbers() {
        for good in ["a", "debian-bookworm+git", "my_image.2"] {
            assert_eq!(ImageName::new(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(LONGEST + 1);
        for bad in ["", "12", "1a", ".a", "-a", "A", "a/b", "a b", "\u{e4}", &long] {
            assert!(ImageName::new(bad).is_err(), "{bad:?}");
        }
    }
}
