//! What a process costs: its memory and how often it wakes, in the kernel's words (proc(5)).

use std::path::Path;

use nix::unistd::Pid;

use crate::error::BenchError;

/// A process's share of memory, in bytes: what it shares counts in parts (`Pss` of `smaps_rollup`).
pub(crate) fn proportional_memory(pid: Pid) -> Result<u64, BenchError> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:").map(|kibibytes| kibibytes * 1024)
}

/// The memory that a process has in RAM, in bytes (`VmRSS`).
pub(crate) fn resident_memory(pid: Pid) -> Result<u64, BenchError> {
    field(&format!("/proc/{pid}/status"), "VmRSS:").map(|kibibytes| kibibytes * 1024)
}

/// How often the threads of a process have gone to wait so far; each time something woke one again.
pub(crate) fn wake_ups(pid: Pid) -> Result<u64, BenchError> {
    let folder = format!("/proc/{pid}/task");
    let entries = std::fs::read_dir(&folder).map_err(BenchError::io(folder))?;
    let mut sum = 0;
    for entry in entries.flatten() {
        let status = entry.path().join("status");
        // A thread may have ended meanwhile.
        sum += field(&status.to_string_lossy(), "voluntary_ctxt_switches:").unwrap_or(0);
    }
    Ok(sum)
}

/// The processor time that a process has used, in clock ticks (`utime` and `stime` of proc(5)'s `stat`).
pub(crate) fn processor_time(pid: Pid) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The program's name may hold anything; the state, the third field, follows its last parenthesis.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = rest.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// The processes whose command line holds all of these, for one that has no better name.
pub(crate) fn with_arguments(wanted: &[&str]) -> Vec<Pid> {
    let Ok(entries) = Path::new("/proc").read_dir() else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            wanted
                .iter()
                .all(|part| line.contains(part))
                .then(|| Pid::from_raw(pid))
        })
        .collect()
}

fn field(file: &str, name: &str) -> Result<u64, BenchError> {
    let text = std::fs::read_to_string(file).map_err(BenchError::io(file))?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| BenchError::Unexpected(format!("{file} has no {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_this_process() {
        let own = Pid::this();
        let memory = resident_memory(own).unwrap();
        assert!(memory > 1 << 19 && memory < 1 << 32, "{memory}");
        assert!(proportional_memory(own).unwrap() <= memory * 2);
        wake_ups(own).unwrap();
        let before = processor_time(own);
        let mut sum = 0_u64;
        while processor_time(own) == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(field("/proc/self/status", "NoSuchField:").is_err());
    }
}
