//! The EFI system partition: FAT32, made and filled by mtools in a piece of an open file. It knows paths and sizes, not what
//! the files are for.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::error::UefiError;
use super::layout::Extent;
use super::table::SECTOR;

/// A track of 32 sectors and 64 heads: 1 MiB a cylinder, so that an aligned partition has whole ones, which mtools checks.
const GEOMETRY: [&str; 4] = ["-s", "32", "-h", "64"];

/// A file of the partition.
#[derive(Debug)]
pub(super) struct Placed {
    /// Where it goes: `/`-separated, from the partition's root.
    pub(super) path: String,
    /// The host's file that it is a copy of.
    pub(super) source: PathBuf,
}

/// Makes the file system in this piece of the disk, and puts the files into it.
pub(super) fn write(disk: &File, place: Extent, files: &[Placed]) -> Result<(), UefiError> {
    let sectors = (place.length / SECTOR).to_string();
    let before = (place.start / SECTOR).to_string();
    let mut format = tool("mformat", disk, place)?;
    // One sector a cluster: the fewest bytes with which it is FAT32 at all.
    format
        .args(["-F", "-c", "1", "-v", "PREFLIGHT", "-T", &sectors, "-H", &before])
        .args(GEOMETRY)
        .arg("::");
    run("mformat", format)?;
    let mut folders: Vec<&str> = Vec::new();
    for file in files {
        let parents = file.path.match_indices('/').skip(1).map(|(end, _)| &file.path[..end]);
        for parent in parents {
            if !folders.contains(&parent) {
                folders.push(parent);
            }
        }
    }
    let mut make = tool("mmd", disk, place)?;
    make.args(folders.iter().map(|folder| format!("::{folder}")));
    run("mmd", make)?;
    for file in files {
        let mut copy = tool("mcopy", disk, place)?;
        copy.arg(&file.source).arg(format!("::{}", file.path));
        run("mcopy", copy)?;
    }
    Ok(())
}

/// One of mtools, told of no drive but this piece of the disk, whatever this user's configuration says. The disk is its
/// standard input, so that a file without a name will do.
fn tool(name: &'static str, disk: &File, place: Extent) -> Result<Command, UefiError> {
    let missing = |source| UefiError::NoTool { tool: name, source };
    let mut command = Command::new(name);
    command
        .env("MTOOLSRC", "/dev/null")
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::from(disk.try_clone().map_err(missing)?))
        .stdout(Stdio::null())
        .arg("-i")
        .arg(format!("/dev/stdin@@{}", place.start));
    Ok(command)
}

fn run(tool: &'static str, mut command: Command) -> Result<(), UefiError> {
    let output = command.output().map_err(|source| UefiError::NoTool { tool, source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(UefiError::Tool { tool, said })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn mtools_find_the_files_where_the_partition_is() {
        let folder = tempfile::tempdir().unwrap();
        let place = Extent {
            start: 1 << 20,
            length: 64 << 20,
        };
        let path = folder.path().join("disk.raw");
        let disk = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        disk.set_len(place.end() + (1 << 20)).unwrap();
        let source = folder.path().join("source");
        std::fs::write(&source, "title A disk\n").unwrap();
        let files = [
            "/EFI/BOOT/BOOTX64.EFI",
            "/loader/entries/preflight.conf",
            "/loader/loader.conf",
        ];
        let files = files.map(|path| Placed {
            path: path.to_owned(),
            source: source.clone(),
        });
        write(&disk, place, &files).unwrap();

        let image = format!("{}@@{}", path.display(), place.start);
        let ask = |tool: &str, argument: &str| {
            let output = Command::new(tool).args(["-i", &image, argument]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        for file in &files {
            assert_eq!(ask("mtype", &format!("::{}", file.path)), "title A disk\n");
        }
        // The boot sector's own word: a file system's type is told by the number of its clusters, not by this.
        let told = ask("minfo", "::");
        assert!(told.contains("FAT32"), "{told}");
        assert!(told.contains("hidden sectors: 2048"), "{told}");
        // Nothing is before or behind it.
        let bytes = std::fs::read(&path).unwrap();
        let outside = bytes[..1 << 20].iter().chain(&bytes[65 << 20..]);
        assert!(outside.copied().all(|byte| byte == 0));
    }
}
