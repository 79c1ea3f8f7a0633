//! How much of the host all testbeds together may take: what is configured, otherwise what the host has. Who gets it is
//! the scheduler's choice.

use preflight_core::schedule::{Capacity, Demand};

use crate::config::SchedulerConfig;

/// The capacity of this host for testbeds that take so much each.
pub(crate) fn capacity(config: &SchedulerConfig, testbed: Demand) -> Capacity {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = nix::sys::sysinfo::sysinfo().map_or(0, |info| info.ram_total());
    of(config, testbed, cores, memory)
}

/// Processors as the host has them and half of its memory in bytes, but never less than one testbed takes: what is
/// shared then is shared with the owner's own programs. What is configured is taken as it is said.
fn of(config: &SchedulerConfig, testbed: Demand, cores: usize, memory: u64) -> Capacity {
    let half = u32::try_from(memory / 2 / (1 << 20)).unwrap_or(u32::MAX);
    let cores = u16::try_from(cores).unwrap_or(u16::MAX);
    Capacity {
        cores: config.cores.unwrap_or(cores.max(testbed.cores)),
        memory_mib: config.memory_mib.unwrap_or(half.max(testbed.memory_mib)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_takes_at_least_one_testbed() {
        let testbed = Demand {
            cores: 2,
            memory_mib: 1024,
        };
        for (cores, memory_mib, host, expected) in [
            (None, None, (8, 32 << 30), (8, 16 << 10)),
            (None, None, (1, 1 << 30), (2, 1024)),
            (Some(6), None, (2, 8 << 30), (6, 4096)),
            (Some(1), Some(256), (8, 8 << 30), (1, 256)),
            (None, None, (100_000, u64::MAX), (u16::MAX, u32::MAX)),
        ] {
            let config = SchedulerConfig { cores, memory_mib };
            let found = of(&config, testbed, host.0, host.1);
            assert_eq!((found.cores, found.memory_mib), expected, "{config:?} on {host:?}");
        }
    }
}
