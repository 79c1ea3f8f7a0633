//! What a generation is named by and what it holds: values, which know no files.

use std::fmt;
use std::str::FromStr;

use preflight_debian::{Architecture, BinaryPackage, DigestParseError, PackageName, Sha256Digest, SourceName, Version};

const PREFIX: &str = "generation-";
/// How many digits of a package's digest its folder in the pool has: 64 bits can't be made to collide by chance.
const POOL_DIGITS: usize = 16;

/// One state of a ticket's repository: the digest of its `Release`, as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenerationId(Sha256Digest);

impl GenerationId {
    /// The generation with this `Release`.
    #[must_use]
    pub const fn new(release: Sha256Digest) -> Self {
        Self(release)
    }

    /// The digest of its `Release`.
    #[must_use]
    pub const fn digest(self) -> Sha256Digest {
        self.0
    }

    pub(super) fn folder_name(self) -> String {
        format!("{PREFIX}{self}")
    }

    pub(super) fn of_folder_name(name: &str) -> Option<Self> {
        name.strip_prefix(PREFIX)?.parse().ok()
    }
}

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for GenerationId {
    type Err = DigestParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A package of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryPackage {
    /// `Package`.
    pub name: PackageName,
    /// `Version`.
    pub version: Version,
    /// `Architecture`.
    pub architecture: Architecture,
    /// The source package that it says it is of.
    pub source: SourceName,
    /// Where its file is, relative to the generation.
    pub path: String,
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: Sha256Digest,
}

impl RepositoryPackage {
    /// A package and its place in the pool. A file of other content has another place even under the same name, so that
    /// several generations can be served from one tree.
    pub(super) fn of(package: &BinaryPackage) -> Self {
        let digest = package.sha256.to_string();
        Self {
            path: format!("pool/{}/{}", &digest[..POOL_DIGITS], package.file_name()),
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
            source: package.source.clone(),
            size: package.size,
            sha256: package.sha256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_name_is_its_generations() {
        let id = GenerationId::new(Sha256Digest::of(b"x"));
        assert_eq!(GenerationId::of_folder_name(&id.folder_name()), Some(id));
        assert_eq!(id.to_string().parse(), Ok(id));
        for other in ["current", "generation-", "generation-xyz", "aside-123"] {
            assert_eq!(GenerationId::of_folder_name(other), None, "{other}");
        }
    }
}
