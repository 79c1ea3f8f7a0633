//! What the agent tells of its guest: the hello's facts and the beat's numbers, from /proc. Missing ones are zero or empty.

use std::fs;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use nix::time::{ClockId, clock_gettime};
use preflight_guest_protocol::message::{AgentHello, Beat};

/// What stays as it is while the agent runs. Looked up once: a clone's first hello has no time for it.
pub(crate) struct Facts(AgentHello);

/// The facts of this boot.
pub(crate) fn facts(tunnel_port: u16) -> Facts {
    let (kernel, machine) = match nix::sys::utsname::uname() {
        Ok(names) => (
            names.release().to_string_lossy().into_owned(),
            names.machine().to_string_lossy().into_owned(),
        ),
        Err(_) => Default::default(),
    };
    Facts(AgentHello {
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        kernel,
        own_kernel: crate::init::is_own_kernel(),
        machine,
        boot_id: first_line("/proc/sys/kernel/random/boot_id"),
        uptime_ms: 0,
        tunnel_port,
        has_cgroups: crate::cgroup::available(),
        resumed: None,
    })
}

impl Facts {
    /// The hello, as of now.
    pub(crate) fn hello(&self) -> AgentHello {
        AgentHello {
            uptime_ms: uptime_ms(),
            ..self.0.clone()
        }
    }
}

/// The `number`th beat.
pub(crate) fn beat(number: u64) -> Beat {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let root = statvfs("/").ok();
    Beat {
        number,
        uptime_ms: uptime_ms(),
        load_centi: hundredths(&first_line("/proc/loadavg")).try_into().unwrap_or(u32::MAX),
        memory_available_kib: meminfo_kib(&meminfo, "MemAvailable:"),
        memory_total_kib: meminfo_kib(&meminfo, "MemTotal:"),
        disk_available_kib: root.map_or(0, |root| {
            root.blocks_available().saturating_mul(root.fragment_size()) / 1024
        }),
    }
}

fn uptime_ms() -> u64 {
    let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
    since_boot.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The first word, a number with two decimal places, times 100.
fn hundredths(line: &str) -> u64 {
    let word = line.split_whitespace().next().unwrap_or_default();
    let (whole, part) = word.split_once('.').unwrap_or((word, "00"));
    let whole: u64 = whole.parse().unwrap_or(0);
    whole.saturating_mul(100).saturating_add(part.parse().unwrap_or(0))
}

fn meminfo_kib(meminfo: &str, field: &str) -> u64 {
    let rest = meminfo
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .unwrap_or_default();
    rest.split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn procs_numbers_are_read() {
        assert_eq!(hundredths("12.34 5.00"), 1234);
        assert_eq!(hundredths(""), 0);
        assert_eq!(
            meminfo_kib("MemTotal:  2048 kB\nMemAvailable:   77 kB\n", "MemAvailable:"),
            77
        );
        assert!(beat(1).memory_total_kib > 0);
    }
}
