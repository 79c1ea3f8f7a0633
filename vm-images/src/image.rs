//! A published base image: its folder, and the metadata file that says what it is. Immutable; nothing here writes into
//! one after publication.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::identity::{ImageId, ReleaseFile, Sha256};
use crate::mirrors::{ArchiveSource, MirrorChoice};
use crate::recipe::{RecipeName, RecipeUser, Variant};
use crate::word::{SuiteName, Word};

/// The version of `image.json` that this release writes and reads.
pub const IMAGE_FORMAT: u32 = 1;

/// The metadata's file name within an image's folder.
pub(crate) const METADATA_FILE: &str = "image.json";

/// All that is known of an image, as `image.json` holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageMetadata {
    /// [`IMAGE_FORMAT`].
    pub format: u32,
    /// The folder's name.
    pub id: ImageId,
    /// Over recipe, variant, architecture and archive state.
    pub digest: Sha256,
    /// Which recipe.
    pub recipe: RecipeName,
    /// `debian`, `ubuntu` …
    pub distribution: Word,
    /// The codename.
    pub series: SuiteName,
    /// Which of the recipe's images.
    pub variant: Variant,
    /// Debian's name of the architecture.
    pub architecture: Word,
    /// When it was built.
    pub created_at: Timestamp,
    /// Who chose the mirrors.
    pub mirrors: MirrorChoice,
    /// Where its packages came from; empty where the tool's defaults were used: then `sources_list` alone tells.
    pub sources: Vec<ArchiveSource>,
    /// Suites of the recipe for which no mirror was known.
    pub left_out: Vec<SuiteName>,
    /// apt's sources as they stand in the image.
    pub sources_list: String,
    /// The archive as the image saw it.
    pub archive_state: Vec<ReleaseFile>,
    /// The kernel's release, as `uname -r` says.
    pub kernel_release: String,
    /// Size that the guest sees, in bytes.
    pub disk_bytes: u64,
    /// Modules for the initrd, in the order in which they must be loaded; what the kernel has built in is not listed.
    pub modules: Vec<KernelModule>,
    /// The unprivileged user.
    pub user: RecipeUser,
    /// Memory for a testbed when nobody says otherwise, in MiB.
    pub memory_mib: u32,
}

/// One module of the initrd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelModule {
    /// File name in the image's `modules/`, ending in `.ko`, uncompressed.
    pub file: String,
    /// Of that file.
    pub sha256: Sha256,
}

/// One installed package of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InstalledPackage {
    /// The binary package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, or `all`.
    pub architecture: String,
}

/// How an image's root disk must be declared wherever it is used; a guest's disk is never probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// A sparse file, byte for byte what the guest sees.
    Raw,
}

impl DiskFormat {
    /// QEMU's word for it, for `-F` and `<driver type=…/>`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
        }
    }
}

/// A published base image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    pub(crate) folder: PathBuf,
    /// What it is.
    pub metadata: ImageMetadata,
    /// What its folder takes on the host's disk, in bytes.
    pub size_on_disk: u64,
}

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file of it cannot be read.
    #[error("cannot read {file} of the image: {source}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A newer release made it.
    #[error("{file} has format {format}, and this release reads up to {IMAGE_FORMAT}; a newer release made it")]
    TooNew {
        /// The metadata file.
        file: PathBuf,
        /// Its format.
        format: u64,
    },
    /// The metadata is damaged.
    #[error("{file} is no image description: {detail}")]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

impl BaseImage {
    /// The image's name.
    #[must_use]
    pub fn id(&self) -> &ImageId {
        &self.metadata.id
    }

    /// Its folder in the store.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The root file system's disk, read-only: a bare ext4 without a partition table. See [`Self::disk_format`].
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.folder.join("root.raw")
    }

    /// The disk's format.
    #[must_use]
    pub fn disk_format(&self) -> DiskFormat {
        DiskFormat::Raw
    }

    /// The kernel for direct boot.
    #[must_use]
    pub fn kernel(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    /// A module for the initrd.
    #[must_use]
    pub fn module(&self, module: &KernelModule) -> PathBuf {
        self.folder.join("modules").join(&module.file)
    }

    /// The packages that it holds.
    ///
    /// # Errors
    /// [`ImageError`] if the manifest cannot be read or parsed.
    pub fn packages(&self) -> Result<Vec<InstalledPackage>, ImageError> {
        let file = self.folder.join("packages");
        let text = read(&file)?;
        text.lines()
            .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
                [name, version, architecture] => Ok(InstalledPackage {
                    name: name.to_owned(),
                    version: version.to_owned(),
                    architecture: architecture.to_owned(),
                }),
                _ => Err(ImageError::Damaged {
                    file: file.clone(),
                    detail: format!("not three columns: {line:?}"),
                }),
            })
            .collect()
    }

    pub(crate) fn open(folder: PathBuf) -> Result<Self, ImageError> {
        let file = folder.join(METADATA_FILE);
        let damaged = |detail: String| ImageError::Damaged {
            file: file.clone(),
            detail,
        };
        let value: serde_json::Value =
            serde_json::from_str(&read(&file)?).map_err(|error| damaged(error.to_string()))?;
        let format = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if format > u64::from(IMAGE_FORMAT) {
            return Err(ImageError::TooNew { file, format });
        }
        let metadata: ImageMetadata = serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
        if folder.file_name().is_none_or(|name| name != metadata.id.as_str()) {
            return Err(damaged(format!("it describes {}", metadata.id)));
        }
        if let Some(module) = metadata.modules.iter().find(|module| !is_module_name(&module.file)) {
            return Err(damaged(format!("`{}` is no module's file name", module.file)));
        }
        let size_on_disk = size_on_disk(&folder).map_err(|source| ImageError::Unreadable {
            file: folder.clone(),
            source,
        })?;
        Ok(Self {
            folder,
            metadata,
            size_on_disk,
        })
    }
}

/// Whether a file name can be joined to a folder and stand in a line of the initrd's list.
pub(crate) fn is_module_name(name: &str) -> bool {
    name.ends_with(".ko")
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn read(file: &Path) -> Result<String, ImageError> {
    std::fs::read_to_string(file).map_err(|source| ImageError::Unreadable {
        file: file.to_owned(),
        source,
    })
}

fn size_on_disk(folder: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        // stat(2) counts blocks of 512 bytes, whatever the file system's own size is.
        bytes += if metadata.is_dir() {
            size_on_disk(&entry.path())?
        } else {
            metadata.blocks() * 512
        };
    }
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::identity::image_digest;

    /// Of an image that nobody has built.
    pub(crate) fn metadata(variant: Variant, state: &str, created_at: Timestamp) -> ImageMetadata {
        let catalogue = Catalogue::load(None).unwrap();
        let recipe = catalogue.find("bookworm").unwrap();
        let architecture = Word::try_from("amd64".to_owned()).unwrap();
        let release = ReleaseFile {
            name: "bookworm_InRelease".to_owned(),
            sha256: Sha256::of(state.as_bytes()),
        };
        let archive_state = vec![release];
        let digest = image_digest(recipe, variant, &architecture, &archive_state).unwrap();
        ImageMetadata {
            format: IMAGE_FORMAT,
            id: ImageId::new(&recipe.name(), variant, &digest),
            digest,
            recipe: recipe.name(),
            distribution: recipe.distribution.clone(),
            series: recipe.series.clone(),
            variant,
            architecture,
            created_at,
            mirrors: MirrorChoice::ToolDefault,
            sources: Vec::new(),
            left_out: Vec::new(),
            sources_list: "deb http://mirror.example/debian bookworm main\n".to_owned(),
            archive_state,
            kernel_release: "6.1.0".to_owned(),
            disk_bytes: 20 << 30,
            modules: vec![KernelModule {
                file: "virtio.ko".to_owned(),
                sha256: Sha256::of(b"virtio"),
            }],
            user: recipe.user.clone(),
            memory_mib: recipe.memory_mib,
        }
    }

    fn open_with(change: impl Fn(&mut serde_json::Value)) -> Result<BaseImage, ImageError> {
        let metadata = metadata(Variant::Test, "a", Timestamp::UNIX_EPOCH);
        let store = tempfile::tempdir().unwrap();
        let folder = store.path().join(metadata.id.as_str());
        std::fs::create_dir(&folder).unwrap();
        let mut value = serde_json::to_value(&metadata).unwrap();
        change(&mut value);
        std::fs::write(folder.join(METADATA_FILE), value.to_string()).unwrap();
        std::fs::write(folder.join("packages"), "hello\t2.10-3\tamd64\n").unwrap();
        let image = BaseImage::open(folder)?;
        assert_eq!(image.packages()?[0].version, "2.10-3");
        Ok(image)
    }

    #[test]
    fn metadata_is_read_and_distrusted() {
        assert!(open_with(|_| {}).is_ok());
        let newer = open_with(|value| value["format"] = 99.into()).unwrap_err().to_string();
        assert!(newer.contains("format 99"), "{newer}");
        let damaged: [fn(&mut serde_json::Value); 4] = [
            |value| value["colour"] = 1.into(),
            |value| value["id"] = "another".into(),
            |value| value["modules"][0]["file"] = "../../etc/x.ko".into(),
            |value| value["digest"] = "short".into(),
        ];
        for change in damaged {
            assert!(matches!(open_with(change), Err(ImageError::Damaged { .. })));
        }
    }
}
