//! Finds and kills this installation's machines by what the kernel says of them: QEMU processes whose `-name` is
//! `preflight-<installation>-<number>`. No libvirt is asked, for it may be the one that does not answer.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::pidfd::PidFd;

/// How long a killed QEMU may take to give its memory back.
const LONGEST_END: Duration = Duration::from_secs(5);

/// A running QEMU of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) pid: i32,
    pub(crate) name: String,
}

/// All running machines of an installation that belong to `uid`, or to anybody where no uid is given.
pub(crate) fn running(installation: &str, uid: Option<u32>) -> Vec<Machine> {
    let Ok(folder) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<Machine> = folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| machine(pid, installation, uid))
        .collect();
    found.sort_by_key(|machine| machine.pid);
    found
}

fn machine(pid: i32, installation: &str, uid: Option<u32>) -> Option<Machine> {
    use std::os::unix::fs::MetadataExt;
    let folder = format!("/proc/{pid}");
    if let Some(uid) = uid
        && std::fs::metadata(&folder).ok()?.uid() != uid
    {
        return None;
    }
    let line = std::fs::read(format!("{folder}/cmdline")).ok()?;
    Some(Machine {
        pid,
        name: machine_name(&line, installation)?,
    })
}

/// The machine's name in a NUL-separated command line, if it is a QEMU of this installation.
fn machine_name(line: &[u8], installation: &str) -> Option<String> {
    let mut words = line.split(|byte| *byte == 0);
    let program = std::str::from_utf8(words.next()?).ok()?;
    let program = program.rsplit('/').next()?;
    if !program.starts_with("qemu-system-") && program != "qemu-kvm" {
        return None;
    }
    words.find(|word| *word == b"-name")?;
    let name = std::str::from_utf8(words.next()?).ok()?;
    let name = name.split(',').next()?;
    let name = name.strip_prefix("guest=").unwrap_or(name);
    let number = name
        .strip_prefix("preflight-")?
        .strip_prefix(installation)?
        .strip_prefix('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| name.to_owned())
}

/// Kills machines at once and waits for their end; the names of those that would not die are returned.
pub(crate) fn kill(machines: &[Machine], installation: &str, uid: Option<u32>) -> Vec<String> {
    let held: Vec<(&Machine, PidFd)> = machines
        .iter()
        .filter_map(|machine| {
            let fd = PidFd::open(machine.pid).ok()?;
            // Looked at again behind the descriptor: the number may have been given to another process meanwhile.
            let same = self::machine(machine.pid, installation, uid).as_ref() == Some(machine);
            same.then_some((machine, fd))
        })
        .collect();
    for (_, fd) in &held {
        let _ = fd.signal(Signal::SIGKILL);
    }
    for (_, fd) in &held {
        fd.release_memory();
    }
    let deadline = Instant::now() + LONGEST_END;
    held.iter()
        .filter(|(_, fd)| !fd.wait(deadline.saturating_duration_since(Instant::now())))
        .map(|(machine, _)| machine.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_machines_match() {
        let ours = b"/usr/bin/qemu-system-x86_64\0-name\0guest=preflight-ab12-7,debug-threads=on\0-S\0";
        assert_eq!(machine_name(ours, "ab12").as_deref(), Some("preflight-ab12-7"));
        let others: [&[u8]; 7] = [
            b"/usr/bin/qemu-system-x86_64\0-name\0guest=preflight-ab1-7,debug-threads=on\0",
            b"/usr/bin/qemu-system-x86_64\0-name\0guest=preflight-ab12-7x\0",
            b"/usr/bin/qemu-system-x86_64\0-name\0guest=preflight-ab12-\0",
            b"/usr/bin/qemu-system-x86_64\0-name\0guest=debian\0-S\0preflight-ab12-7\0",
            b"/usr/bin/vim\0-name\0guest=preflight-ab12-7\0",
            b"/usr/bin/qemu-system-x86_64\0-name\0",
            b"",
        ];
        for line in others {
            assert_eq!(machine_name(line, "ab12"), None, "{}", String::from_utf8_lossy(line));
        }
    }
}
