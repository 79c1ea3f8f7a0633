//! Builds a recipe's images: tells the workshop what to make, judges what it made, writes the metadata, publishes.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::host_apt::ReleaseDates;
use crate::identity::{BadDigest, ImageId, Sha256, image_digest, parse_archive_state};
use crate::image::{BaseImage, IMAGE_FORMAT, ImageMetadata, KernelModule, METADATA_FILE};
use crate::mirrors::{ArchiveSource, SourceSet};
use crate::module_file;
use crate::progress::{Progress, Reader};
use crate::recipe::{Recipe, RecipeName, Variant};
use crate::store::{ImageStore, StoreError};
use crate::word::Word;
use crate::workshop::{self, Place, Work};
use crate::workshop_error::WorkshopError;

/// Without these in kernel or initrd, no root file system and no agent.
const MODULES_NEEDED: &str = "virtio_pci virtio_blk virtio_console ext4";
/// Entropy, the agent's network watch, and what ext4 wants where it is a module itself.
const MODULES_WANTED: &str = "virtio_rng tun crc32c_generic";

/// Below this much free memory the tree is built on disk.
const MEMORY_FOR_TREE: u64 = 3 << 30;

/// What to build.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The recipe.
    pub recipe: Recipe,
    /// Where packages come from; see [`SourceSet::resolve`].
    pub sources: SourceSet,
    /// Which images; the test variant is a step on the way to the build variant, and comes almost for nothing.
    pub variants: Vec<Variant>,
    /// An http proxy on the loopback by which all fetches go (the daemon's content store). It leaves no trace in
    /// the image. With it, all sources are asked by http: the proxy speaks TLS where the origin wants it.
    pub proxy: Option<Url>,
    /// Where the tools' output is kept whatever comes of the build; each image has a copy of its own anyway.
    pub log: Option<PathBuf>,
    /// Whether apt refuses an archive whose Release file has expired.
    pub release_dates: ReleaseDates,
}

/// Why no image came of it.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The recipe names no kernel for this machine.
    #[error("the recipe {recipe} has no kernel for the architecture {architecture}; add one to its [kernel]")]
    NoKernel {
        /// The recipe.
        recipe: RecipeName,
        /// Debian's name for this machine's architecture, or Rust's where Debian has none.
        architecture: String,
    },
    /// The host cannot build, the tools failed, or it was cancelled.
    #[error(transparent)]
    Workshop(#[from] WorkshopError),
    /// The store cannot take the result.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The workshop's result is not what it should be.
    #[error("the build's result is unusable: {0}")]
    Result(String),
    /// A file cannot be read or written.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl From<BadDigest> for BuildError {
    fn from(error: BadDigest) -> Self {
        Self::Result(error.to_string())
    }
}

fn at(file: &Path) -> impl FnOnce(std::io::Error) -> BuildError {
    let file = file.to_owned();
    move |source| BuildError::File { file, source }
}

/// Debian's name of this machine's architecture.
///
/// # Errors
/// Rust's name of it, where Debian's is not known here.
pub fn host_architecture() -> Result<Word, String> {
    let name = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64el",
        "x86" => "i386",
        same @ ("riscv64" | "s390x") => same,
        other => return Err(other.to_owned()),
    };
    Word::try_from(name.to_owned()).map_err(|error| error.to_string())
}

/// Builds the images of a request into the store and returns them in the order of the request's variants. `progress` is
/// called from this task. Ends within seconds of a cancellation; nothing is left of what was begun.
///
/// # Errors
/// [`BuildError`]; hints say what to install or do.
pub async fn build(
    store: &ImageStore,
    request: &BuildRequest,
    progress: &(dyn Fn(Progress) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<Vec<BaseImage>, BuildError> {
    let recipe = &request.recipe;
    let no_kernel = |architecture| BuildError::NoKernel {
        recipe: recipe.name(),
        architecture,
    };
    let architecture = host_architecture().map_err(no_kernel)?;
    let kernel = recipe
        .kernel
        .get(&architecture)
        .ok_or_else(|| no_kernel(architecture.to_string()))?;
    let building = store.building()?;
    let result = make(
        store,
        request,
        &building.folder,
        (&architecture, kernel.as_str()),
        progress,
        cancel,
    )
    .await;
    // Only now: the lock kept a store that was opened meanwhile from sweeping it.
    if let Err(error) = workshop::remove_tree(building.folder.clone()).await {
        tracing::warn!(%error, "a build leaves its folder behind");
    }
    result
}

async fn make(
    store: &ImageStore,
    request: &BuildRequest,
    folder: &Path,
    (architecture, kernel): (&Word, &str),
    progress: &(dyn Fn(Progress) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<Vec<BaseImage>, BuildError> {
    let recipe = &request.recipe;
    let both = request.variants.contains(&Variant::Build);
    let place = Place::find().await?;
    let guest_lines = apt_lines(&request.sources.sources, |source| &source.uri);
    let host_lines = if request.proxy.is_some() {
        guest_lines.clone()
    } else {
        apt_lines(&request.sources.sources, |source| &source.origin)
    };
    let in_memory = available_memory().is_none_or(|bytes| bytes >= MEMORY_FOR_TREE);
    let on_disk = if in_memory || place == Place::Streamed {
        OsString::new()
    } else {
        let work = folder.join("work");
        fs::create_dir(&work).map_err(at(&work))?;
        work.into_os_string()
    };
    let mount_point = workshop::mount_point(folder)
        .ok_or_else(|| BuildError::Result("neither /mnt nor /media nor /srv can be mounted on".to_owned()))?;
    let joined = |words: Vec<&str>| OsString::from(words.join(" "));
    let variables = vec![
        ("PF_MOUNT_POINT", mount_point.into()),
        ("PF_ON_DISK", on_disk),
        ("PF_ARCHITECTURE", architecture.as_str().into()),
        ("PF_SUITE", recipe.series.as_str().into()),
        ("PF_SOURCES_HOST", host_lines.into()),
        ("PF_SOURCES_GUEST", guest_lines.into()),
        ("PF_RELEASE_DATES", request.release_dates.as_str().into()),
        ("PF_KEYRING", request.sources.keyring.clone().into()),
        (
            "PF_KEYRINGS",
            joined(recipe.keyrings.iter().filter_map(|file| file.to_str()).collect()),
        ),
        (
            "PF_TEST_PACKAGES",
            joined(recipe.packages.test.iter().map(|name| name.as_str()).collect()),
        ),
        (
            "PF_BUILD_PACKAGES",
            joined(recipe.packages.build.iter().map(|name| name.as_str()).collect()),
        ),
        ("PF_VARIANTS", if both { "test build" } else { "test" }.into()),
        ("PF_KERNEL", kernel.into()),
        ("PF_MODULES_NEEDED", MODULES_NEEDED.into()),
        ("PF_MODULES_WANTED", MODULES_WANTED.into()),
        ("PF_USER", recipe.user.name.as_str().into()),
        ("PF_UID", recipe.user.uid.to_string().into()),
        (
            "PF_MASKED",
            joined(recipe.units.masked.iter().map(|unit| unit.as_str()).collect()),
        ),
        ("PF_DISK_GIB", recipe.disk_gib.to_string().into()),
        (
            "PF_PROXY",
            request.proxy.as_ref().map_or("", |proxy| proxy.as_str()).into(),
        ),
        ("PF_CUSTOMIZE", workshop::CUSTOMIZE.into()),
        ("PF_EXTEND", workshop::EXTEND.into()),
    ];
    let log = request.log.clone().unwrap_or_else(|| folder.join("build.log"));
    let mut reader = Reader::new(both);
    let mut on_line = |line: &str| {
        if let Some(step) = reader.line(line) {
            progress(step);
        }
    };
    workshop::run(
        Work {
            place,
            variables,
            log: &log,
            result: folder,
            cancel,
        },
        &mut on_line,
    )
    .await?;
    if let Some(step) = reader.publishing() {
        progress(step);
    }
    let finish = Finish {
        request: request.clone(),
        folder: folder.to_owned(),
        log,
        architecture: architecture.clone(),
    };
    let store = store.clone();
    let finished = tokio::task::spawn_blocking(move || {
        let made = if both { &Variant::ALL[..] } else { &Variant::ALL[..1] };
        let images = made
            .iter()
            .map(|&variant| finish.publish(&store, variant))
            .collect::<Result<Vec<_>, _>>()?;
        let wanted = finish.request.variants.iter();
        Ok(wanted
            .filter_map(|&variant| images.iter().find(|image| image.metadata.variant == variant).cloned())
            .collect())
    });
    finished.await.map_err(|error| BuildError::Result(error.to_string()))?
}

/// One-line sources, one a line. Suites, components and addresses hold no character that needs quoting.
fn apt_lines(sources: &[ArchiveSource], uri: impl Fn(&ArchiveSource) -> &Url) -> String {
    let mut lines = String::new();
    for source in sources {
        let components: Vec<&str> = source.components.iter().map(Word::as_str).collect();
        for suite in &source.suites {
            lines.push_str(&format!("deb {} {suite} {}\n", uri(source), components.join(" ")));
        }
    }
    lines
}

/// From the kernel's own estimate (proc(5)).
fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim()
        .strip_suffix(" kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// What the workshop left, on its way into the store.
struct Finish {
    request: BuildRequest,
    folder: PathBuf,
    log: PathBuf,
    architecture: Word,
}

impl Finish {
    fn publish(&self, store: &ImageStore, variant: Variant) -> Result<BaseImage, BuildError> {
        let folder = self.folder.join(variant.to_string());
        let recipe = &self.request.recipe;
        let text = |name: &str| {
            let file = folder.join(name);
            fs::read_to_string(&file).map_err(at(&file))
        };
        let archive_state = parse_archive_state(&text("archive-state")?)?;
        if archive_state.is_empty() {
            return Err(BuildError::Result("apt kept no release file of the archive".to_owned()));
        }
        let digest = image_digest(recipe, variant, &self.architecture, &archive_state)
            .map_err(|error| BuildError::Result(error.to_string()))?;
        let modules = unpack_modules(&folder, &text("modules.order")?)?;
        let disk = folder.join("root.raw");
        let metadata = ImageMetadata {
            format: IMAGE_FORMAT,
            id: ImageId::new(&recipe.name(), variant, &digest),
            digest,
            recipe: recipe.name(),
            distribution: recipe.distribution.clone(),
            series: recipe.series.clone(),
            variant,
            architecture: self.architecture.clone(),
            created_at: Timestamp::now(),
            mirrors: self.request.sources.choice,
            sources: self.request.sources.sources.clone(),
            left_out: self.request.sources.left_out.clone(),
            sources_list: text("sources.list")?,
            archive_state,
            kernel_release: text("kernel-release")?.trim().to_owned(),
            disk_bytes: fs::metadata(&disk).map_err(at(&disk))?.len(),
            modules,
            user: recipe.user.clone(),
            memory_mib: recipe.memory_mib,
        };
        for name in ["archive-state", "modules.order", "kernel-release"] {
            let file = folder.join(name);
            fs::remove_file(&file).map_err(at(&file))?;
        }
        let log = folder.join("build.log");
        fs::copy(&self.log, &log).map_err(at(&log))?;
        let file = folder.join(METADATA_FILE);
        let json = serde_json::to_vec_pretty(&metadata).map_err(|error| BuildError::Result(error.to_string()))?;
        fs::write(&file, json).map_err(at(&file))?;
        make_read_only(&folder)?;
        Ok(store.publish(&folder, &metadata.id)?)
    }
}

/// Decompresses the modules in place, keeping the order of the list.
fn unpack_modules(folder: &Path, order: &str) -> Result<Vec<KernelModule>, BuildError> {
    let mut modules = Vec::new();
    for name in order.lines() {
        let packed = folder.join("modules").join(name);
        let plain = module_file::plain_name(name)
            .ok_or_else(|| BuildError::Result(format!("`{name}` is no kernel module's file name")))?;
        let file = fs::File::open(&packed).map_err(at(&packed))?;
        let bytes = module_file::unpack(name, file).map_err(at(&packed))?;
        if plain != name {
            let target = folder.join("modules").join(plain);
            fs::write(&target, &bytes).map_err(at(&target))?;
            fs::remove_file(&packed).map_err(at(&packed))?;
        }
        modules.push(KernelModule {
            file: plain.to_owned(),
            sha256: Sha256::of(&bytes),
        });
    }
    Ok(modules)
}

/// Everything 0444 and on disk, before the rename says that it is whole.
fn make_read_only(folder: &Path) -> Result<(), BuildError> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.is_dir() {
            make_read_only(&path)?;
            continue;
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).map_err(at(&path))?;
        fs::File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(at(&path))?;
    }
    Ok(())
}
