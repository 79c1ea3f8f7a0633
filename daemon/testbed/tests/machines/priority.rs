//! Whom a machine makes way for, on the libvirt of this host.

use std::path::{Path, PathBuf};

use super::bench::Bench;
use preflight_testbed::libvirt::LibvirtHypervisor;
use preflight_testbed::{Hypervisor, MachineId, MachineSpec, Priority};

/// A thread's nice value (proc(5), field 19); nothing of one that has ended.
fn nice_in(stat: &Path) -> Option<i32> {
    let line = std::fs::read_to_string(stat).ok()?;
    line.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse().ok()
}

/// The nice values of all threads of a machine's QEMU.
fn nice(id: &MachineId) -> Vec<i32> {
    let wanted = format!("guest={id},");
    let is_it = |path: &PathBuf| {
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&wanted)
    };
    let mut processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    std::fs::read_dir(processes.find(is_it).unwrap().join("task"))
        .unwrap()
        .filter_map(|thread| nice_in(&thread.unwrap().path().join("stat")))
        .collect()
}

#[tokio::test]
async fn machines_that_nobody_waits_for_make_way() {
    let bench = Bench::new("pr");
    let hypervisor = LibvirtHypervisor::connect(bench.configuration(5)).await.unwrap();
    for (number, priority) in [(1, Priority::Background), (2, Priority::Interactive)] {
        let spec = MachineSpec {
            priority,
            ..bench.spec(number)
        };
        hypervisor.start(&spec).await.unwrap();
        let seen = nice(&spec.id);
        // Who runs the tests behind everything else runs all machines there.
        let lowered = priority == Priority::Background || nice_in("/proc/self/stat".as_ref()) == Some(19);
        assert!(
            seen.len() > 1 && seen.iter().all(|nice| (*nice == 19) == lowered),
            "{priority:?}: {seen:?}"
        );
    }
    hypervisor.shut_down().await.unwrap();
}
