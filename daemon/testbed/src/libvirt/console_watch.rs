//! The bound on what a guest may write to its console. QEMU appends without end, and a guest is hostile: its log could
//! fill the host's disk.

use crate::machine::{MachineFolder, MachineId};

/// The largest console log in bytes. A kernel's boot says 40 KiB; a debug kernel with a trace on each line, a few MiB.
pub(super) const LARGEST_CONSOLE_LOG: u64 = 32 << 20;

/// The machines whose log is too large.
pub(super) fn flooded(folders: Vec<(MachineId, MachineFolder)>, largest: u64) -> Vec<MachineId> {
    folders
        .into_iter()
        .filter(|(_, folder)| std::fs::metadata(folder.console_log()).is_ok_and(|found| found.len() > largest))
        .map(|(id, _)| id)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::InstallationId;

    #[test]
    fn only_a_flood_is_named() {
        let home = tempfile::tempdir().unwrap();
        let machines: Vec<_> = (0..3)
            .map(|number| {
                let folder = MachineFolder::new(&home.path().join(number.to_string())).unwrap();
                std::fs::create_dir(folder.path()).unwrap();
                (MachineId::new(InstallationId::new("t").unwrap(), number), folder)
            })
            .collect();
        std::fs::write(machines[0].1.console_log(), [0; 10]).unwrap();
        std::fs::write(machines[1].1.console_log(), [0; 11]).unwrap();
        assert_eq!(flooded(machines.clone(), 10), [machines[1].0.clone()]);
    }
}
