//! Puts a process behind everything else on the host. It knows processes and threads; which of them work for nobody who
//! waits is decided by the daemon.
//!
//! Each thread gets nice 19 and `SCHED_BATCH`: beside a busy desktop it has a seventieth of a processor, does not push
//! others aside when it wakes up, and its disk accesses come last of those with a turn (the kernel derives that from nice).
//! The session's automatic group (`CONFIG_SCHED_AUTOGROUP`, the desktops' kernels have it) gets 19 as well: nice compares
//! threads of one group only, and libvirt starts each QEMU in a session, hence a group, of its own. cgroups, where a system's
//! libvirt makes them, are its own to change.
//!
//! `SCHED_IDLE`, which Folding@home and desktop indexers use, is kinder still (a 500th), and was tried: with both processors
//! of a host busy, a killed process of 256 MiB took 9.2 s to give its memory back, for dying takes processor time, too. With
//! nice 19 it took 2.2 s, and a machine has to be gone within three.
//!
//! There is no way back for an ordinary user: only the privileged may lower a nice value again.
#![expect(
    unsafe_code,
    reason = "no safe wrapper of setpriority and sched_setscheduler among our dependencies"
)]

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use nix::unistd::{Pid, getsid};

/// The lowest priority.
const NICE: i32 = 19;
/// How often new threads are looked for: one that is made meanwhile by a thread that was not lowered yet is not lowered.
const MOST_LOOKS: usize = 10;

/// Lowers all threads that a process has or will have.
pub(crate) fn lower(pid: i32) -> io::Result<()> {
    // Without automatic groups there is no such file. Our own session's group is not only the process's.
    if getsid(Some(Pid::from_raw(pid)))? != getsid(None)? {
        let _ = std::fs::write(format!("/proc/{pid}/autogroup"), NICE.to_string());
    }
    let mut lowered = HashSet::new();
    for _ in 0..MOST_LOOKS {
        let before = lowered.len();
        for thread in threads(pid)? {
            if !lowered.contains(&thread) {
                match lower_thread(thread) {
                    // It ended meanwhile.
                    Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                    done => done?,
                }
                lowered.insert(thread);
            }
        }
        if lowered.len() == before {
            break;
        }
    }
    Ok(())
}

fn threads(pid: i32) -> io::Result<Vec<i32>> {
    let folder = PathBuf::from(format!("/proc/{pid}/task"));
    let entries = std::fs::read_dir(folder)?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect())
}

fn lower_thread(thread: i32) -> io::Result<()> {
    let id = libc::id_t::try_from(thread).map_err(io::Error::other)?;
    // SAFETY: integers only.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, id, NICE) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameters are read during the call.
    if unsafe { libc::sched_setscheduler(thread, libc::SCHED_BATCH, &raw const parameters) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// Set in the child that is this very test once more.
    const IS_CHILD: &str = "PREFLIGHT_TEST_IS_CHILD";

    /// Nice value and policy of each thread of a process, as the kernel says them (proc(5), fields 19 and 41).
    fn seen(pid: i32) -> Vec<(i32, i32)> {
        let of = |thread| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/stat")).unwrap();
            let fields: Vec<&str> = line.rsplit_once(')').unwrap().1.split_whitespace().collect();
            (fields[16].parse().unwrap(), fields[38].parse().unwrap())
        };
        threads(pid).unwrap().into_iter().map(of).collect()
    }

    fn sleeper() -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "priority::tests::all_threads_are_lowered"])
            .env(IS_CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// A process with threads, in a session of its own, until its input ends.
    fn be_the_child() {
        let _ = nix::unistd::setsid();
        for _ in 0..3 {
            std::thread::spawn(|| {
                loop {
                    std::thread::park();
                }
            });
        }
        println!("\nready");
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    }

    #[test]
    fn all_threads_are_lowered() {
        if std::env::var_os(IS_CHILD).is_some() {
            return be_the_child();
        }
        let mut child = sleeper();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"));
        let pid = i32::try_from(child.id()).unwrap();
        // The test's own, the three, and whatever the test harness has.
        assert!(seen(pid).len() > 3);
        lower(pid).unwrap();
        let lowered = seen(pid);
        assert!(
            lowered.iter().all(|seen| *seen == (NICE, libc::SCHED_BATCH)),
            "{lowered:?}"
        );
        if let Ok(group) = std::fs::read_to_string(format!("/proc/{pid}/autogroup")) {
            assert!(group.trim_end().ends_with("nice 19"), "{group}");
        }
        // Once more is no harm, and neither is a process that has gone.
        lower(pid).unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(lower(pid).is_err());
    }
}
