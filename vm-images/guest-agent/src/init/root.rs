//! Finds the root disk: by its device, or by its partition's name, where nobody can know on which bus the disk will be. The
//! kernel says of each partition what it is called; there is no udev here that would make links of it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::InitError;

/// What stands before a partition's name; the kernel knows the same word.
const LABEL: &str = "PARTLABEL=";
const BLOCK_DEVICES: &str = "/sys/class/block";
/// Under emulation a busy host may take long to find a disk.
const DISK_DEADLINE: Duration = Duration::from_secs(20);

/// Waits for the root disk to appear, and answers with its device.
pub(super) fn wait_for(root: &str) -> Result<String, InitError> {
    let start = Instant::now();
    loop {
        let found = match root.strip_prefix(LABEL) {
            Some(label) => by_label(Path::new(BLOCK_DEVICES), label),
            None => Path::new(root).exists().then(|| root.to_owned()),
        };
        match found {
            Some(device) => return Ok(device),
            None if start.elapsed() > DISK_DEADLINE => return Err(InitError::NoDisk(root.to_owned())),
            None => crate::port::pause(),
        }
    }
}

/// The device of the partition of this name. A disk that is just being found has partitions that say nothing yet.
fn by_label(devices: &Path, label: &str) -> Option<String> {
    for entry in fs::read_dir(devices).ok()?.flatten() {
        let Ok(said) = fs::read_to_string(entry.path().join("uevent")) else {
            continue;
        };
        let value = |key: &str| {
            said.lines()
                .filter_map(|line| line.split_once('='))
                .find_map(|(found, value)| (found == key).then_some(value))
        };
        if value("PARTNAME") == Some(label) {
            return value("DEVNAME").map(|name| format!("/dev/{name}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_found_by_its_whole_name() {
        let devices = tempfile::tempdir().unwrap();
        for (name, said) in [
            ("nvme0n1", "MAJOR=259\nDEVNAME=nvme0n1\nDEVTYPE=disk\n"),
            (
                "nvme0n1p1",
                "DEVNAME=nvme0n1p1\nDEVTYPE=partition\nPARTN=1\nPARTNAME=EFI system partition\n",
            ),
            (
                "nvme0n1p2",
                "DEVNAME=nvme0n1p2\nDEVTYPE=partition\nPARTN=2\nPARTNAME=preflight-12\n",
            ),
        ] {
            fs::create_dir(devices.path().join(name)).unwrap();
            fs::write(devices.path().join(name).join("uevent"), said).unwrap();
        }
        let find = |label| by_label(devices.path(), label);
        assert_eq!(find("preflight-12").as_deref(), Some("/dev/nvme0n1p2"));
        assert_eq!(find("EFI system partition").as_deref(), Some("/dev/nvme0n1p1"));
        assert_eq!(find("preflight-1"), None);
        assert_eq!(by_label(&devices.path().join("none"), "preflight-12"), None);
    }

    #[test]
    fn a_device_is_taken_by_its_name() {
        assert_eq!(wait_for("/dev/null").unwrap(), "/dev/null");
    }
}
