//! The ticket repository: a small signed apt repository of what a ticket has built, as files in a folder. It is
//! written aside and swapped in whole, and a generation is never changed once it stands.
//!
//! Layout: `current` is a symbolic link to `generation-<digest of Release>/` with `InRelease`, `Release`,
//! `Release.gpg`, `Packages{,.gz,.xz}`, `by-hash/SHA256/…` and `pool/*.deb`; a flat repository, so that apt's line is
//! `deb [signed-by=KEY] http://ticket.preflight.invalid/PATH ./`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use preflight_debian::{BinaryPackage, Sha256Digest};

use crate::error::ArchiveError;
use crate::release::format_date;
use crate::signing::SigningKey;

/// The link to the generation that is served.
pub(crate) const CURRENT: &str = "current";

/// What the release file says of itself; apt pins can name it (`Pin: release o=Preflight, l=ticket-7`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryLabels {
    /// `Origin`.
    pub origin: String,
    /// `Label`.
    pub label: String,
}

/// A published repository.
#[derive(Debug, Clone)]
pub struct TicketRepository {
    /// The folder that was published to; what `TicketMount` wants.
    pub folder: PathBuf,
    /// The generation.
    pub generation: PathBuf,
    /// Its packages, sorted by name, version and architecture.
    pub packages: Vec<BinaryPackage>,
}

impl TicketRepository {
    /// Publishes a repository of exactly these `.deb` files (an empty list is fine), replacing what `folder` had.
    /// `date` is what the release file says; equal input gives an equal `Release` and `Packages`. The files are
    /// hard-linked where possible, and made read-only.
    pub fn publish(
        folder: &Path,
        debs: &[PathBuf],
        labels: &RepositoryLabels,
        key: &SigningKey,
        date: SystemTime,
    ) -> Result<Self, ArchiveError> {
        fs::create_dir_all(folder).map_err(ArchiveError::io(folder))?;
        let mut packages: BTreeMap<String, (BinaryPackage, &PathBuf)> = BTreeMap::new();
        for path in debs {
            let package = BinaryPackage::open(path)?;
            let name = package.file_name();
            match packages.get(&name) {
                Some((other, _)) if other.sha256 != package.sha256 => return Err(ArchiveError::SameName(name)),
                _ => packages.insert(name, (package, path)),
            };
        }
        let aside = tempfile::Builder::new()
            .prefix("aside-")
            .tempdir_in(folder)
            .map_err(ArchiveError::io(folder))?;
        let root = aside.path();
        let write = || -> io::Result<String> {
            fs::create_dir_all(root.join("pool"))?;
            let mut text = String::new();
            for (name, (package, path)) in &packages {
                let target = root.join("pool").join(name);
                // What a build left is kept as it is, so that one copy on the disk serves both.
                if fs::hard_link(path, &target).is_err() {
                    fs::copy(path, &target)?;
                }
                fs::set_permissions(&target, fs::Permissions::from_mode(0o444))?;
                stanza(&mut text, package, &format!("pool/{name}"));
            }
            let indices = vec![
                ("Packages".to_owned(), text.clone().into_bytes()),
                ("Packages.gz".to_owned(), gzip(text.as_bytes())?),
                ("Packages.xz".to_owned(), xz(text.as_bytes())?),
            ];
            let by_hash = root.join("by-hash/SHA256");
            fs::create_dir_all(&by_hash)?;
            for (name, bytes) in &indices {
                write_file(&root.join(name), bytes)?;
                write_file(&by_hash.join(Sha256Digest::of(bytes).to_string()), bytes)?;
            }
            Ok(release_text(labels, &indices, date))
        };
        let release = write().map_err(ArchiveError::io(root))?;
        let inline = key.sign_inline(&release, date)?;
        let detached = key.sign_detached(&release, date)?;
        let name = format!("generation-{}", Sha256Digest::of(release.as_bytes()));
        let generation = folder.join(&name);
        let swap = || -> io::Result<()> {
            write_file(&root.join("Release"), release.as_bytes())?;
            write_file(&root.join("Release.gpg"), &detached)?;
            write_file(&root.join("InRelease"), &inline)?;
            // tempdir's 0700 would keep QEMU's or a tool's user out, were it ever served as files.
            fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
            if !generation.exists() {
                fs::rename(root, &generation)?;
            }
            let link = folder.join(format!(".{CURRENT}.{}", std::process::id()));
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(&name, &link)?;
            fs::rename(&link, folder.join(CURRENT))?;
            File::open(folder)?.sync_all()
        };
        swap().map_err(ArchiveError::io(folder))?;
        let packages = packages.into_values().map(|(package, _)| package).collect();
        Ok(Self {
            folder: folder.to_owned(),
            generation,
            packages,
        })
    }

    /// Removes every generation but the current one. Sessions that were started on an older one lose it.
    pub fn prune(folder: &Path) -> Result<(), ArchiveError> {
        let prune = || -> io::Result<()> {
            let current = fs::read_link(folder.join(CURRENT))?;
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let name = entry.file_name();
                let is_old = name
                    .to_str()
                    .is_some_and(|name| name.starts_with("generation-") || name.starts_with("aside-"));
                if is_old && Path::new(&name) != current {
                    fs::remove_dir_all(entry.path())?;
                }
            }
            Ok(())
        };
        prune().map_err(ArchiveError::io(folder))
    }
}

/// The package's own fields, then where its file is. Fields that would say so themselves are left out.
fn stanza(text: &mut String, package: &BinaryPackage, path: &str) {
    const OURS: [&str; 7] = ["filename", "size", "md5sum", "sha1", "sha256", "sha512", "status"];
    for (name, value) in &package.fields {
        if OURS.contains(&name.to_ascii_lowercase().as_str()) {
            continue;
        }
        field(text, name, value);
    }
    field(text, "Filename", path);
    field(text, "Size", &package.size.to_string());
    field(text, "SHA256", &package.sha256.to_string());
    text.push('\n');
}

fn field(text: &mut String, name: &str, value: &str) {
    let mut lines = value.lines();
    // Writing to a String can't fail.
    let _ = writeln!(text, "{name}: {}", lines.next().unwrap_or_default().trim());
    for line in lines {
        let line = line.trim_end();
        let _ = writeln!(text, " {}", if line.is_empty() { "." } else { line });
    }
}

fn release_text(labels: &RepositoryLabels, indices: &[(String, Vec<u8>)], date: SystemTime) -> String {
    let one_line = |text: &str| {
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect::<String>()
    };
    let mut text = String::new();
    field(&mut text, "Origin", &one_line(&labels.origin));
    field(&mut text, "Label", &one_line(&labels.label));
    field(&mut text, "Date", &format_date(date));
    field(&mut text, "Acquire-By-Hash", "yes");
    text.push_str("SHA256:\n");
    for (name, bytes) in indices {
        let _ = writeln!(text, " {} {} {name}", Sha256Digest::of(bytes), bytes.len());
    }
    text
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.set_permissions(fs::Permissions::from_mode(0o444))?;
    file.sync_all()
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn xz(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(bytes)?;
    encoder.finish()
}
