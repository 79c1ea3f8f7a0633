//! How the peer's machine is started: as many processors and as much memory as a testbed of Preflight has, its kernel
//! given directly, and KVM just where Preflight's own probe has found that it works.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::peer::image::{Image, script};

/// A testbed's processors and MiB of memory, as Preflight's defaults are.
const CPUS: &str = "2";
const MEMORY: &str = "2048";
/// Seconds for a boot: the server's own default is too short under emulation.
const BOOT: &str = "200";

/// The peer's machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// What it boots.
    pub(crate) image: Image,
    /// Whether KVM works here.
    pub(crate) kvm: bool,
}

impl Machine {
    /// The server alone, to be spoken to.
    pub(crate) fn server(&self) -> Command {
        self.command("autopkgtest-virt-qemu", [])
    }

    /// A whole run of autopkgtest on a source package.
    pub(crate) fn autopkgtest(&self, dsc: &Path) -> Command {
        self.command("autopkgtest", [dsc.into(), "--".into(), "qemu".into()])
    }

    fn command<const N: usize>(&self, program: &str, arguments: [OsString; N]) -> Command {
        let mut command = if self.kvm {
            Command::new(program)
        } else {
            let mut command = Command::new(script("without-kvm"));
            command.arg(program);
            command
        };
        let folder = self.image.folder.display();
        command
            .args(arguments)
            .args(["--ram-size", MEMORY, "--cpus", CPUS, "--timeout-reboot", BOOT])
            .arg(format!(
                "--qemu-options=-kernel {folder}/kernel -initrd {folder}/initrd -append root=/dev/vda"
            ))
            .arg(self.image.folder.join("disk.qcow2"))
            .env("LC_ALL", "C.UTF-8");
        command
    }
}
