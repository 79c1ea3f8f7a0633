//! Whether KVM really works here, by a guest that has to answer under it, and how much slower than that emulation is.
//! `/dev/kvm` being there proves nothing: it may open, make machines, and hang with the first ordinary kernel. The
//! answer is kept until kernel, processor, QEMU or the right to open the device change.

use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use crate::machine::Accelerator;
use crate::reach::QemuAccount;

/// How long a working KVM may take until the guest answers; it takes half a second.
const LONGEST_KVM: Duration = Duration::from_secs(6);
/// How long an emulated guest may take; where that is too short, the slowness is what has been waited.
const LONGEST_TCG: Duration = Duration::from_secs(60);
/// From QEMU's start to the answer of a kernel without an initrd under KVM, in seconds: what slowness is measured in.
const USUAL_ANSWER: f64 = 0.35;
/// No host is taken for slower than this; a time-out should still come in one's lifetime.
const LARGEST_SLOWNESS: f64 = 60.0;
/// The most of a guest's console that is looked at, in bytes.
const LARGEST_CONSOLE: usize = 1 << 20;
/// What a kernel says that has come to its end without an initrd: all but user space has worked by then.
const NO_ROOT: &str = "Unable to mount root fs";

/// The guest that has to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeGuest {
    /// An ordinary kernel, best the one that testbeds boot.
    pub kernel: PathBuf,
    /// Its initial file system, if one is needed for the answer.
    pub initrd: Option<PathBuf>,
    /// What the serial console shows when the guest works.
    pub answer: String,
}

impl ProbeGuest {
    /// A kernel alone: it works when it gets as far as missing its root file system.
    #[must_use]
    pub fn of_kernel(kernel: &Path) -> Self {
        Self {
            kernel: kernel.to_owned(),
            initrd: None,
            answer: NO_ROOT.into(),
        }
    }

    /// The host's own newest kernel, where this user (and QEMU's) may read it.
    #[must_use]
    pub fn of_host(account: Option<&QemuAccount>) -> Option<Self> {
        let mut kernels: Vec<PathBuf> = std::fs::read_dir("/boot")
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.file_name()
                    .is_some_and(|name| name.as_encoded_bytes().starts_with(b"vmlinuz"))
            })
            .filter(|path| std::fs::File::open(path).is_ok())
            .filter(|path| account.is_none_or(|account| account.check(path, 0o4).is_ok()))
            .collect();
        kernels.sort();
        kernels.pop().map(|kernel| Self::of_kernel(&kernel))
    }
}

/// What is known about acceleration here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// What to use.
    pub accelerator: Accelerator,
    /// Whether a guest has decided that; otherwise nobody could be asked yet, and it is to be asked again.
    pub proven: bool,
    /// Why, for people.
    pub detail: String,
    /// By how much time-outs are to be stretched, 1 and more.
    pub slowness: f64,
}

/// What the answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    kernel: String,
    processor: String,
    qemu: String,
    device: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    key: Key,
    probed: Probed,
}

/// Answers from the file, or asks a guest and keeps the answer there. `account` is who runs QEMU when we are root.
///
/// # Errors
/// QEMU can't be started at all.
pub async fn probe(
    file: &Path,
    emulator: &Path,
    account: Option<&QemuAccount>,
    guest: Option<&ProbeGuest>,
) -> io::Result<Probed> {
    let key = Key {
        kernel: read("/proc/sys/kernel/osrelease") + &read("/proc/sys/kernel/version"),
        processor: processor(&read("/proc/cpuinfo")),
        qemu: qemu_version(emulator).await?,
        device: device(account),
    };
    if let Some(kept) = kept(file).filter(|kept| kept.key == key) {
        return Ok(kept.probed);
    }
    let Some(guest) = guest else {
        return Ok(Probed {
            accelerator: Accelerator::Tcg,
            proven: false,
            detail: "KVM is not proven yet: there is no kernel to try it with before the first image is built".into(),
            slowness: LARGEST_SLOWNESS / 4.0,
        });
    };
    let probed = ask(emulator, account, guest).await?;
    if probed.proven {
        let probed = probed.clone();
        keep(file, &Kept { key, probed })?;
    }
    Ok(probed)
}

async fn ask(emulator: &Path, account: Option<&QemuAccount>, guest: &ProbeGuest) -> io::Result<Probed> {
    let why_not = match unusable(account) {
        Some(reason) => reason,
        None => match boot(emulator, account, guest, Accelerator::Kvm, LONGEST_KVM).await? {
            Ok(_) => {
                return Ok(Probed {
                    accelerator: Accelerator::Kvm,
                    proven: true,
                    detail: "a guest answered under KVM".into(),
                    slowness: 1.0,
                });
            }
            Err(reason) => format!("KVM does not work although /dev/kvm opens: {reason}"),
        },
    };
    let (elapsed, proven, said) = match boot(emulator, account, guest, Accelerator::Tcg, LONGEST_TCG).await? {
        Ok(elapsed) => (
            elapsed,
            true,
            format!("an emulated guest answered after {:.1} s", elapsed.as_secs_f64()),
        ),
        // Then it is not KVM that is at fault: a kernel that QEMU's user may not read, say. Nothing is proven.
        Err(reason) => (
            LONGEST_TCG,
            false,
            format!("an emulated guest does not answer either: {reason}"),
        ),
    };
    Ok(Probed {
        accelerator: Accelerator::Tcg,
        proven,
        detail: format!("{why_not}; {said}"),
        // One digit is all that it is worth, and reads back as it was written.
        slowness: ((elapsed.as_secs_f64() / USUAL_ANSWER).clamp(1.0, LARGEST_SLOWNESS) * 10.0).round() / 10.0,
    })
}

/// Why KVM need not be tried.
fn unusable(account: Option<&QemuAccount>) -> Option<String> {
    let device = Path::new("/dev/kvm");
    if !device.exists() {
        return Some("there is no /dev/kvm".into());
    }
    if let Some(account) = account {
        return (!account.may_use(device))
            .then(|| format!("{} may not open /dev/kvm (usermod -a -G kvm {0})", account.user));
    }
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(device)
        .err()
        .map(|error| format!("/dev/kvm can't be opened: {error} (add yourself to the group kvm)"))
}

/// Boots the guest and waits for its answer; the inner error says what came instead.
async fn boot(
    emulator: &Path,
    account: Option<&QemuAccount>,
    guest: &ProbeGuest,
    accelerator: Accelerator,
    longest: Duration,
) -> io::Result<Result<Duration, String>> {
    let (name, cpu) = match accelerator {
        Accelerator::Kvm => ("kvm", "host"),
        Accelerator::Tcg => ("tcg", "max"),
    };
    let mut command = Command::new(emulator);
    if let Some(account) = account {
        // Not by uid() and gid(): they drop the supplementary groups, and /dev/kvm is usually a group's.
        command = Command::new("setpriv");
        command
            .arg(format!("--reuid={}", account.uid))
            .arg(format!("--regid={}", account.gid));
        command.args(["--init-groups", "--no-new-privs", "--"]).arg(emulator);
    }
    command.args(["-machine", "q35", "-accel", name, "-cpu", cpu, "-m", "256", "-smp", "1"]);
    command.args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-serial",
        "stdio",
    ]);
    command
        .args(["-sandbox", "on", "-append", "console=ttyS0 panic=-1", "-kernel"])
        .arg(&guest.kernel);
    if let Some(initrd) = &guest.initrd {
        command.arg("-initrd").arg(initrd);
    }
    let began = Instant::now();
    let mut child = command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (console, errors) = (child.stdout.take(), child.stderr.take());
    let found = async {
        match console {
            Some(console) => find(console, guest.answer.as_bytes()).await,
            None => false,
        }
    };
    let answered = tokio::time::timeout(longest, found).await;
    let elapsed = began.elapsed();
    let _ = child.start_kill();
    let mut said = String::new();
    if let Some(errors) = errors {
        let mut bytes = Vec::new();
        let _ = errors.take(4096).read_to_end(&mut bytes).await;
        let _ = write!(said, "{}", String::from_utf8_lossy(&bytes).trim().escape_debug());
    }
    let _ = child.wait().await;
    Ok(match answered {
        Ok(true) => Ok(elapsed),
        Ok(false) => Err(format!("QEMU ended without an answer of the guest: {said}")),
        Err(_) => Err(format!("the guest said nothing in {} s", longest.as_secs())),
    })
}

/// Whether the wanted bytes come before the end.
async fn find(mut console: impl AsyncRead + Unpin, wanted: &[u8]) -> bool {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while seen.len() < LARGEST_CONSOLE {
        let Ok(count @ 1..) = console.read(&mut buffer).await else {
            return false;
        };
        // Only what could contain the new bytes is searched again.
        let from = seen.len().saturating_sub(wanted.len());
        seen.extend_from_slice(&buffer[..count]);
        if seen[from..].windows(wanted.len()).any(|window| window == wanted) {
            return true;
        }
    }
    false
}

/// QEMU's first word about its version.
///
/// # Errors
/// QEMU can't be started.
pub async fn qemu_version(emulator: &Path) -> io::Result<String> {
    let output = Command::new(emulator)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .await?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned())
}

/// Names the host's processor with its features: what a guest sees under KVM.
#[must_use]
pub fn host_processor() -> String {
    blake3::hash(processor(&read("/proc/cpuinfo")).as_bytes())
        .to_hex()
        .to_string()
}

/// What of a processor decides how KVM does: its name, its microcode and its features.
fn processor(cpuinfo: &str) -> String {
    let first = cpuinfo.split("\n\n").next().unwrap_or_default();
    first
        .lines()
        .filter(|line| {
            ["model name", "microcode", "flags"]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Who may open the device: a user who joins the group `kvm` should not have to know of this file.
fn device(account: Option<&QemuAccount>) -> String {
    let Ok(found) = std::fs::metadata("/dev/kvm") else {
        return "none".into();
    };
    format!(
        "{:o} {}:{} {:?}",
        found.mode(),
        found.uid(),
        found.gid(),
        unusable(account)
    )
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn kept(file: &Path) -> Option<Kept> {
    // A file of another version, or half a file, is no answer.
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

fn keep(file: &Path, kept: &Kept) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(kept).map_err(io::Error::other)?;
    let part = file.with_extension("part");
    std::fs::write(&part, text)?;
    std::fs::rename(part, file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A QEMU that answers as it is told, and counts how often it was asked to boot.
    fn fake_qemu(folder: &Path, console: &str) -> PathBuf {
        let program = folder.join("qemu-system-fake");
        let script = format!(
            "#!/bin/sh\ncase $1 in --version) echo 'QEMU emulator version 7.2';; *) echo boot >> {}/boots; {console};; esac\n",
            folder.display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    fn boots(folder: &Path) -> usize {
        std::fs::read_to_string(folder.join("boots"))
            .unwrap_or_default()
            .lines()
            .count()
    }

    #[tokio::test]
    async fn an_answer_is_kept_until_something_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("probe.json");
        let emulator = fake_qemu(folder.path(), &format!("echo 'panic: VFS: {NO_ROOT} on unknown-block'"));
        let guest = ProbeGuest::of_kernel(Path::new("/vmlinuz"));
        let unknown = probe(&file, &emulator, None, None).await.unwrap();
        assert!(!unknown.proven && unknown.accelerator == Accelerator::Tcg && !file.exists());
        let first = probe(&file, &emulator, None, Some(&guest)).await.unwrap();
        assert!(first.proven && first.slowness >= 1.0, "{first:?}");
        let asked = boots(folder.path());
        assert_eq!(probe(&file, &emulator, None, None).await.unwrap(), first);
        assert_eq!(boots(folder.path()), asked);
        std::fs::write(
            &file,
            std::fs::read_to_string(&file)
                .unwrap()
                .replace("version 7.2", "version 7.1"),
        )
        .unwrap();
        assert!(probe(&file, &emulator, None, Some(&guest)).await.unwrap().proven);
        assert!(boots(folder.path()) > asked);
    }

    #[tokio::test]
    async fn a_guest_that_does_not_answer_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let guest = ProbeGuest::of_kernel(Path::new("/vmlinuz"));
        let hangs = fake_qemu(folder.path(), "exec sleep 60");
        let said = boot(&hangs, None, &guest, Accelerator::Kvm, Duration::from_millis(200))
            .await
            .unwrap();
        assert!(said.unwrap_err().contains("said nothing"));
        let dies = fake_qemu(folder.path(), "echo 'no such cpu' >&2; exit 1");
        let said = boot(&dies, None, &guest, Accelerator::Kvm, Duration::from_secs(20))
            .await
            .unwrap();
        assert!(said.unwrap_err().contains("no such cpu"));
    }

    #[tokio::test]
    async fn an_answer_is_found_across_reads() {
        let text: &[u8] = b"Kernel panic - not syncing: VFS: Unable to mount root fs on";
        for cut in 0..text.len() {
            let (before, after) = text.split_at(cut);
            assert!(find(before.chain(after), NO_ROOT.as_bytes()).await, "{cut}");
        }
        assert!(!find(&text[..40], NO_ROOT.as_bytes()).await);
    }

    #[test]
    fn a_processor_is_its_name_microcode_and_features() {
        let text =
            "processor\t: 0\nmodel name\t: X\ncpu MHz\t: 1234.5\nmicrocode\t: 0x1\nflags\t: fpu\n\nprocessor\t: 1\n";
        assert_eq!(processor(text), "model name\t: X\nmicrocode\t: 0x1\nflags\t: fpu");
    }
}
