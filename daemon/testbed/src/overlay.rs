//! Disks by `qemu-img`: an overlay for a machine, a standalone image from one, and the sweep of what was left. Every
//! format is told and every chain spelt out, for a guest may write another format's header into its disk.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::machine::{Disk, DiskFormat};

mod standalone;

pub use standalone::Standalone;

/// How an overlay's file name ends; the sweep looks at nothing else.
pub const OVERLAY_SUFFIX: &str = "qcow2";

/// Why a disk could not be made or taken away.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// `qemu-img` is not there or can't be started.
    #[error("qemu-img: {0}; install it (Debian: qemu-utils)")]
    NoProgram(io::Error),
    /// `qemu-img` refused.
    #[error("qemu-img {verb} {path}: {said}")]
    Refused {
        /// What it was to do.
        verb: &'static str,
        /// The disk.
        path: PathBuf,
        /// Its words.
        said: String,
    },
    /// A file could not be read or removed.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// Creates an empty overlay on a base that is from now on only read; it takes some milliseconds and 200 KiB.
///
/// # Errors
/// `qemu-img` is missing or refuses, for one because the base is not there.
pub async fn create_overlay(base: &Path, base_format: DiskFormat, path: &Path) -> Result<(), OverlayError> {
    let mut command = Command::new("qemu-img");
    command.args([
        "create",
        "-q",
        "-f",
        DiskFormat::Qcow2.as_str(),
        "-F",
        base_format.as_str(),
        "-b",
    ]);
    command.arg(base).arg("--").arg(path);
    run("create", path, command).await
}

/// Makes a disk an overlay of `base`, which is in its chain, and of nothing between: what lies between is copied into it.
/// The machine must have ended.
///
/// # Errors
/// `qemu-img` is missing or refuses; the disk is not to be used then.
pub async fn rebase(disk: &Disk, base: &Path, base_format: DiskFormat) -> Result<(), OverlayError> {
    let mut command = Command::new("qemu-img");
    command
        .args(["rebase", "-q", "-F", base_format.as_str(), "-b"])
        .arg(base);
    command.arg("--").arg(format!("json:{}", chain(disk)));
    run("rebase", &disk.path, command).await
}

/// Takes an overlay away; one that is not there is no error.
///
/// # Errors
/// The file can't be removed.
pub fn remove(path: &Path) -> Result<(), OverlayError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OverlayError::File {
            path: path.to_owned(),
            source: error,
        }),
        _ => Ok(()),
    }
}

/// All overlays in a folder, for the sweep at the daemon's start; none where there is no folder.
///
/// # Errors
/// The folder can't be read.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, OverlayError> {
    let failed = |source| OverlayError::File {
        path: folder.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|suffix| suffix == OVERLAY_SUFFIX) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A disk and its chain as QEMU's block layer takes it, ended explicitly.
fn chain(disk: &Disk) -> Value {
    let node = |path: &Path, format: DiskFormat, backing: Value| {
        let mut node = json!({
            "driver": format.as_str(),
            "file": { "driver": "file", "filename": path.to_string_lossy() },
        });
        if format == DiskFormat::Qcow2 {
            node["backing"] = backing;
        }
        node
    };
    let below = disk
        .backing
        .iter()
        .rev()
        .fold(Value::Null, |below, (path, format)| node(path, *format, below));
    node(&disk.path, disk.format, below)
}

async fn run(verb: &'static str, path: &Path, command: Command) -> Result<(), OverlayError> {
    run_on(verb, path, command, Stdio::null()).await
}

async fn run_on(verb: &'static str, path: &Path, mut command: Command, input: Stdio) -> Result<(), OverlayError> {
    let output = command
        .stdin(input)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(OverlayError::NoProgram)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(OverlayError::Refused {
        verb,
        path: path.to_owned(),
        said,
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command as Blocking;

    use super::*;

    fn qemu(program: &str, arguments: &[&str]) -> bool {
        Blocking::new(program)
            .args(arguments)
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    }

    #[tokio::test]
    async fn what_lies_between_a_disk_and_its_base_can_go() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("base.raw"), vec![1; 1 << 20]).unwrap();
        create_overlay(&at("base.raw"), DiskFormat::Raw, &at("1.qcow2"))
            .await
            .unwrap();
        create_overlay(&at("1.qcow2"), DiskFormat::Qcow2, &at("2.qcow2"))
            .await
            .unwrap();
        for (name, write) in [
            ("1.qcow2", "write -P 7 65536 4096"),
            ("2.qcow2", "write -P 8 131072 4096"),
        ] {
            assert!(qemu(
                "qemu-io",
                &["-f", "qcow2", "-c", write, at(name).to_str().unwrap()]
            ));
        }
        let disk = Disk {
            path: at("2.qcow2"),
            format: DiskFormat::Qcow2,
            backing: vec![(at("1.qcow2"), DiskFormat::Qcow2), (at("base.raw"), DiskFormat::Raw)],
        };
        rebase(&disk, &at("base.raw"), DiskFormat::Raw).await.unwrap();
        remove(&at("1.qcow2")).unwrap();
        let (from, to) = (at("2.qcow2"), at("flat"));
        let convert = [
            "convert",
            "-f",
            "qcow2",
            "-O",
            "raw",
            from.to_str().unwrap(),
            to.to_str().unwrap(),
        ];
        assert!(qemu("qemu-img", &convert));
        let mut wanted = vec![1; 1 << 20];
        wanted[65536..65536 + 4096].fill(7);
        wanted[131_072..131_072 + 4096].fill(8);
        assert!(std::fs::read(to).unwrap() == wanted);
    }

    #[tokio::test]
    async fn a_missing_base_is_named_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("no-base");
        let overlay = folder.path().join("1.qcow2");
        let error = create_overlay(&base, DiskFormat::Qcow2, &overlay)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("no-base"), "{error}");
        assert!(list(folder.path()).unwrap().is_empty());
        assert!(list(&folder.path().join("none")).unwrap().is_empty());
    }
}
