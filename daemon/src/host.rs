//! The host: which libvirt, whether KVM works, what is missing. It connects to the hypervisor when the first job needs it
//! and keeps what the probe has found; what runs on it is the executor's matter.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use preflight_protocol::health::{Check, CheckState};
use preflight_testbed::doctor::{self, Patient, doctor};
use preflight_testbed::libvirt::{Configuration, LibvirtHypervisor};
use preflight_testbed::probe::{self, ProbeGuest, Probed};
use preflight_testbed::reach::QemuAccount;
use preflight_testbed::{Accelerator, Hypervisor, HypervisorEvent};
use preflight_vm_images::ImageStore;
use tokio::sync::{OnceCell, broadcast};

use crate::executor::HypervisorSource;
use crate::services::{HEARTBEAT, HostDescription, HostDoctor};

/// What is assumed of a host until the probe has measured it: emulation on a small machine.
const UNKNOWN_SLOWNESS: f64 = 15.0;

/// The host as far as it is known.
pub struct Host {
    /// How machines are to be run.
    pub configuration: Configuration,
    /// An accelerator that the owner insists on.
    pub forced: Option<Accelerator>,
    /// Where the probe's answer is kept.
    pub probe_file: PathBuf,
    /// Whose kernels are tried.
    pub images: ImageStore,
    /// A folder a machine.
    pub machines: PathBuf,
    /// Where images and overlays are.
    pub storage: PathBuf,
    probed: RwLock<Option<Probed>>,
    hypervisor: OnceCell<Arc<LibvirtHypervisor>>,
    trouble: Trouble,
}

/// What is wrong with the way to the hypervisor now.
type Trouble = Arc<Mutex<Option<String>>>;

impl Host {
    /// A host that nobody has looked at yet.
    #[must_use]
    pub fn new(
        configuration: Configuration,
        forced: Option<Accelerator>,
        probe_file: PathBuf,
        images: ImageStore,
        machines: PathBuf,
        storage: PathBuf,
    ) -> Self {
        Self {
            configuration,
            forced,
            probe_file,
            images,
            machines,
            storage,
            probed: RwLock::default(),
            hypervisor: OnceCell::new(),
            trouble: Trouble::default(),
        }
    }

    /// Takes down what was started for the machines. For a daemon that stops for good.
    pub async fn stop(&self) {
        if let Some(hypervisor) = self.hypervisor.get()
            && let Err(error) = hypervisor.shut_down().await
        {
            tracing::warn!(%error, "machines, or what keeps them, may be left behind");
        }
    }

    fn emulator() -> PathBuf {
        format!("qemu-system-{}", std::env::consts::ARCH).into()
    }

    fn account(&self) -> Option<QemuAccount> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        QemuAccount::find(self.configuration.qemu_user.as_deref()).ok()
    }

    /// What the host is worth, by a guest that had to answer.
    async fn probe(&self, fresh: bool) -> std::io::Result<Probed> {
        if fresh {
            match std::fs::remove_file(&self.probe_file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let account = self.account();
        let guest = self.probe_guest().or_else(|| ProbeGuest::of_host(account.as_ref()));
        let mut probed = probe::probe(&self.probe_file, &Self::emulator(), account.as_ref(), guest.as_ref()).await?;
        if let Some(forced) = self.forced {
            probed.accelerator = forced;
        }
        *self.probed.write().unwrap_or_else(PoisonError::into_inner) = Some(probed.clone());
        Ok(probed)
    }

    /// The kernel that testbeds boot, where there is an image.
    fn probe_guest(&self) -> Option<ProbeGuest> {
        let newest = self.images.list().ok()?.into_iter().next()?;
        Some(ProbeGuest::of_kernel(&newest.kernel()))
    }

    async fn libvirt(&self) -> Result<&Arc<LibvirtHypervisor>, String> {
        let connecting = || async {
            let probed = self
                .probe(false)
                .await
                .map_err(|error| format!("QEMU cannot be started: {error}"))?;
            tracing::info!(accelerator = %probed.accelerator, slowness = probed.slowness, "{}", probed.detail);
            let mut configuration = self.configuration.clone();
            configuration.accelerator = self.forced.or(probed.proven.then_some(probed.accelerator));
            let hypervisor = LibvirtHypervisor::connect(configuration)
                .await
                .map_err(|error| error.to_string())?;
            let hypervisor = Arc::new(hypervisor);
            tokio::spawn(watch(hypervisor.events(), Arc::clone(&self.trouble)));
            Ok::<_, String>(hypervisor)
        };
        let hypervisor = self.hypervisor.get_or_try_init(connecting).await?;
        // There may have been no kernel to try when it was connected to, and now there is.
        if self.known().is_some_and(|probed| !probed.proven) {
            let probed = self
                .probe(false)
                .await
                .map_err(|error| format!("QEMU cannot be started: {error}"))?;
            hypervisor.set_accelerator(probed.accelerator);
        }
        Ok(hypervisor)
    }

    fn known(&self) -> Option<Probed> {
        self.probed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl HypervisorSource for Host {
    async fn connect(&self) -> Result<Arc<dyn Hypervisor>, String> {
        Ok(Arc::clone(self.libvirt().await?) as Arc<dyn Hypervisor>)
    }

    fn connected(&self) -> Option<Arc<dyn Hypervisor>> {
        self.hypervisor
            .get()
            .map(|hypervisor| Arc::clone(hypervisor) as Arc<dyn Hypervisor>)
    }

    fn slowness(&self) -> f64 {
        self.known().map_or(UNKNOWN_SLOWNESS, |probed| probed.slowness)
    }
}

#[async_trait]
impl HostDoctor for Host {
    async fn checks(&self, fresh: bool) -> Vec<Check> {
        if let Err(error) = self.probe(fresh).await {
            tracing::warn!(%error, "the host could not be probed");
        }
        let patient = Patient {
            host: self.libvirt().await.map(|hypervisor| hypervisor.host()),
            qemu_user: self.configuration.qemu_user.clone(),
            storage: self.storage.clone(),
            machines: self.machines.clone(),
            // A machine's number has at most ten digits.
            sockets: ["control", "bulk"]
                .map(|name| self.machines.join("9999999999").join(name))
                .to_vec(),
            probe_file: self.probe_file.clone(),
            probe_guest: self.probe_guest(),
        };
        doctor(&patient).await.into_iter().map(wire).collect()
    }

    fn heartbeat(&self) -> Duration {
        HEARTBEAT.mul_f64(HypervisorSource::slowness(self).max(1.0))
    }

    fn describe(&self) -> HostDescription {
        let mut warnings = Vec::new();
        let accelerator = match self.known() {
            Some(Probed {
                accelerator: Accelerator::Kvm,
                ..
            }) => "kvm",
            Some(Probed {
                accelerator: Accelerator::Tcg,
                proven,
                ..
            }) => {
                if proven {
                    warnings.push(
                        "guests run by emulation: slower, and no isolation boundary that QEMU's authors vouch for"
                            .to_owned(),
                    );
                }
                "tcg"
            }
            None => "unknown",
        };
        warnings.extend(self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let machines = std::fs::read_dir(&self.machines).map_or(0, Iterator::count);
        HostDescription {
            accelerator: accelerator.to_owned(),
            hypervisor: self
                .hypervisor
                .get()
                .map(|hypervisor| hypervisor.host().uri)
                .unwrap_or_default(),
            machines: u32::try_from(machines).unwrap_or(u32::MAX),
            warnings,
        }
    }
}

/// Keeps the daemon's status true while libvirt comes and goes. What a machine's end means is its testbed's matter.
async fn watch(mut events: broadcast::Receiver<HypervisorEvent>, trouble: Trouble) {
    loop {
        let now = match events.recv().await {
            Ok(HypervisorEvent::ConnectionClosed) => {
                tracing::warn!("libvirt is gone; machines go on");
                Some("libvirt does not answer: no machine can be started until it comes back".to_owned())
            }
            Ok(HypervisorEvent::ConnectionRestored) => {
                tracing::info!("libvirt is back");
                None
            }
            Ok(HypervisorEvent::Ended { id, reason }) => {
                tracing::debug!(machine = %id, ?reason, "a machine has ended");
                continue;
            }
            Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        *trouble.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

fn wire(check: doctor::Check) -> Check {
    Check {
        name: check.name.to_owned(),
        state: match check.state {
            doctor::CheckState::Ok => CheckState::Ok,
            doctor::CheckState::Warning => CheckState::Warning,
            doctor::CheckState::Missing => CheckState::Missing,
        },
        detail: check.detail,
        hint: check.hint,
    }
}
