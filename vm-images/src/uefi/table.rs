//! The disk's partition table: GPT (UEFI specification 2.10, chapter 5), its copy at the end of the disk, and the protective
//! MBR before it. It knows neither what is in the partitions nor how an image boots.

use std::fs::File;
use std::io;

use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::{MBRError, ProtectiveMBR};
use gpt::partition_types;

use super::error::UefiError;
use super::layout::{Extent, Layout};

/// The sectors that the table counts in, in bytes. Firmware and kernel read it on any disk that has such sectors.
pub(super) const SECTOR: u64 = 512;

/// Writes the table into a file that is as large as the disk. `root` is the root partition's name.
pub(super) fn write(disk: &File, layout: &Layout, root: &str, architecture: &str) -> Result<(), UefiError> {
    let mut device = disk;
    // Where the disk is larger than an MBR can say, it is to say its most.
    let covered = u32::try_from(layout.size / SECTOR - 1).unwrap_or(u32::MAX);
    ProtectiveMBR::with_lb_size(covered)
        .overwrite_lba0(&mut device)
        .map_err(mbr)?;
    let mut table = GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(device, None)?;
    let sectors = |extent: Extent| (extent.start / SECTOR, extent.length / SECTOR);
    let (start, length) = sectors(layout.system);
    table.add_partition_at("EFI system partition", 1, start, length, partition_types::EFI, 0)?;
    let (start, length) = sectors(layout.root);
    // The discoverable partitions specification's type, by which systemd's tools know the root of this architecture.
    let kind = match architecture {
        "amd64" => partition_types::LINUX_ROOT_X64,
        "arm64" => partition_types::LINUX_ROOT_ARM_64,
        _ => partition_types::LINUX_FS,
    };
    table.add_partition_at(root, 2, start, length, kind, 0)?;
    table.write()?;
    Ok(())
}

fn mbr(error: MBRError) -> UefiError {
    UefiError::Table(gpt::GptError::Io(io::Error::other(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use std::io::{Read as _, Seek as _, SeekFrom};

    #[test]
    fn both_copies_name_both_partitions() {
        let layout = Layout::new(0, 20 << 30);
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(layout.size).unwrap();
        write(&disk, &layout, "preflight-0123456789ab", "amd64").unwrap();
        let read = GptConfig::new()
            .only_valid_headers(true)
            .open_from_device(&disk)
            .unwrap();
        let partitions: Vec<_> = read
            .partitions()
            .values()
            .filter(|partition| partition.is_used())
            .map(|partition| {
                let start = partition.first_lba * SECTOR;
                let length = (partition.last_lba + 1) * SECTOR - start;
                (partition.name.as_str(), Extent { start, length })
            })
            .collect();
        assert_eq!(
            partitions,
            [
                ("EFI system partition", layout.system),
                ("preflight-0123456789ab", layout.root)
            ]
        );
        let mut first = [0; 512];
        let mut device = &disk;
        device.seek(SeekFrom::Start(0)).unwrap();
        device.read_exact(&mut first).unwrap();
        // Signature, and a first record of the protective type that covers the disk from its second sector on.
        assert_eq!((&first[510..], first[450]), (&[0x55, 0xaa][..], 0xee));
        assert_eq!(first[454..458], 1_u32.to_le_bytes());
        let covered = u32::try_from(layout.size / SECTOR - 1).unwrap();
        assert_eq!(first[458..462], covered.to_le_bytes());
    }
}
