//! Starts the kernel that is installed on the root disk, as a boot loader would: the host never reads a guest's kernel, and
//! this one can (`kexec_file_load`). The disk's kernel and initrd know nothing of the agent: it is their `init=`, from a file
//! that lies on the disk until then, leaves itself in /run as in any other boot, and goes on with the disk's own init.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount, umount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use super::command_line::{self, Options};
use super::kernel_release;
use super::{InitError, handover, unit};
use crate::console::say;

/// The agent on its way from one kernel to the other.
const INIT: &str = "/preflight-agent";
const PREFIX: &str = "vmlinuz-";
/// What dpkg and people leave beside a kernel, which no boot loader starts.
const NOT_KERNELS: [&str; 4] = [".dpkg-", ".old", ".bak", "~"];

/// A kernel on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kernel {
    release: String,
    image: PathBuf,
    initrd: Option<PathBuf>,
}

/// The newest kernel that is installed on the disk that is mounted at `root`: one that a package owns, or that somebody has
/// made an initrd for. What else lies there is a copy of the image's own, which cannot boot without ours.
pub(super) fn newest(root: &Path) -> Option<Kernel> {
    let boot = root.join("boot");
    let kernels = fs::read_dir(&boot).ok()?.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let release = name.strip_prefix(PREFIX)?.to_owned();
        let is_kernel = !release.is_empty()
            && NOT_KERNELS.iter().all(|mark| !release.contains(mark))
            && fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file());
        let initrd = boot.join(format!("initrd.img-{release}"));
        is_kernel.then(|| Kernel {
            image: entry.path(),
            initrd: initrd.is_file().then_some(initrd),
            release,
        })
    });
    let mut kernels: Vec<Kernel> = kernels.collect();
    kernels.sort_by(|one, other| kernel_release::compare(&other.release, &one.release));
    kernels
        .into_iter()
        .find(|kernel| kernel.initrd.is_some() || is_owned(root, &kernel.release))
}

/// Whether dpkg knows whose file a kernel is.
fn is_owned(root: &Path, release: &str) -> bool {
    let file = format!("/boot/{PREFIX}{release}");
    let lists = fs::read_dir(root.join("var/lib/dpkg/info"))
        .into_iter()
        .flatten()
        .flatten();
    lists
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "list"))
        .any(|list| fs::read_to_string(list).is_ok_and(|files| files.lines().any(|line| line == file)))
}

/// Starts a kernel of the disk that is mounted at `root`.
pub(super) fn start(kernel: &Kernel, root: &Path, options: &Options, device: &str) -> Result<Infallible, InitError> {
    say(&format!("starting the disk's own kernel {}", kernel.release));
    load(kernel, options, device)?;
    let init = root.join(INIT.trim_start_matches('/'));
    copy_self(&init)?;
    // The other kernel mounts it itself, and is to find it as a shutdown leaves it.
    umount(&root.join("run")).map_err(InitError::io("unmounting /run"))?;
    umount(root).map_err(InitError::io("unmounting the root disk"))?;
    nix::unistd::sync();
    reboot(RebootMode::RB_KEXEC).map_err(InitError::io(format!("starting the kernel {}", kernel.release)))
}

fn load(kernel: &Kernel, options: &Options, device: &str) -> Result<(), InitError> {
    let open = |file: &Path| File::open(file).map_err(InitError::io(file.display().to_string()));
    let image = open(&kernel.image)?;
    let initrd = kernel.initrd.as_deref().map(open).transpose()?;
    let line = command_line::for_own_kernel(options, device, INIT)?;
    let line = CString::new(line).map_err(|_| InitError::NoRoot)?;
    crate::sys::load_kernel(image.as_fd(), initrd.as_ref().map(File::as_fd), &line)
        .map_err(InitError::io(format!("loading the kernel {}", kernel.release)))
}

fn copy_self(to: &Path) -> Result<(), InitError> {
    let leaving = || {
        fs::copy("/proc/self/exe", to)?;
        fs::set_permissions(to, Permissions::from_mode(0o755))
    };
    leaving().map_err(InitError::io("leaving the agent for the disk's own kernel"))
}

/// Whether this is the init of a kernel that [`start`] has started.
pub(super) fn is_its_init() -> bool {
    std::env::args_os().next().is_some_and(|name| name == INIT)
}

/// As the first process on the root disk: leaves the agent where it is in any other boot, and nothing on the disk.
pub(super) fn go_on() -> Result<Infallible, InitError> {
    handover::mount_kernel_file_systems()?;
    let options = command_line::read()?;
    let writable = MsFlags::MS_REMOUNT;
    // An initrd may mount it read-only whatever it was told; then the agent could not be taken away.
    mount(None::<&str>, "/", None::<&str>, writable, None::<&str>)
        .map_err(InitError::io("remounting the root disk"))?;
    if !is_in_memory("/run") {
        mount_in_memory("/run")?;
    }
    // An initrd mounts /run so that nothing can be started from it.
    fs::create_dir_all("/run/preflight").map_err(InitError::io("making /run/preflight"))?;
    mount_in_memory("/run/preflight")?;
    unit::leave_agent(Path::new("/"))?;
    fs::remove_file(INIT).map_err(InitError::io("taking the agent off the disk"))?;
    handover::become_init(&options.init)
}

fn is_in_memory(path: &str) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC)
}

fn mount_in_memory(path: &str) -> Result<(), InitError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some("mode=755"))
        .map_err(io::Error::from)
        .map_err(InitError::io(format!("mounting {path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_installed_kernel_is_started_with_its_own_initrd() {
        let disk = tempfile::tempdir().unwrap();
        let root = disk.path();
        let (boot, info) = (root.join("boot"), root.join("var/lib/dpkg/info"));
        assert_eq!(newest(root), None);
        fs::create_dir_all(&boot).unwrap();
        fs::create_dir_all(&info).unwrap();
        for name in [
            "vmlinuz",
            "vmlinuz-",
            "vmlinuz-6.1.0-9-amd64",
            "vmlinuz-6.1.0-99-amd64.dpkg-new",
            "initrd.img-6.1.0-99-amd64",
            "config-6.1.0-11-amd64",
        ] {
            fs::write(boot.join(name), "").unwrap();
        }
        fs::create_dir(boot.join("vmlinuz-7")).unwrap();
        assert_eq!(newest(root), None, "nobody has installed any");
        fs::write(boot.join("initrd.img-6.1.0-9-amd64"), "").unwrap();
        let found = newest(root).unwrap();
        assert_eq!(found.release, "6.1.0-9-amd64");
        assert_eq!(found.initrd, Some(boot.join("initrd.img-6.1.0-9-amd64")));
        fs::write(boot.join("vmlinuz-6.1.0-10-amd64"), "").unwrap();
        fs::write(info.join("other.list"), "/boot/vmlinuz-6.1.0-10-amd64-not\n").unwrap();
        assert_eq!(newest(root).unwrap().release, "6.1.0-9-amd64");
        fs::write(info.join("linux.list"), "/boot\n/boot/vmlinuz-6.1.0-10-amd64\n").unwrap();
        let found = newest(root).unwrap();
        assert_eq!(found.image, boot.join("vmlinuz-6.1.0-10-amd64"));
        assert_eq!(
            found.initrd, None,
            "another kernel's initrd has another kernel's modules"
        );
    }
}
