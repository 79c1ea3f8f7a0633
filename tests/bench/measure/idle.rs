//! The daemon at rest: how often it wakes, and the memory that it holds; the same of the keeper and of a private libvirt.

use std::time::{Duration, Instant};

use nix::unistd::Pid;
use preflight_tests::progress;
use preflight_tests::wait::wait_until;

use crate::bed::{Bed, Pool};
use crate::error::BenchError;
use crate::finding::{Findings, Key};
use crate::process;

/// Until a daemon is at rest after its last work.
const SETTLE: Duration = Duration::from_secs(30);
/// Until its last machine is gone.
const GONE: Duration = Duration::from_secs(120);
const MINUTE: Duration = Duration::from_secs(60);

/// Measures so many minutes, one by one.
pub(crate) fn measure(bed: &Bed, minutes: u32, findings: &mut Findings) -> Result<(), BenchError> {
    bed.accelerator()?;
    bed.restart(Pool::None)?;
    // It has worked: libvirt is connected, its caches are filled.
    bed.claim()?;
    wait_until("the end of the last machine", GONE, || bed.home.machines().is_empty());
    let daemon = bed
        .home
        .daemon()
        .ok_or_else(|| BenchError::Unexpected("no daemon runs".to_owned()))?;
    // The keeper's processes name their folder.
    let keeper = bed.home.folders.runtime.join("keeper").display().to_string();
    let mut beside = process::with_arguments(&["preflight-keeper", &keeper]);
    beside.extend(process::with_arguments(&["libvirtd", &keeper]));
    progress::say(&format!(
        "the daemon at rest, {minutes} min: process {daemon}, beside it {beside:?}"
    ));
    rest(SETTLE);
    let [mut own_wakes, mut own_memory, mut wakes, mut memory] = [const { Vec::new() }; 4];
    for _ in 0..minutes {
        let before = (process::wake_ups(daemon)?, sum(&beside, process::wake_ups)?);
        let since = Instant::now();
        rest(MINUTE);
        let a_minute = since.elapsed().as_secs_f64() / MINUTE.as_secs_f64();
        let after = (process::wake_ups(daemon)?, sum(&beside, process::wake_ups)?);
        own_wakes.push((after.0 - before.0) as f64 / a_minute);
        wakes.push((after.1 - before.1) as f64 / a_minute);
        own_memory.push(process::resident_memory(daemon)? as f64);
        memory.push(sum(&beside, process::resident_memory)? as f64);
    }
    findings.found(Key::IdleWakeUps, own_wakes, None);
    findings.found(Key::IdleMemory, own_memory, None);
    findings.found(Key::IdleWakeUpsBeside, wakes, None);
    findings.found(Key::IdleMemoryBeside, memory, None);
    Ok(())
}

fn sum(processes: &[Pid], of: impl Fn(Pid) -> Result<u64, BenchError>) -> Result<u64, BenchError> {
    processes.iter().map(|pid| of(*pid)).sum()
}

/// Lets time pass.
#[expect(
    clippy::disallowed_methods,
    reason = "what is measured is a span in which nothing happens"
)]
fn rest(span: Duration) {
    std::thread::sleep(span);
}
