//! A folder with `debian/`: what it is, which tarball it needs, and the list of files that a guest gets to make the
//! source package from. Nothing in the folder is run, and no symbolic link is followed.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::changelog::Changelog;
use crate::control::Control;
use crate::error::{Error, Place, Problem};
use crate::input::TextFile;

/// Bounds on a tree: more than the largest packages of the archive have.
const MOST_ENTRIES: usize = 500_000;
const MOST_BYTES: u64 = 16 * 1024 * 1024 * 1024;

/// The format of a source package (dpkg-source(1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFormat {
    /// `1.0`: native or with a diff, as the version says.
    One,
    /// `3.0 (native)`.
    Native,
    /// `3.0 (quilt)`.
    Quilt,
}

impl SourceFormat {
    /// The format as written in `debian/source/format` or a `.dsc`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "1.0" => Some(Self::One),
            "3.0 (native)" => Some(Self::Native),
            "3.0 (quilt)" => Some(Self::Quilt),
            _ => None,
        }
    }
}

/// A source folder that intake accepts.
#[derive(Debug, Clone)]
pub struct SourceFolder {
    /// The folder.
    pub path: PathBuf,
    /// `debian/control`.
    pub control: Control,
    /// `debian/changelog`.
    pub changelog: Changelog,
    /// `debian/source/format`; `1.0` without that file.
    pub format: SourceFormat,
    /// The upstream tarballs beside the folder, `.orig.tar.*` first, then components, then their signatures.
    pub orig_tarballs: Vec<PathBuf>,
}

/// A thing in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its path below the folder.
    pub path: PathBuf,
    /// What it is.
    pub kind: EntryKind,
}

/// Kinds of thing in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link, which is copied as such and never followed.
    Symlink {
        /// Where it points, unchecked.
        target: PathBuf,
    },
}

impl SourceFolder {
    /// Reads what intake needs to know of a folder.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        // `.` has neither a name nor a parent to look for tarballs in.
        let folder = std::fs::canonicalize(folder)
            .map_err(|error| Error::new(Place::file(folder), Problem::Unreadable(error)))?;
        let at = |problem| Error::new(Place::file(&folder), problem);
        if !folder.join("debian").is_dir() {
            return Err(at(Problem::NoDebianFolder));
        }
        let changelog = part(&folder, "debian/changelog")?.ok_or_else(|| {
            at(Problem::NoSuchPart {
                name: "debian/changelog",
            })
        })?;
        let control =
            part(&folder, "debian/control")?.ok_or_else(|| at(Problem::NoSuchPart { name: "debian/control" }))?;
        if !folder.join("debian/rules").is_file() {
            return Err(at(Problem::NoSuchPart { name: "debian/rules" }));
        }
        let changelog_path = changelog.path.clone();
        let changelog = Changelog::parse(&changelog.path, changelog.text()?)?;
        let control = Control::parse(&control.path, control.text()?)?;
        if control.source != changelog.newest.source {
            let problem = Problem::Contradiction {
                left: "debian/changelog".to_owned(),
                left_value: changelog.newest.source.to_string(),
                right: "debian/control".to_owned(),
                right_value: control.source.to_string(),
            };
            return Err(Error::new(Place::line(&changelog_path, changelog.newest.line), problem));
        }
        let format = match part(&folder, "debian/source/format")? {
            None => SourceFormat::One,
            Some(file) => {
                let text = file.text()?;
                let written = text.lines().next().unwrap_or_default().trim();
                SourceFormat::parse(written).ok_or_else(|| {
                    Error::new(
                        Place::line(&file.path, 1),
                        Problem::UnknownFormat {
                            format: written.to_owned(),
                        },
                    )
                })?
            }
        };
        let wants_tarball = match format {
            SourceFormat::Quilt => true,
            SourceFormat::Native => false,
            SourceFormat::One => changelog.newest.version.revision().is_some(),
        };
        let orig_tarballs = if wants_tarball {
            find_tarballs(&folder, &changelog)?
        } else {
            Vec::new()
        };
        Ok(Self {
            path: folder.clone(),
            control,
            changelog,
            format,
            orig_tarballs,
        })
    }

    /// Everything in the folder, parents before children, in the order of names. Sockets, devices and FIFOs are an
    /// error, since dpkg-source refuses them too.
    pub fn tree(&self) -> Result<Vec<TreeEntry>, Error> {
        let mut entries = Vec::new();
        let mut bytes = 0_u64;
        for entry in WalkDir::new(&self.path)
            .min_depth(1)
            .follow_links(false)
            .sort_by_file_name()
        {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(&self.path).to_owned();
                Error::new(Place::file(&path), Problem::Unreadable(error.into()))
            })?;
            let at = |problem| Error::new(Place::file(entry.path()), problem);
            let unreadable = |error: std::io::Error| at(Problem::Unreadable(error));
            let metadata = entry.metadata().map_err(|error| unreadable(error.into()))?;
            let kind = if metadata.is_dir() {
                EntryKind::Folder
            } else if metadata.is_file() {
                bytes = bytes.saturating_add(metadata.len());
                EntryKind::File {
                    size: metadata.len(),
                    executable: is_executable(&metadata),
                }
            } else if metadata.is_symlink() {
                EntryKind::Symlink {
                    target: std::fs::read_link(entry.path()).map_err(unreadable)?,
                }
            } else {
                return Err(at(Problem::NotAFile {
                    name: entry.file_name().to_string_lossy().into_owned(),
                }));
            };
            let Ok(path) = entry.path().strip_prefix(&self.path) else {
                continue;
            };
            entries.push(TreeEntry {
                path: path.to_owned(),
                kind,
            });
            if entries.len() > MOST_ENTRIES {
                return Err(Error::new(
                    Place::file(&self.path),
                    Problem::TooMany { limit: MOST_ENTRIES },
                ));
            }
            if bytes > MOST_BYTES {
                return Err(Error::new(
                    Place::file(&self.path),
                    Problem::TooLarge { limit: MOST_BYTES },
                ));
            }
        }
        Ok(entries)
    }
}

fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o100 != 0
}

/// A text file of the folder; none where it is missing.
fn part(folder: &Path, name: &str) -> Result<Option<TextFile>, Error> {
    let path = folder.join(name);
    if path.is_symlink() || path.exists() {
        TextFile::read(&path).map(Some)
    } else {
        Ok(None)
    }
}

/// `SOURCE_VERSION.orig.tar.*` (one), `SOURCE_VERSION.orig-COMPONENT.tar.*`, and their `.asc` (dpkg-source(1)).
fn find_tarballs(folder: &Path, changelog: &Changelog) -> Result<Vec<PathBuf>, Error> {
    const COMPRESSIONS: [&str; 4] = ["gz", "xz", "bz2", "lzma"];
    let parent = folder.parent().unwrap_or(folder);
    let newest = &changelog.newest;
    let stem = format!("{}_{}.orig", newest.source, newest.version.upstream());
    let unreadable = |error| Error::new(Place::file(parent), Problem::Unreadable(error));
    let (mut main, mut components, mut signatures) = (Vec::new(), Vec::new(), Vec::new());
    for entry in std::fs::read_dir(parent).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(&stem)) else {
            continue;
        };
        let (rest, is_signature) = rest.strip_suffix(".asc").map_or((rest, false), |rest| (rest, true));
        let Some((component, compression)) = rest.split_once(".tar.") else {
            continue;
        };
        let named = component
            .strip_prefix('-')
            .is_some_and(|c| !c.is_empty() && c.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
        if !COMPRESSIONS.contains(&compression) || !(component.is_empty() || named) {
            continue;
        }
        let list = match (is_signature, component.is_empty()) {
            (true, _) => &mut signatures,
            (false, true) => &mut main,
            (false, false) => &mut components,
        };
        list.push(parent.join(name));
    }
    components.sort();
    signatures.sort();
    main.sort();
    match main.len() {
        0 => Err(Error::new(
            Place::file(folder),
            Problem::NoOrigTarball {
                wanted: format!("{stem}.tar.{{gz,xz,bz2,lzma}}"),
            },
        )),
        1 => Ok(main.into_iter().chain(components).chain(signatures).collect()),
        _ => {
            let found = main
                .iter()
                .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
                .collect();
            Err(Error::new(Place::file(folder), Problem::SeveralOrigTarballs { found }))
        }
    }
}
