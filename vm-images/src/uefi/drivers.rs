//! The drivers that such a disk needs beside an image's own: whoever boots it may have put it on any bus. They are read
//! out of the base image's file system, where depmod has written down what depends on what.

use std::collections::BTreeSet;
use std::path::Path;

use ext4_view::Ext4;

use super::error::UefiError;
use crate::image::ImageMetadata;
use crate::module_file;

/// What the disk may be on, as far as the kernel has it: virtio, NVMe, SATA and old IDE, and disks on either's SCSI layer.
/// Only what loads on any machine: the initrd takes a module that does not for a fault.
const WANTED: [&str; 7] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "nvme",
    "ahci",
    "ata_piix",
    "sd_mod",
];
/// The list of what depends on what is a few hundred KiB.
const LONGEST_LIST: usize = 16 << 20;

/// A module's file name, and what is in it.
pub(super) type Module = (String, Vec<u8>);

/// The wanted modules of an image's kernel and what they depend on, in the order in which they are to be loaded, without
/// those that the initrd has already.
pub(super) fn beside(image: &ImageMetadata, disk: &Path) -> Result<Vec<Module>, UefiError> {
    let folder = format!("/usr/lib/modules/{}", image.kernel_release);
    let unreadable = |file: &str, detail: String| UefiError::Module {
        file: file.to_owned(),
        detail,
    };
    let system = Ext4::load_from_path(disk).map_err(|error| unreadable("/", error.to_string()))?;
    let list = format!("{folder}/modules.dep");
    let dependencies = system.read_to_string(list.as_str());
    let dependencies = dependencies.map_err(|error| unreadable(&list, error.to_string()))?;
    if dependencies.len() > LONGEST_LIST {
        return Err(unreadable(&list, "it is longer than any such list".to_owned()));
    }
    let had = image.modules.iter().map(|module| name(&module.file));
    let mut modules = Vec::new();
    for path in order(&dependencies, &WANTED, had.collect()) {
        let file = format!("{folder}/{path}");
        let packed = system
            .read(file.as_str())
            .map_err(|error| unreadable(&file, error.to_string()))?;
        let base = path.rsplit('/').next().unwrap_or(path);
        let plain = module_file::plain_name(base)
            .ok_or_else(|| unreadable(&file, "this is no kernel module's file name".to_owned()))?;
        let bytes =
            module_file::unpack(base, packed.as_slice()).map_err(|error| unreadable(&file, error.to_string()))?;
        modules.push((plain.to_owned(), bytes));
    }
    Ok(modules)
}

/// The paths of modules.dep(5) to load, in their order; what is built in, or not there, is in no such list. A line names a
/// module and all that it depends on, of which the last is loaded first.
fn order<'a>(dependencies: &'a str, wanted: &[&str], mut had: BTreeSet<String>) -> Vec<&'a str> {
    let mut paths = Vec::new();
    for module in wanted {
        let line = dependencies
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(path, _)| name(path) == *module);
        let Some((path, needed)) = line else { continue };
        let needed: Vec<&str> = needed.split_whitespace().collect();
        for path in needed.into_iter().rev().chain([path]) {
            if had.insert(name(path)) {
                paths.push(path);
            }
        }
    }
    paths
}

/// A module's name by its path: the kernel does not tell `-` from `_`.
fn name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Sha256;
    use crate::image::KernelModule;
    use crate::image::tests::metadata;
    use crate::recipe::Variant;
    use pretty_assertions::assert_eq;
    use std::process::Command;

    const DEPENDENCIES: &str = "\
kernel/drivers/virtio/virtio.ko.xz: kernel/drivers/virtio/virtio_ring.ko.xz
kernel/drivers/virtio/virtio_ring.ko.xz:
kernel/drivers/scsi/sd_mod.ko.xz: kernel/drivers/scsi/scsi_mod.ko.xz kernel/drivers/scsi/scsi_common.ko.xz
kernel/drivers/ata/ahci.ko.xz: kernel/drivers/ata/libahci.ko.xz kernel/drivers/scsi/scsi_mod.ko.xz kernel/drivers/scsi/scsi_common.ko.xz
kernel/drivers/block/virtio_blk.ko.xz: kernel/drivers/virtio/virtio.ko.xz kernel/drivers/virtio/virtio_ring.ko.xz
kernel/drivers/nvme/host/nvme.ko.xz: kernel/drivers/nvme/host/nvme-core.ko.xz
";

    fn files(had: &[&str]) -> Vec<String> {
        let had = had.iter().map(|name| (*name).to_owned()).collect();
        let paths = order(DEPENDENCIES, &WANTED, had);
        paths.iter().map(|path| name(path)).collect()
    }

    #[test]
    fn what_a_module_depends_on_comes_before_it_and_once() {
        assert_eq!(
            files(&[]),
            [
                "virtio_ring",
                "virtio",
                "virtio_blk",
                "nvme_core",
                "nvme",
                "scsi_common",
                "scsi_mod",
                "libahci",
                "ahci",
                "sd_mod"
            ]
        );
        assert_eq!(
            files(&["virtio", "virtio_ring", "virtio_blk", "scsi_common"]),
            ["nvme_core", "nvme", "scsi_mod", "libahci", "ahci", "sd_mod"]
        );
    }

    #[test]
    fn they_are_read_out_of_a_file_system_that_nobody_mounts() {
        let folder = tempfile::tempdir().unwrap();
        let mut image = metadata(Variant::Test, "a", jiff::Timestamp::UNIX_EPOCH);
        image.modules = ["virtio.ko", "virtio-blk.ko"]
            .map(|file| KernelModule {
                file: file.to_owned(),
                sha256: Sha256::of(b""),
            })
            .into();
        let modules = folder.path().join("tree/usr/lib/modules").join(&image.kernel_release);
        for path in order(DEPENDENCIES, &WANTED, BTreeSet::new()) {
            let file = modules.join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            let mut packed = Vec::new();
            let mut encoder = liblzma::write::XzEncoder::new(&mut packed, 0);
            std::io::Write::write_all(&mut encoder, name(path).as_bytes()).unwrap();
            encoder.finish().unwrap();
            std::fs::write(file, packed).unwrap();
        }
        std::fs::write(modules.join("modules.dep"), DEPENDENCIES).unwrap();
        let disk = folder.path().join("root.raw");
        std::fs::File::create(&disk).unwrap().set_len(32 << 20).unwrap();
        let made = Command::new("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-d"])
            .args([&folder.path().join("tree"), &disk])
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .status()
            .unwrap();
        assert!(made.success());
        let found = beside(&image, &disk).unwrap();
        let names: Vec<&str> = found.iter().map(|(file, _)| file.as_str()).collect();
        assert_eq!(
            names,
            [
                "virtio_ring.ko",
                "nvme-core.ko",
                "nvme.ko",
                "scsi_common.ko",
                "scsi_mod.ko",
                "libahci.ko",
                "ahci.ko",
                "sd_mod.ko"
            ]
        );
        for (file, bytes) in found {
            assert_eq!(String::from_utf8(bytes).unwrap(), name(&file));
        }
        image.kernel_release = "7.0".to_owned();
        let missing = beside(&image, &disk).unwrap_err().to_string();
        assert!(missing.contains("/usr/lib/modules/7.0/modules.dep"), "{missing}");
    }
}
