//! The virtual machines of one installation, as the system and as libvirt see them: independent of what the daemon says.

use std::path::Path;
use std::process::Command;

use nix::unistd::Pid;

/// QEMU's processes for this installation's machines. Also those of a machine that libvirt no longer knows.
///
/// # Panics
/// There is no /proc.
#[must_use]
pub fn processes(installation: &str) -> Vec<Pid> {
    let wanted = format!("guest=preflight-{installation}-");
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            String::from_utf8_lossy(&line)
                .contains(&wanted)
                .then(|| Pid::from_raw(pid))
        })
        .collect()
}

/// The domains of this installation, running or not, in libvirt's own words.
///
/// # Panics
/// virsh does not answer.
#[must_use]
pub fn domains(uri: &str, installation: &str) -> Vec<String> {
    let output = Command::new("virsh")
        .args(["--connect", uri, "--quiet", "list", "--all", "--name"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "virsh --connect {uri}: {errors}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|name| name.starts_with(&format!("preflight-{installation}-")))
        .map(str::to_owned)
        .collect()
}

/// The names in a folder; none where there is no folder.
#[must_use]
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
