//! The doctor's report as a whole: which checks there are, and in which order.

use std::path::{Path, PathBuf};

use super::check::Check;
use super::{account, host, programs};
use crate::hypervisor::HostDescription;
use crate::machine::Accelerator;
use crate::probe::{ProbeGuest, Probed, probe};
use crate::reach::QemuAccount;

/// The installation that is looked at.
#[derive(Debug, Clone)]
pub struct Patient {
    /// What connecting to libvirt brought: the host, or why not.
    pub host: Result<HostDescription, String>,
    /// The configured account for QEMU.
    pub qemu_user: Option<String>,
    /// Where images and overlays are: QEMU must reach it, and it needs space.
    pub storage: PathBuf,
    /// Where machines' folders are.
    pub machines: PathBuf,
    /// Sockets whose paths must fit, at their longest.
    pub sockets: Vec<PathBuf>,
    /// Where the probe keeps its answer.
    pub probe_file: PathBuf,
    /// What to probe KVM with; without it, the host's own kernel.
    pub probe_guest: Option<ProbeGuest>,
}

/// Looks at everything. It may take some seconds: a guest is booted unless that was done before.
pub async fn doctor(patient: &Patient) -> Vec<Check> {
    let mut checks = programs::check();
    checks.push(libvirt(&patient.host));
    checks.push(kvm(patient).await);
    checks.extend(account::account(
        patient.qemu_user.as_deref(),
        &[&patient.storage, &patient.machines],
    ));
    let sockets: Vec<&Path> = patient.sockets.iter().map(PathBuf::as_path).collect();
    checks.push(account::sockets(&sockets));
    checks.push(host::user_namespaces());
    checks.push(host::memory());
    checks.push(host::disk(&patient.storage));
    checks.push(host::proxy());
    checks
}

fn libvirt(host: &Result<HostDescription, String>) -> Check {
    const NAME: &str = "libvirt";
    match host {
        Ok(host) => Check::ok(
            NAME,
            format!(
                "{} at {}, QEMU {}, {}",
                host.libvirt_version, host.uri, host.qemu_version, host.machine_type
            ),
        ),
        Err(error) => Check::missing(NAME, error, "see the keeper's log, and libvirt/log beside it"),
    }
}

async fn kvm(patient: &Patient) -> Check {
    const NAME: &str = "kvm";
    let emulator = match &patient.host {
        Ok(host) => host.emulator.clone(),
        Err(_) => PathBuf::from("/usr/bin/qemu-system-x86_64"),
    };
    let account = if nix::unistd::geteuid().is_root() {
        match QemuAccount::find(patient.qemu_user.as_deref()) {
            Ok(account) => Some(account),
            Err(error) => return Check::warning(NAME, "not probed", error.to_string()),
        }
    } else {
        None
    };
    let guest = patient
        .probe_guest
        .clone()
        .or_else(|| ProbeGuest::of_host(account.as_ref()));
    match probe(&patient.probe_file, &emulator, account.as_ref(), guest.as_ref()).await {
        Ok(Probed {
            accelerator: Accelerator::Kvm,
            detail,
            ..
        }) => Check::ok(NAME, detail),
        Ok(Probed {
            detail,
            proven,
            slowness,
            ..
        }) => Check::warning(
            NAME,
            if proven {
                format!("{detail}; time-outs are stretched {slowness:.0} times")
            } else {
                detail
            },
            "machines are emulated by QEMU: slower, and no isolation boundary that QEMU's authors vouch for",
        ),
        Err(error) => Check::missing(
            NAME,
            format!("{}: {error}", emulator.display()),
            "apt-get install qemu-system-x86",
        ),
    }
}
