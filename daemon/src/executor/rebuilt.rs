//! What is known of an image that was made for itself, of no ticket's sources: what was done to its base image, in which
//! order, and what that has changed. It is kept with the image; what to do is the pipeline's matter.

use std::collections::BTreeSet;

use preflight_core::PackageSources;
use preflight_protocol::image::PackageChange;
use preflight_store::{read_package_sources, write_package_sources};
use serde::{Deserialize, Serialize};

/// One run of apt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Where packages come from, in the words that name a layer of it; none for the archive as the base image has it.
    pub sources: Vec<String>,
    /// Packages that are to be there: `NAME`, `NAME:ARCHITECTURE` or either with `=VERSION`.
    pub add: BTreeSet<String>,
    /// Packages that are to be gone: `NAME` or `NAME:ARCHITECTURE`.
    pub remove: BTreeSet<String>,
}

/// What makes an image more than its base image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rebuilt {
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// Where its apt gets packages from, in the store's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sources: Option<String>,
    /// Packages that are not as in the base image, by name.
    pub packages: Vec<PackageChange>,
}

impl Rebuilt {
    /// An image to whose base image this was done, with these sources at last.
    #[must_use]
    pub fn new(steps: Vec<Step>, sources: &PackageSources, packages: Vec<PackageChange>) -> Self {
        Self {
            steps,
            sources: write_package_sources(sources),
            packages,
        }
    }

    /// Where its apt gets packages from.
    ///
    /// # Errors
    /// What is kept cannot be read; in words.
    pub fn sources(&self) -> Result<PackageSources, String> {
        read_package_sources(self.sources.as_deref())
    }
}
