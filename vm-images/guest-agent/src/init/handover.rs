//! From the initrd to the root disk: the kernel's file systems, the disk, and the switch. Knows nothing of the agent.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};
use nix::unistd::{chdir, chroot, dup2_stderr, dup2_stdin, dup2_stdout, execv};

use super::InitError;
use super::command_line::Options;

/// Where the root disk is mounted before it becomes the root.
pub(super) const NEW_ROOT: &str = "/preflight-root";
const KERNEL_FILE_SYSTEMS: [(&str, &str); 3] = [("devtmpfs", "/dev"), ("proc", "/proc"), ("sysfs", "/sys")];
/// `RAMFS_MAGIC` of linux/magic.h.
const RAMFS: FsType = FsType(0x8584_58f6);

/// Mounts /dev, /proc and /sys, and makes the console standard input and output.
pub(super) fn mount_kernel_file_systems() -> Result<(), InitError> {
    for (kind, path) in KERNEL_FILE_SYSTEMS {
        fs::create_dir_all(path).map_err(InitError::io(format!("making {path}")))?;
        // A kernel that mounts devtmpfs itself has done it already.
        match mount(Some(kind), path, Some(kind), MsFlags::MS_NOSUID, None::<&str>) {
            Ok(()) | Err(nix::errno::Errno::EBUSY) => {}
            Err(error) => return Err(InitError::io(format!("mounting {path}"))(error)),
        }
    }
    if let Ok(console) = File::options().read(true).write(true).open("/dev/console") {
        // Without a console there is still the kernel's log.
        let _ = dup2_stdin(&console)
            .and(dup2_stdout(&console))
            .and(dup2_stderr(&console));
    }
    Ok(())
}

/// Mounts the root disk, and a /run on it that programs may be started from.
pub(super) fn mount_root(device: &str, options: &Options) -> Result<(), InitError> {
    fs::create_dir_all(NEW_ROOT).map_err(InitError::io(format!("making {NEW_ROOT}")))?;
    mount(
        Some(device),
        NEW_ROOT,
        Some(options.file_system.as_str()),
        MsFlags::empty(),
        Some(options.mount_options.as_str()),
    )
    .map_err(InitError::io(format!("mounting {device} as {}", options.file_system)))?;
    let run = format!("{NEW_ROOT}/run");
    fs::create_dir_all(&run).map_err(InitError::io("making /run"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), run.as_str(), Some("tmpfs"), flags, Some("mode=755")).map_err(InitError::io("mounting /run"))
}

/// Makes the mounted disk the root, frees the initrd's memory and becomes the root's init.
pub(super) fn switch(init: &str) -> Result<Infallible, InitError> {
    for (_, path) in KERNEL_FILE_SYSTEMS {
        let target = format!("{NEW_ROOT}{path}");
        fs::create_dir_all(&target).map_err(InitError::io(format!("making {target}")))?;
        mount(
            Some(path),
            target.as_str(),
            None::<&str>,
            MsFlags::MS_MOVE,
            None::<&str>,
        )
        .map_err(InitError::io(format!("moving {path}")))?;
    }
    free_initrd();
    chdir(NEW_ROOT).map_err(InitError::io("entering the root disk"))?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>).map_err(InitError::io("moving the root"))?;
    chroot(".").map_err(InitError::io("changing the root"))?;
    chdir("/").map_err(InitError::io("entering the root"))?;
    become_init(init)
}

/// Becomes the root's init.
pub(super) fn become_init(init: &str) -> Result<Infallible, InitError> {
    let program = CString::new(init).map_err(|_| InitError::NoRoot)?;
    execv(&program, &[&program]).map_err(InitError::io(format!("starting {init}")))
}

/// Removes what is in the initrd, and nothing that is mounted over it. What can't be removed costs memory, no more.
fn free_initrd() {
    let is_memory = statfs("/").is_ok_and(|root| [RAMFS, TMPFS_MAGIC].contains(&root.filesystem_type()));
    if let (true, Ok(root)) = (is_memory, fs::metadata("/")) {
        remove_content(Path::new("/"), root.dev());
    }
}

fn remove_content(folder: &Path, device: u64) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.dev() != device {
            continue;
        }
        if metadata.is_dir() {
            remove_content(&path, device);
            let _ = fs::remove_dir(&path);
        } else {
            let _ = fs::remove_file(&path);
        }
    }
}
