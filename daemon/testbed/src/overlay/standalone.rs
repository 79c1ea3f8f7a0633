//! Disks that stand alone: what a machine saw as its disk, copied into an open file, whole or at a place of a larger disk.
//! The file needs no name, so that one which is not finished is nothing that anybody could find.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::{OverlayError, chain, run_on};
use crate::machine::{Disk, DiskFormat};

/// What `qemu-img` calls its standard input: the open file itself, whatever name it has or lacks.
const THE_FILE: &str = "/dev/stdin";

/// A disk in an open file.
#[derive(Debug)]
pub struct Standalone {
    file: File,
    format: DiskFormat,
}

impl Standalone {
    /// A disk of so many bytes, all zero, in an empty file that is open for reading and writing. A raw one may be there
    /// already in that size: what has been written stays.
    ///
    /// # Errors
    /// `qemu-img` is missing or refuses, or the file system does.
    pub async fn create(file: File, format: DiskFormat, size: u64) -> Result<Self, OverlayError> {
        let disk = Self { file, format };
        match format {
            DiskFormat::Raw => disk.file.set_len(size).map_err(failed)?,
            DiskFormat::Qcow2 => {
                let mut command = Command::new("qemu-img");
                command
                    .args(["create", "-q", "-f", format.as_str(), "--", THE_FILE])
                    .arg(size.to_string());
                run_on("create", Path::new(THE_FILE), command, disk.input()?).await?;
            }
        }
        Ok(disk)
    }

    /// Copies what a machine saw as its disk, which is of `length` bytes at most, to a place where nothing has been written.
    /// Zeros stay what they are: holes. The machine must have ended. Ends with the future.
    ///
    /// # Errors
    /// `qemu-img` is missing or refuses; the disk is of no use then.
    pub async fn fill(&self, from: &Disk, offset: u64, length: u64) -> Result<(), OverlayError> {
        let below = match self.format {
            DiskFormat::Raw => format!("file.driver=file,file.filename={THE_FILE}"),
            DiskFormat::Qcow2 => format!("file.driver=qcow2,file.file.driver=file,file.file.filename={THE_FILE}"),
        };
        let mut command = Command::new("qemu-img");
        // The chain is given, not taken from the image's header: the header lies in a file that QEMU's user can write.
        command
            .args(["convert", "-q", "-n", "--target-is-zero", "--target-image-opts", "--"])
            .arg(format!("json:{}", chain(from)))
            .arg(format!("driver=raw,offset={offset},size={length},{below}"));
        run_on("convert", &from.path, command, self.input()?).await
    }

    fn input(&self) -> Result<Stdio, OverlayError> {
        Ok(Stdio::from(self.file.try_clone().map_err(failed)?))
    }
}

fn failed(source: io::Error) -> OverlayError {
    OverlayError::File {
        path: THE_FILE.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::create_overlay;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::PathBuf;
    use std::process::Command as Blocking;

    const MIB: usize = 1 << 20;

    fn qemu(program: &str, arguments: &[&str]) {
        let status = Blocking::new(program).args(arguments).stdout(Stdio::null()).status();
        assert!(status.unwrap().success(), "{program} {arguments:?}");
    }

    /// A chain of three, and what a machine sees as its disk.
    async fn chain_of_three(at: impl Fn(&str) -> PathBuf) -> (Disk, Vec<u8>) {
        // A raw base that looks like a qcow2 image: probing would take it for one.
        let mut seen = vec![0; MIB];
        seen[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        std::fs::write(at("base.raw"), &seen).unwrap();
        let (raw, qcow2) = (DiskFormat::Raw, DiskFormat::Qcow2);
        create_overlay(&at("base.raw"), raw, &at("1.qcow2")).await.unwrap();
        create_overlay(&at("1.qcow2"), qcow2, &at("2.qcow2")).await.unwrap();
        let top = at("2.qcow2");
        let write = ["-f", "qcow2", "-c", "write -P 7 65536 4096", top.to_str().unwrap()];
        qemu("qemu-io", &write);
        seen[65536..65536 + 4096].fill(7);
        let backing = vec![(at("1.qcow2"), qcow2), (at("base.raw"), raw)];
        let disk = Disk {
            path: top,
            format: qcow2,
            backing,
        };
        (disk, seen)
    }

    #[tokio::test]
    async fn a_chain_stands_alone_at_its_place_in_a_larger_disk() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (disk, seen) = chain_of_three(at).await;
        let mut wanted = vec![0; 4 * MIB];
        wanted[..9].copy_from_slice(b"partition");
        wanted[2 * MIB..3 * MIB].copy_from_slice(&seen);
        let before = Disk {
            path: at("before"),
            format: DiskFormat::Raw,
            backing: vec![],
        };
        std::fs::write(&before.path, &wanted[..512]).unwrap();
        for format in [DiskFormat::Raw, DiskFormat::Qcow2] {
            // A name with what qemu-img's options are parted by; one without a name is the daemon's own test.
            let path = at(&format!("whole,{},driver=x", format.as_str()));
            let file = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)
                .unwrap();
            let whole = Standalone::create(file, format, 4 * MIB as u64).await.unwrap();
            whole.fill(&before, 0, 512).await.unwrap();
            whole.fill(&disk, 2 * MIB as u64, MIB as u64).await.unwrap();
            let flat = at("flat");
            let source = Disk {
                path,
                format,
                backing: vec![],
            };
            let source = format!("json:{}", chain(&source));
            qemu(
                "qemu-img",
                &["convert", "-O", "raw", "--", &source, flat.to_str().unwrap()],
            );
            assert!(std::fs::read(&flat).unwrap() == wanted, "{format:?}");
            let blocks = std::fs::metadata(at(&format!("whole,{},driver=x", format.as_str())))
                .unwrap()
                .blocks();
            assert!(blocks * 512 < MIB as u64, "{format:?}: {blocks} blocks");
        }
    }

    #[tokio::test]
    async fn a_disk_that_does_not_fit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (disk, _) = chain_of_three(at).await;
        let file = tempfile::tempfile_in(folder.path()).unwrap();
        let whole = Standalone::create(file, DiskFormat::Qcow2, 2 * MIB as u64)
            .await
            .unwrap();
        let refused = whole.fill(&disk, 1 << 19, 1 << 19).await.unwrap_err().to_string();
        assert!(refused.contains("2.qcow2"), "{refused}");
    }
}
