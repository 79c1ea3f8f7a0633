//! What a machine needs on the host before it starts: its folder, its files in the hands of QEMU's user, its memory's file; and
//! whether that user can get at all of it.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use super::Shared;
use crate::hypervisor::HypervisorError;
use crate::machine::MachineSpec;
use crate::start::Start;

impl Shared {
    /// Makes the folder and gives QEMU's user what it needs, and nothing else of ours.
    pub(super) fn prepare(&self, spec: &MachineSpec) -> Result<(), HypervisorError> {
        let doing = |what: String| move |source| HypervisorError::File { what, source };
        let folder = spec.folder.path();
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(doing(format!("creating {}", folder.display())))?;
        let console = spec.folder.console_log();
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o640)
            .open(&console)
            .map_err(doing(format!("creating {}", console.display())))?;
        self.prepare_memory(spec)?;
        if let Some(account) = self.access.account.as_ref().filter(|_| self.access.gives_files) {
            let give = |path: &Path, uid| {
                chown(path, uid, Some(account.gid)).map_err(doing(format!(
                    "giving {} to {}",
                    path.display(),
                    account.user
                )))
            };
            give(folder, None)?;
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o750))
                .map_err(doing(format!("opening {}", folder.display())))?;
            give(&console, Some(account.uid))?;
            if let Some(disk) = &spec.disk {
                give(&disk.path, Some(account.uid))?;
            }
        }
        self.check_reach(spec)
    }

    /// Makes the folder through which the machine's state comes and goes, and the file that its memory is to be: libvirt
    /// knows of neither, so that they are given to QEMU's user whichever libvirt it is.
    fn prepare_memory(&self, spec: &MachineSpec) -> Result<(), HypervisorError> {
        let doing = |what: String| move |source| HypervisorError::File { what, source };
        let give = |path: &Path| match &self.access.account {
            Some(account) => chown(path, Some(account.uid), Some(account.gid)),
            None => Ok(()),
        };
        let transit = spec.folder.transit();
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&transit)
            .and_then(|()| give(&transit))
            .map_err(doing(format!("creating {}", transit.display())))?;
        let Some(file) = &spec.memory_file else { return Ok(()) };
        let making = doing(format!("making {}", file.display()));
        let template = match &spec.start {
            Start::Clone(frozen) => frozen.memory.as_deref(),
            Start::Boot => None,
        };
        match template {
            Some(template) => copy_memory(template, file),
            None => std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(file)
                .and_then(|file| file.set_len(u64::from(spec.memory.0) << 20)),
        }
        .and_then(|()| give(file))
        .map_err(making)
    }

    fn check_reach(&self, spec: &MachineSpec) -> Result<(), HypervisorError> {
        let Some(account) = &self.access.account else {
            return Ok(());
        };
        if let Some(boot) = &spec.boot {
            account.check(&boot.kernel, 0o4)?;
            account.check(&boot.initrd, 0o4)?;
        }
        if let Some(disk) = &spec.disk {
            // A system's libvirt gives the disk to QEMU's user itself; the folders above it are left as they are.
            account.check(&disk.path, if self.access.gives_files { 0o6 } else { 0 })?;
            for (path, _) in &disk.backing {
                account.check(path, 0o4)?;
            }
        }
        Ok(())
    }
}

/// Copies a template's memory, and of it only what was ever written to. `cp` knows how each file system does it best.
fn copy_memory(template: &Path, file: &Path) -> std::io::Result<()> {
    let output = std::process::Command::new("cp")
        .args(["--reflink=auto", "--sparse=auto", "--no-preserve=all", "--"])
        .args([template, file])
        .output()?;
    if !output.status.success() {
        return Err(std::io::Error::other(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))
}
