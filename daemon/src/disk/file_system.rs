//! The file systems that the daemon's folders are on: how large, how much is free, and what must stay free.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use super::item::Device;
use super::plan::Goal;

/// Of a large file system no more than this stays free, in bytes.
const LARGEST_RESERVE: u64 = 2_000_000_000;
/// Of a small one, one part of so many.
const RESERVE_PART: u64 = 20;

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) device: Device,
    /// The daemon's folders on it.
    pub(super) folders: Vec<PathBuf>,
    /// Bytes.
    pub(super) size: u64,
    /// Bytes that this user could still write.
    pub(super) free: u64,
}

impl Disk {
    /// The file systems of these folders, each once; of a folder that is not there, none.
    pub(super) fn of(folders: &[&Path]) -> io::Result<Vec<Self>> {
        let mut disks: Vec<Self> = Vec::new();
        for folder in folders {
            let device = match std::fs::metadata(folder) {
                Ok(metadata) => Device(metadata.dev()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if let Some(known) = disks.iter_mut().find(|disk| disk.device == device) {
                known.folders.push((*folder).to_owned());
                continue;
            }
            let numbers = statvfs(*folder)?;
            disks.push(Self {
                device,
                folders: vec![(*folder).to_owned()],
                size: numbers.blocks().saturating_mul(numbers.fragment_size()),
                free: numbers.blocks_available().saturating_mul(numbers.fragment_size()),
            });
        }
        Ok(disks)
    }

    /// Bytes that the daemon leaves free: 5 %, and no more than 2 GB.
    pub(super) fn reserve(&self) -> u64 {
        (self.size / RESERVE_PART).min(LARGEST_RESERVE)
    }
}

/// What must go so that so much more fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Demand {
    /// What all may take together, in bytes.
    pub(super) budget: u64,
    /// What all takes.
    pub(super) used: u64,
    /// What of it goes by itself soon: disks of running testbeds.
    pub(super) passing: u64,
    /// What is promised to what is just being made.
    pub(super) promised: u64,
    /// What is asked for besides, and where.
    pub(super) wanted: Option<(Device, u64)>,
}

impl Demand {
    /// What must go.
    pub(super) fn goal(&self, disks: &[Disk]) -> Goal {
        let bytes = self.wanted.map_or(0, |(_, bytes)| bytes);
        let on = |disk: &Disk| {
            let here = self
                .wanted
                .filter(|(device, _)| *device == disk.device)
                .map_or(0, |(_, bytes)| bytes);
            // Where the promised will be written is not known: it may all be here.
            let needed = disk.reserve().saturating_add(self.promised).saturating_add(here);
            (disk.device, needed.saturating_sub(disk.free))
        };
        Goal {
            total: (self.used.saturating_add(self.promised).saturating_add(bytes)).saturating_sub(self.budget),
            passing: self.passing,
            on: disks.iter().map(on).collect(),
            all: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(device: u64, size: u64, free: u64) -> Disk {
        Disk {
            device: Device(device),
            folders: vec![],
            size,
            free,
        }
    }

    #[test]
    fn five_percent_or_two_gigabytes_stay_free() {
        assert_eq!(disk(0, 1_000_000, 0).reserve(), 50_000);
        assert_eq!(disk(0, 1_000_000_000_000, 0).reserve(), 2_000_000_000);
    }

    #[test]
    fn budget_and_disks_are_both_kept() {
        let demand = |used, promised, wanted| Demand {
            budget: 1000,
            used,
            passing: 0,
            promised,
            wanted,
        };
        let disks = [disk(1, 2000, 500), disk(2, 2000, 110)];
        for (demand, total, on) in [
            (demand(900, 0, None), 0, [0, 0]),
            (demand(900, 50, Some((Device(1), 50))), 0, [0, 40]),
            (demand(900, 50, Some((Device(1), 51))), 1, [0, 40]),
            (demand(900, 0, Some((Device(2), 30))), 0, [0, 20]),
            (demand(0, 0, Some((Device(1), 500))), 0, [100, 0]),
            (demand(2000, 10, None), 1010, [0, 0]),
            (
                demand(u64::MAX, u64::MAX, Some((Device(1), u64::MAX))),
                u64::MAX - 1000,
                [u64::MAX - 500, u64::MAX - 110],
            ),
        ] {
            let goal = demand.goal(&disks);
            assert_eq!(
                (goal.total, goal.on.into_values().collect::<Vec<_>>()),
                (total, on.to_vec()),
                "{demand:?}"
            );
        }
    }

    #[test]
    fn folders_of_one_file_system_are_one_disk() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let disks = Disk::of(&[folder.path(), &inner, Path::new("/nonexistent")]).unwrap();
        assert_eq!((disks.len(), disks[0].folders.len()), (1, 2));
        assert!(disks[0].size >= disks[0].free);
    }
}
