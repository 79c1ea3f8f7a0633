//! A home of its own for each test, with a keeper and whatever libvirt this host has. A machine without a kernel stays in
//! its firmware for ever: no image is needed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use preflight_testbed::libvirt::Configuration;
use preflight_testbed::{
    Accelerator, InstallationId, Label, MachineFolder, MachineId, MachineSpec, MiB, Priority, Start,
};

pub(crate) struct Bench {
    pub(crate) home: tempfile::TempDir,
    pub(crate) installation: InstallationId,
}

impl Bench {
    pub(crate) fn new(name: &str) -> Self {
        // A home of its own in /tmp: short, and open to QEMU's user.
        let home = tempfile::Builder::new().prefix("pf").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
        let installation = InstallationId::new(&format!("{name}{}", std::process::id())).unwrap();
        Self { home, installation }
    }

    pub(crate) fn configuration(&self, grace: u64) -> Configuration {
        Configuration {
            installation: self.installation.clone(),
            uri: None,
            keeper: Some(keeper()),
            keeper_home: self.keeper_home(),
            grace: Duration::from_secs(grace),
            qemu_user: None,
            libvirt_cache: None,
            accelerator: None,
        }
    }

    pub(crate) fn keeper_home(&self) -> PathBuf {
        self.home.path().join("k")
    }

    pub(crate) fn spec(&self, number: u64) -> MachineSpec {
        MachineSpec {
            id: MachineId::new(self.installation.clone(), number),
            label: Label::new("ticket 1, job 2, attempt 3").unwrap(),
            memory: MiB(64),
            cpus: 1,
            boot: None,
            disk: None,
            folder: MachineFolder::new(&self.home.path().join(format!("m{number}"))).unwrap(),
            accelerator: Accelerator::Tcg,
            start: Start::Boot,
            memory_file: None,
            priority: Priority::Background,
        }
    }

    pub(crate) fn keeper_says(&self) -> String {
        let output = Command::new(keeper())
            .arg("status")
            .arg("--home")
            .arg(self.keeper_home())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = Command::new(keeper())
            .arg("stop")
            .arg("--home")
            .arg(self.keeper_home())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// The keeper's program, built if cargo was asked for this crate alone.
pub(crate) fn keeper() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    let program = folder.join("preflight-keeper");
    if !program.exists() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../keeper/Cargo.toml");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--manifest-path"])
            .arg(manifest)
            .status()
            .unwrap();
        assert!(built.success());
    }
    program
}
