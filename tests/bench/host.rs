//! What the numbers were measured on.

use std::fmt;
use std::process::Command;

use serde::Serialize;

/// A machine, and the programs that the numbers depend on.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Host {
    /// When, in UTC.
    pub(crate) at: String,
    /// Its release, such as `Debian GNU/Linux 12 (bookworm)`.
    pub(crate) system: String,
    /// Processors that may be used.
    pub(crate) cores: usize,
    /// Memory in MiB.
    pub(crate) memory_mib: u64,
    /// `kvm` or `tcg`, as Preflight's probe has found.
    pub(crate) accelerator: String,
    /// QEMU's version.
    pub(crate) qemu: String,
    /// autopkgtest's version.
    pub(crate) autopkgtest: String,
    /// The load of the last minute when the run began: what else was measured too.
    pub(crate) load: f64,
}

impl Host {
    /// This machine; the accelerator is Preflight's to say.
    pub(crate) fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let release = read("/etc/os-release");
        let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let memory = read("/proc/meminfo");
        let memory = memory
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
        Self {
            at: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M").to_string(),
            system: system.unwrap_or_default().trim_matches('"').to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: memory.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024,
            accelerator: "unknown".to_owned(),
            qemu: version(Command::new("qemu-system-x86_64").arg("--version")),
            autopkgtest: version(Command::new("dpkg-query").args([
                "-W",
                "-f",
                "autopkgtest ${Version}",
                "autopkgtest",
            ])),
            load: read("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or(0.0),
        }
    }
}

/// The first line that a program says.
fn version(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gib = self.memory_mib as f64 / 1024.0;
        write!(
            f,
            "{} UTC: {} cores, {gib:.0} GiB, accelerator {}, {}, {}, {}, load {} at the start",
            self.at, self.cores, self.accelerator, self.system, self.qemu, self.autopkgtest, self.load
        )
    }
}
