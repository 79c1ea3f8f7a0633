//! Base images for Preflight's testbeds: recipes as data, and how a recipe becomes an immutable disk, kernel and initrd.
//!
//! Builds without root where the host allows it, in namespaces of its own. Knows no libvirt, no daemon and no content
//! store: whoever calls hands over mirrors, a proxy and a folder.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use preflight_vm_images::{
//!     BuildRequest, Catalogue, ImageStore, ReleaseDates, SourceSet, Variant, build, read_host_sources,
//! };
//!
//! let catalogue = Catalogue::load(None)?;
//! let recipe = catalogue.find("bookworm")?;
//! let host = read_host_sources("/etc/apt".as_ref());
//! let sources = SourceSet::resolve(recipe, &Default::default(), &host)?;
//! let store = ImageStore::open("images".into()).await?;
//! let release_dates = ReleaseDates::of_host().await;
//! let variants = Variant::ALL.to_vec();
//! let request = BuildRequest { recipe: recipe.clone(), sources, variants, proxy: None, log: None, release_dates };
//! let images = build(&store, &request, &|step| eprintln!("{}", step.message), &Default::default()).await?;
//! # drop(images);
//! # Ok(())
//! # }
//! ```

mod boot;
mod build;
mod catalogue;
mod host_apt;
mod identity;
mod image;
mod initrd;
mod mirrors;
mod module_file;
mod progress;
mod recipe;
mod store;
mod uefi;
mod word;
mod workshop;
mod workshop_error;

pub use boot::{BootOptions, kernel_command_line, preferring_own_kernel};
pub use build::{BuildError, BuildRequest, build, host_architecture};
pub use catalogue::Catalogue;
pub use host_apt::{HostSource, ReleaseDates, read_host_sources};
pub use identity::{BadDigest, ImageId, ReleaseFile, Sha256};
pub use image::{BaseImage, DiskFormat, IMAGE_FORMAT, ImageError, ImageMetadata, InstalledPackage, KernelModule};
pub use initrd::{InitrdError, compose_initrd};
pub use mirrors::{ArchiveSource, MirrorChoice, MirrorError, Mirrors, SourceSet};
pub use progress::{Phase, Progress};
pub use recipe::{
    MirrorKind, RECIPE_FORMAT, Recipe, RecipeArchive, RecipeError, RecipeName, RecipePackages, RecipePocket,
    RecipePockets, RecipeUnits, RecipeUser, Variant,
};
pub use store::{ImageStore, StoreError};
pub use uefi::{Extent, Frame, Layout, UefiError, write_frame};
pub use word::{NameError, PackageName, ProgramVersion, SuiteName, UnitName, UserName, Word};
pub use workshop::check_host;
pub use workshop_error::WorkshopError;
