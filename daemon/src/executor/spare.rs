//! What the host can spare for machines that nobody has asked for yet: memory that is free now, and none on battery.
//! Reads what the kernel says (proc(5), and sysfs's power_supply class); decides nothing about testbeds that are wanted.

use std::path::Path;

/// A held clone's own memory, beyond what it shares with its template, in MiB; measured at 35 to 64.
const CLONE_MIB: u64 = 64;
/// Of the memory that is free, so much may go to held clones.
const SHARE: u64 = 8;
/// With less than this part of all memory free, the desktop needs it.
const SHORT: u64 = 10;

/// What the host can spare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Spare {
    total_mib: u64,
    available_mib: u64,
    on_battery: bool,
}

impl Spare {
    /// As it is now.
    pub(super) fn now() -> Self {
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self::of(&memory, on_battery(Path::new("/sys/class/power_supply")))
    }

    fn of(meminfo: &str, on_battery: bool) -> Self {
        let mib = |name: &str| {
            let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
            let kib: Option<u64> = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok());
            kib.unwrap_or(0) >> 10
        };
        Self {
            total_mib: mib("MemTotal:"),
            available_mib: mib("MemAvailable:"),
            on_battery,
        }
    }

    /// How many clones may be held at once, at most `most`.
    pub(super) fn clones(self, most: usize) -> usize {
        if self.on_battery || self.available_mib < self.total_mib / SHORT {
            return 0;
        }
        usize::try_from(self.available_mib / SHARE / CLONE_MIB).map_or(most, |fit| fit.min(most))
    }
}

/// Whether the host runs on a battery: there is a mains supply, and none is on line.
fn on_battery(supplies: &Path) -> bool {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let entries = std::fs::read_dir(supplies).into_iter().flatten().flatten();
    let mains: Vec<bool> = entries
        .map(|entry| entry.path())
        .filter(|supply| read(&supply.join("type")) == "Mains")
        .map(|supply| read(&supply.join("online")) == "1")
        .collect();
    !mains.is_empty() && !mains.contains(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meminfo(total_mib: u64, available_mib: u64) -> String {
        format!(
            "MemTotal:       {} kB\nMemFree: 1 kB\nMemAvailable:   {} kB\n",
            total_mib << 10,
            available_mib << 10
        )
    }

    #[test]
    fn a_pool_follows_what_is_free() {
        for (total, available, on_battery, most, clones) in [
            (16_000, 12_000, false, 4, 4),
            (16_000, 12_000, true, 4, 0),
            (16_000, 1_500, false, 4, 0),
            (4_000, 1_100, false, 4, 2),
            (16_000, 12_000, false, 0, 0),
        ] {
            let spare = Spare::of(&meminfo(total, available), on_battery);
            assert_eq!(spare.clones(most), clones, "{total} {available} {on_battery}");
        }
        assert_eq!(Spare::of("", false).clones(4), 0);
    }

    #[test]
    fn the_battery_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let supply = |name: &str, kind: &str, online: &str| {
            let supply = folder.path().join(name);
            std::fs::create_dir_all(&supply).unwrap();
            std::fs::write(supply.join("type"), kind).unwrap();
            std::fs::write(supply.join("online"), online).unwrap();
        };
        assert!(!on_battery(folder.path()));
        supply("BAT0", "Battery\n", "1\n");
        assert!(!on_battery(folder.path()));
        supply("AC", "Mains\n", "0\n");
        assert!(on_battery(folder.path()));
        supply("AC", "Mains\n", "1\n");
        assert!(!on_battery(folder.path()));
    }
}
