//! What an image is called: a digest over recipe, variant, architecture and archive state, and over nothing that differs
//! between two machines that build the same.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256 as Hasher};

use crate::recipe::{Recipe, RecipeName, Variant};
use crate::word::Word;

/// Raised when this release builds something else from the same recipe and archive.
const BUILD_FORMAT: u32 = 1;

/// A SHA-256, written as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(String);

/// A text that is no SHA-256.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no SHA-256 in 64 lower-case hexadecimal digits")]
pub struct BadDigest(String);

impl Sha256 {
    /// Of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex::encode(Hasher::digest(bytes)))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Enough digits to tell images apart in a name.
    pub(crate) fn short(&self) -> &str {
        &self.0[..16]
    }
}

impl TryFrom<String> for Sha256 {
    type Error = BadDigest;

    fn try_from(text: String) -> Result<Self, BadDigest> {
        if text.len() == 64
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        {
            Ok(Self(text))
        } else {
            Err(BadDigest(text.chars().take(80).collect()))
        }
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> Self {
        digest.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `<recipe>-<variant>-<16 digits of the digest>`: an image's folder in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageId(String);

impl ImageId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn new(recipe: &RecipeName, variant: Variant, digest: &Sha256) -> Self {
        Self(format!("{recipe}-{variant}-{}", digest.short()))
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One signed index of the archive as the image saw it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseFile {
    /// Its name within the mirror's `dists/`, with `_` for `/`: the mirror's own name is no part of the state.
    pub name: String,
    /// Of the file as it was fetched.
    pub sha256: Sha256,
}

/// Reads sha256sum's output over apt's list files.
pub(crate) fn parse_archive_state(text: &str) -> Result<Vec<ReleaseFile>, BadDigest> {
    let mut files = text
        .lines()
        .map(|line| {
            let (digest, name) = line
                .split_once("  ")
                .ok_or_else(|| BadDigest(line.chars().take(80).collect()))?;
            let name = name.split_once("_dists_").map_or(name, |(_, name)| name);
            Ok(ReleaseFile {
                name: name.to_owned(),
                sha256: Sha256::try_from(digest.to_owned())?,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    files.sort();
    Ok(files)
}

/// The digest that names an image.
pub(crate) fn image_digest(
    recipe: &Recipe,
    variant: Variant,
    architecture: &Word,
    state: &[ReleaseFile],
) -> Result<Sha256, serde_json::Error> {
    #[derive(Serialize)]
    struct Named<'a> {
        format: u32,
        recipe: &'a Recipe,
        variant: Variant,
        architecture: &'a Word,
        archive_state: &'a [ReleaseFile],
    }
    let named = Named {
        format: BUILD_FORMAT,
        recipe,
        variant,
        architecture,
        archive_state: state,
    };
    Ok(Sha256::of(&serde_json::to_vec(&named)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    #[test]
    fn the_name_depends_on_the_archives_state_and_not_on_the_mirror() {
        let catalogue = Catalogue::load(None).unwrap();
        let recipe = catalogue.find("bookworm").unwrap();
        let amd64 = Word::try_from("amd64".to_owned()).unwrap();
        let digest =
            |variant, text: &str| image_digest(recipe, variant, &amd64, &parse_archive_state(text).unwrap()).unwrap();
        let line = |mirror: &str, digit: &str| format!("{}  {mirror}_dists_bookworm_InRelease\n", digit.repeat(64));
        let one = digest(Variant::Test, &line("a.example_debian", "0"));
        assert_eq!(one, digest(Variant::Test, &line("b.example_pub_debian", "0")));
        assert_ne!(one, digest(Variant::Test, &line("a.example_debian", "1")));
        assert_ne!(one, digest(Variant::Build, &line("a.example_debian", "0")));
        assert!(parse_archive_state("no digest").is_err());
    }
}
