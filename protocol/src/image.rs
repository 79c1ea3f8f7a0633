//! Base images and images.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ImageId, Moment, Series, Sha256, TicketId};
use crate::package_sources::AskedSources;

/// What an image was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// A series' pristine image, which tests start from.
    Base,
    /// The base image with a compiler and the packaging tools, which builds start from.
    BaseBuild,
    /// A ticket's image.
    Ticket,
}

/// An image in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageInfo {
    /// Its name.
    pub id: ImageId,
    /// The series.
    pub series: Series,
    /// What it was made from.
    pub kind: ImageKind,
    /// Bytes that it takes on disk, sparse blocks not counted.
    pub size: u64,
    /// When it was made.
    pub created_at: Moment,
    /// The tickets that use it.
    pub users: Vec<TicketId>,
    /// The disk's file.
    pub path: PathBuf,
    /// What its owners call it; events say nothing of that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// Show an image: what it is, and what was done to its base image where it was made for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageShow {
    /// Which.
    pub image: ImageChoice,
}

/// Make an image of another one, with packages and package sources that it has not. What such a request has made before is
/// not made again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageRebuild {
    /// What it is made of: a series, whose newest base image for tests is meant, or an image's name. Of an image that was made
    /// so itself it keeps the packages and the package sources.
    pub base: String,
    /// What it is called: lower-case letters, digits, `.`, `_`, `+` and `-`, a letter first. An image that was called so is not
    /// any more.
    pub name: String,
    /// Packages that are to be there: `NAME`, `NAME:ARCHITECTURE`, or either with `=VERSION`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_packages: Vec<String>,
    /// Packages that are to be gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove_packages: Vec<String>,
    /// Where packages come from, now and in the image.
    #[serde(default)]
    pub package_sources: AskedSources,
    /// Whether nothing may be fetched from the network.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
}

/// What becomes of a request for an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageRebuilding {
    /// The image was there, and has the name now.
    Here(Box<ImageDetails>),
    /// This ticket makes it.
    Ticket(TicketId),
}

/// An image in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageDetails {
    /// What lists say of it.
    #[serde(flatten)]
    pub info: ImageInfo,
    /// The image that its disk is an overlay of; missing for base images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<ImageId>,
    /// What makes it more than that, where it was made for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuilt: Option<RebuiltImage>,
}

/// What makes an image more than its base image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RebuiltImage {
    /// What was done, in order: each was a run of apt, which had all that it names in sight.
    pub steps: Vec<RebuildStep>,
    /// Where its apt gets packages from, a word or two each; missing for the archive as the base image has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Packages that are not as in the base image, by name.
    pub packages: Vec<PackageChange>,
}

/// One run of apt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RebuildStep {
    /// Packages that were to be there, as they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    /// Packages that were to be gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// Where `image get` has put an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageFiles {
    /// The disk; it stands on no other.
    pub disk: PathBuf,
    /// Its kernel, where the disk does not boot by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<PathBuf>,
    /// Its initrd, where the disk does not boot by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initrd: Option<PathBuf>,
    /// The kernel command line that boots it.
    pub command_line: String,
}

/// A disk's format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// QEMU's own; small whatever the file system that it lies on.
    #[default]
    Qcow2,
    /// Byte for byte what a machine sees; a sparse file, which can be written to a real disk.
    Raw,
}

/// An image, by who has it or by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageChoice {
    /// A ticket's.
    Ticket(TicketId),
    /// The one of this name, or a series' newest base image for tests.
    Image(ImageId),
}

/// How two images differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageDifference {
    /// What was compared with.
    pub from: ImageId,
    /// What was looked at.
    pub to: ImageId,
    /// Packages, by their names.
    pub packages: Vec<PackageChange>,
    /// Files: by group in the order of [`FileGroup`], then by path. Caches, logs and the package manager's own books are not
    /// looked at, nor are times.
    pub files: Vec<FileChange>,
    /// How many more files differ than are named.
    pub more_files: u64,
}

/// A package that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackageChange {
    /// The binary package's name.
    pub name: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// The version that was installed; missing where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The version that is installed; missing where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Whose a file is, what a person wants to know of first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileGroup {
    /// No package's.
    Unowned,
    /// A package's configuration.
    Conffile,
    /// A package's.
    Package,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileChange {
    /// Its path in the image; bytes that are no UTF-8 are shown as U+FFFD.
    pub path: String,
    /// Whose it is.
    pub group: FileGroup,
    /// The package, where one owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// What it was; missing where it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<FileState>,
    /// What it is; missing where it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<FileState>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// All of a file that is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileState {
    /// What it is.
    pub kind: FileKind,
    /// Its permissions in four octal digits.
    pub mode: String,
    /// Its owner's number.
    pub user: u32,
    /// Its group's number.
    pub group: u32,
    /// Bytes of a regular file.
    pub size: u64,
    /// Of a regular file's contents; missing where it has a GiB or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// Where a symbolic link points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}
