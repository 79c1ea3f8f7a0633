//! [`Hypervisor`] by libvirt: one connection, threads that call over it, and one that watches over both (`watch`). It knows
//! how machines start, freeze and end, not what they are for.

mod files;
mod watch;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::broadcast;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt::sys;

use super::access::{Access, Configuration};
use super::capabilities;
use super::events::{self, Raw, Watched};
use super::known::{KnownMachines, Origin};
use super::worker::Worker;
use super::xml::{self, Platform};
use super::{memory, migration, priority, save_image};
use crate::hypervisor::{
    EndReason, Freezing, HostDescription, Hypervisor, HypervisorError, HypervisorEvent, MachineInfo, MachineState,
};
use crate::keeper::Keeper;
use crate::machine::{Accelerator, InstallationId, MachineId, MachineSpec};
use crate::start::{Frozen, Method, Start};

/// How many machines are started at once: most of a start is waiting for QEMU, whose own start takes one processor.
const STARTS: usize = 3;
/// How many calls are made at once beside them, mostly destroys.
const CALLS: usize = 2;
/// How many events a receiver may lag behind.
const EVENTS_KEPT: usize = 1024;
/// How long libvirt may take to destroy a machine before the keeper is asked instead.
const LONGEST_DESTROY: Duration = Duration::from_secs(2);
/// How long a call waits for a connection that is being opened again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Machines by libvirt.
pub struct LibvirtHypervisor {
    shared: Arc<Shared>,
    starts: Worker,
    resumes: Worker,
    calls: Worker,
}

struct Shared {
    installation: InstallationId,
    access: Access,
    platform: Platform,
    host: Mutex<HostDescription>,
    connection: Mutex<Link>,
    restored: Condvar,
    known: Mutex<KnownMachines>,
    events: broadcast::Sender<HypervisorEvent>,
    messages: mpsc::Sender<Raw>,
    /// Set when libvirt is being taken down on purpose: its end is no news then.
    leaving: AtomicBool,
    /// Why memory can't be a file here, as far as libvirt says itself.
    hindered: Option<String>,
}

/// The connection, and how many there have been.
struct Link {
    current: Option<Arc<Watched>>,
    generation: u64,
}

impl LibvirtHypervisor {
    /// Chooses a libvirt, starts what has to be started, and connects. Machines of this installation that run already
    /// are found, and their ends will be told.
    ///
    /// # Errors
    /// No libvirt can be used; the error says what to do about it.
    pub async fn connect(configuration: Configuration) -> Result<Self, HypervisorError> {
        tokio::task::spawn_blocking(move || Self::connect_blocking(&configuration))
            .await
            .map_err(|error| HypervisorError::Libvirt(error.to_string()))?
    }

    fn connect_blocking(configuration: &Configuration) -> Result<Self, HypervisorError> {
        events::start_loop().map_err(HypervisorError::Libvirt)?;
        let access = Access::choose(configuration)?;
        let connect = access.open()?;
        let platform = capabilities::platform(&connect)?;
        let hindered = capabilities::confinement(&connect.capabilities().map_err(failed)?).map(|model| {
            format!(
                "{model} confines this libvirt's QEMU and does not know of our files; use the session's libvirt, or turn \
                 its security driver off in qemu.conf"
            )
        });
        let host = HostDescription {
            uri: connect.uri().map_err(failed)?,
            libvirt_version: capabilities::version(connect.lib_version().map_err(failed)?),
            qemu_version: capabilities::version(connect.hyp_version().map_err(failed)?),
            emulator: platform.emulator.clone().into(),
            machine_type: platform.machine_type.clone(),
            accelerator: configuration.accelerator.unwrap_or(Accelerator::Tcg),
        };
        let (messages, heard) = mpsc::channel();
        let watched = Watched::new(connect, messages.clone(), 0).map_err(failed)?;
        let present = ours(watched.connect(), &configuration.installation)?;
        let mut known = KnownMachines::default();
        let _ = known.compare(&present.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>());
        let shared = Arc::new(Shared {
            installation: configuration.installation.clone(),
            access,
            platform,
            host: Mutex::new(host),
            connection: Mutex::new(Link {
                current: Some(Arc::new(watched)),
                generation: 0,
            }),
            restored: Condvar::new(),
            known: Mutex::new(known),
            events: broadcast::channel(EVENTS_KEPT).0,
            messages,
            leaving: AtomicBool::new(false),
            hindered,
        });
        let weak = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("libvirt-watch".into())
            .spawn(move || watch::watch(&weak, &heard))
            .map_err(|source| HypervisorError::File {
                what: "the thread libvirt-watch".into(),
                source,
            })?;
        Ok(Self {
            shared,
            starts: Worker::start("libvirt-starts", STARTS)?,
            resumes: Worker::start("libvirt-resumes", 1)?,
            calls: Worker::start("libvirt-calls", CALLS)?,
        })
    }

    /// Takes note of what a later probe has proven; machines that run go on as they were started.
    pub fn set_accelerator(&self, accelerator: Accelerator) {
        lock(&self.shared.host).accelerator = accelerator;
    }

    /// The keeper, for its status.
    #[must_use]
    pub fn keeper(&self) -> &Keeper {
        &self.shared.access.keeper
    }

    /// Takes down all machines of this installation, a private libvirt, and the keeper: for a daemon that stops for
    /// good. One that is only restarted just drops this, and its machines live on for the grace period.
    ///
    /// # Errors
    /// A machine would not die.
    pub async fn shut_down(&self) -> Result<(), HypervisorError> {
        self.shared.leaving.store(true, Ordering::SeqCst);
        let keeper = self.shared.access.keeper.clone();
        tokio::task::spawn_blocking(move || keeper.stop())
            .await
            .map_err(|error| HypervisorError::Libvirt(error.to_string()))?
            .map_err(|error| HypervisorError::Libvirt(error.to_string()))
    }
}

impl Drop for LibvirtHypervisor {
    fn drop(&mut self) {
        // A call that hangs in libvirt would keep this process attached, and its machines alive, for nobody.
        self.shared.access.keeper.detach();
    }
}

#[async_trait]
impl Hypervisor for LibvirtHypervisor {
    async fn start(&self, spec: &MachineSpec) -> Result<(), HypervisorError> {
        spec.check()?;
        let (shared, spec) = (self.shared.clone(), spec.clone());
        self.starts.run(move || shared.start(&spec)).await
    }

    async fn hold(&self, id: &MachineId) -> Result<(), HypervisorError> {
        let (shared, id) = (self.shared.clone(), id.clone());
        self.resumes
            .run(move || shared.with_domain(&id, |domain| domain.suspend().map(drop)))
            .await
    }

    async fn resume(&self, id: &MachineId) -> Result<(), HypervisorError> {
        let (shared, id) = (self.shared.clone(), id.clone());
        self.resumes
            .run(move || shared.with_domain(&id, |domain| domain.resume().map(drop)))
            .await
    }

    async fn freeze(&self, id: &MachineId, method: Method, state: &Path) -> Result<Frozen, HypervisorError> {
        let (shared, id, state) = (self.shared.clone(), id.clone(), state.to_owned());
        // Not where the calls are: a save image takes its time, and a destroy must not wait for it.
        self.starts.run(move || shared.freeze(&id, method, &state)).await
    }

    fn methods(&self) -> Vec<Freezing> {
        let hindered = &self.shared.hindered;
        let freezing = |method| Freezing {
            method,
            hindrance: hindered.clone().filter(|_| method == Method::SharedMemory),
        };
        Method::ALL.map(freezing).to_vec()
    }

    async fn destroy(&self, id: &MachineId) -> Result<(), HypervisorError> {
        let (shared, wanted) = (self.shared.clone(), id.clone());
        let asked = self.calls.run(move || shared.destroy(&wanted));
        let problem = match tokio::time::timeout(LONGEST_DESTROY, asked).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "libvirt did not answer in time".to_owned(),
        };
        tracing::warn!(%id, problem, "the keeper kills a machine that libvirt did not");
        // libvirt will say that QEMU failed; that it was asked for is known here alone.
        lock(&self.shared.known).because(id, EndReason::Destroyed);
        let (keeper, wanted) = (self.shared.access.keeper.clone(), id.clone());
        let killed = tokio::task::spawn_blocking(move || keeper.kill(&wanted)).await;
        match killed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(HypervisorError::Destroy {
                id: id.clone(),
                message: format!("{problem}; {error}"),
            }),
            Err(error) => Err(HypervisorError::Destroy {
                id: id.clone(),
                message: format!("{problem}; {error}"),
            }),
        }
    }

    async fn list(&self) -> Result<Vec<MachineInfo>, HypervisorError> {
        let shared = self.shared.clone();
        self.calls.run(move || shared.list()).await
    }

    fn events(&self) -> broadcast::Receiver<HypervisorEvent> {
        self.shared.events.subscribe()
    }

    fn host(&self) -> HostDescription {
        lock(&self.shared.host).clone()
    }
}

impl Shared {
    fn start(&self, spec: &MachineSpec) -> Result<(), HypervisorError> {
        let refused = |message| HypervisorError::Start {
            id: spec.id.clone(),
            message,
        };
        let text = xml::domain(spec, &self.platform).map_err(refused)?;
        let link = self.connection(LONGEST_WAIT)?;
        let origin = Origin {
            folder: spec.folder.clone(),
            memory_file: spec.memory_file.clone(),
            memory_name: memory::name_of(spec),
        };
        if !lock(&self.known).starting(&spec.id, origin) {
            return Err(HypervisorError::Exists(spec.id.clone()));
        }
        let created = self.prepare(spec).and_then(|()| {
            self.create(link.connect(), spec, &text).map_err(|message| {
                if matches!(link.connect().is_alive(), Ok(true)) {
                    refused(message)
                } else {
                    HypervisorError::Disconnected(message)
                }
            })
        });
        if let Err(error) = created {
            lock(&self.known).not_started(&spec.id);
            if matches!(error, HypervisorError::Disconnected(_))
                && let Err(error) = self.access.keeper.kill(&spec.id)
            {
                tracing::warn!(id = %spec.id, %error, "a machine may have been left by a start that was cut off");
            }
            return Err(error);
        }
        priority::apply(&self.access.keeper, link.connect(), &spec.id, spec.priority);
        let ended = lock(&self.known).started(&spec.id);
        if let Some(reason) = ended {
            self.tell(HypervisorEvent::Ended {
                id: spec.id.clone(),
                reason,
            });
        }
        Ok(())
    }

    /// Makes the domain; it runs then.
    fn create(&self, connect: &Connect, spec: &MachineSpec, text: &str) -> Result<(), String> {
        let failed = |error: Error| error.message().to_owned();
        match &spec.start {
            Start::Boot => connect
                .create_domain_xml(text, sys::VIR_DOMAIN_START_VALIDATE)
                .map(drop)
                .map_err(failed),
            Start::Clone(frozen) if memory::comes_by_migration(spec) => {
                let held = sys::VIR_DOMAIN_START_VALIDATE | sys::VIR_DOMAIN_START_PAUSED;
                let domain = connect.create_domain_xml(text, held).map_err(failed)?;
                let received = migration::receive(&domain, &spec.folder.transit(), &frozen.state);
                let running = received.and_then(|()| domain.resume().map(drop).map_err(failed));
                if running.is_err() {
                    // It may be gone already, which is what is wanted.
                    let _ = domain.destroy();
                }
                running
            }
            Start::Clone(frozen) => {
                // Not the transit folder: QEMU may write to that one.
                save_image::restore(connect, text, &frozen.state, spec.folder.path())
            }
        }
    }

    fn with_domain(&self, id: &MachineId, call: impl Fn(&Domain) -> Result<(), Error>) -> Result<(), HypervisorError> {
        self.retried(LONGEST_WAIT, |connect| {
            let domain = connect.lookup_domain_by_name(&id.to_string()).map_err(failed)?;
            call(&domain).map_err(failed)
        })
    }

    fn freeze(&self, id: &MachineId, method: Method, state: &Path) -> Result<Frozen, HypervisorError> {
        let refused = |message: String| HypervisorError::Freeze {
            id: id.clone(),
            message,
        };
        let origin = lock(&self.known)
            .origin(id)
            .ok_or_else(|| refused("nothing is known of it".to_owned()))?;
        let link = self.connection(LONGEST_WAIT)?;
        let domain = link.connect().lookup_domain_by_name(&id.to_string()).map_err(failed)?;
        let memory = match method {
            Method::SharedMemory => {
                let file = origin.memory_file.clone();
                let file = file.ok_or_else(|| refused("its memory is not in a file".to_owned()))?;
                domain.suspend().map_err(failed)?;
                migration::send(&domain, &origin.folder.transit(), self.access.account.as_ref(), state)
                    .map_err(refused)?;
                lock(&self.known).because(id, EndReason::Frozen);
                domain.destroy().map_err(failed)?;
                Some(file)
            }
            Method::SaveImage => {
                lock(&self.known).because(id, EndReason::Frozen);
                save_image::save(&domain, state).map_err(refused)?;
                None
            }
        };
        Ok(Frozen {
            method,
            memory_name: origin.memory_name,
            state: state.to_owned(),
            memory,
        })
    }

    fn destroy(&self, id: &MachineId) -> Result<(), HypervisorError> {
        self.retried(LONGEST_DESTROY, |connect| {
            let gone = |error: &Error| error.code().to_raw() == sys::VIR_ERR_NO_DOMAIN;
            let domain = match connect.lookup_domain_by_name(&id.to_string()) {
                Ok(domain) => domain,
                Err(error) if gone(&error) => return self.kill_unlisted(id),
                Err(error) => return Err(failed(error)),
            };
            // libvirt may call it a failure: where it has just come back, QEMU's end can overtake our call.
            lock(&self.known).because(id, EndReason::Destroyed);
            match domain.destroy() {
                Ok(()) => Ok(()),
                // It ended by itself between the two calls.
                Err(error) if gone(&error) || !domain.is_active().unwrap_or(false) => Ok(()),
                Err(error) => Err(HypervisorError::Destroy {
                    id: id.clone(),
                    message: error.message().to_owned(),
                }),
            }
        })
    }

    /// Kills what libvirt does not know: a libvirt daemon that has just come back may not know yet of machines that run.
    fn kill_unlisted(&self, id: &MachineId) -> Result<(), HypervisorError> {
        let keeper = &self.access.keeper;
        let killed = keeper.machines().and_then(|running| {
            if !running.contains(id) {
                return Ok(());
            }
            lock(&self.known).because(id, EndReason::Destroyed);
            keeper.kill(id)
        });
        killed.map_err(|error| HypervisorError::Destroy {
            id: id.clone(),
            message: error.to_string(),
        })
    }

    fn list(&self) -> Result<Vec<MachineInfo>, HypervisorError> {
        let mut listed = self.retried(LONGEST_WAIT, |connect| {
            let found = ours(connect, &self.installation)?;
            Ok(found
                .into_iter()
                .filter_map(|(id, domain)| describe(id, &domain))
                .collect::<Vec<_>>())
        })?;
        // A libvirt daemon that has just come back may not know yet of machines that run.
        match self.access.keeper.machines() {
            Ok(running) => listed.extend(unlisted(running, &listed)),
            Err(error) => tracing::warn!(%error, "machines are listed as libvirt knows them"),
        }
        Ok(listed)
    }

    /// Does something that may be done twice, and does it again on the next connection if this one ends meanwhile.
    fn retried<T>(
        &self,
        longest: Duration,
        work: impl Fn(&Connect) -> Result<T, HypervisorError>,
    ) -> Result<T, HypervisorError> {
        let deadline = Instant::now() + longest;
        loop {
            let link = self.connection(deadline.saturating_duration_since(Instant::now()))?;
            let done = work(link.connect());
            if done.is_ok() || matches!(link.connect().is_alive(), Ok(true)) {
                return done;
            }
            self.abandon(&link);
        }
    }

    /// The connection, if there is one at this moment.
    fn connection_now(&self) -> Option<Arc<Watched>> {
        lock(&self.connection).current.clone()
    }

    /// The connection; waits for it while it is being opened again.
    fn connection(&self, longest: Duration) -> Result<Arc<Watched>, HypervisorError> {
        let _ = self.messages.send(Raw::Called);
        let (link, _) = self
            .restored
            .wait_timeout_while(lock(&self.connection), longest, |link| link.current.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        link.current
            .clone()
            .ok_or_else(|| HypervisorError::Disconnected("the connection has ended".into()))
    }

    /// A call has found this connection dead, perhaps before libvirt's close callback.
    fn abandon(&self, dead: &Arc<Watched>) {
        let mut link = lock(&self.connection);
        if link.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, dead)) {
            link.current = None;
            let _ = self.messages.send(Raw::Closed {
                generation: link.generation,
            });
        }
    }

    fn tell(&self, event: HypervisorEvent) {
        // Nobody listening is nobody's fault.
        let _ = self.events.send(event);
    }
}

/// The domains of this installation that exist.
fn ours(connect: &Connect, installation: &InstallationId) -> Result<Vec<(MachineId, Domain)>, HypervisorError> {
    let domains = connect
        .list_all_domains(sys::VIR_CONNECT_LIST_DOMAINS_ACTIVE)
        .map_err(failed)?;
    Ok(domains
        .into_iter()
        .filter_map(|domain| Some((domain.name().ok()?.parse::<MachineId>().ok()?, domain)))
        .filter(|(id, _)| id.installation() == installation)
        .collect())
}

/// A domain in our words; `None` when it has ended meanwhile.
fn describe(id: MachineId, domain: &Domain) -> Option<MachineInfo> {
    let state = match domain.state().ok()?.0.to_raw() {
        sys::VIR_DOMAIN_RUNNING | sys::VIR_DOMAIN_BLOCKED => MachineState::Running,
        sys::VIR_DOMAIN_PAUSED => MachineState::Paused,
        _ => MachineState::Ending,
    };
    let element = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).ok()?;
    let metadata = domain.metadata(element, Some(xml::NAMESPACE), 0).unwrap_or_default();
    Some(MachineInfo {
        id,
        label: xml::label(&metadata).unwrap_or_default(),
        state,
    })
}

/// Those that run unknown to libvirt. What they do, libvirt alone could say; they run or will be made to.
fn unlisted(running: Vec<MachineId>, listed: &[MachineInfo]) -> Vec<MachineInfo> {
    running
        .into_iter()
        .filter(|id| listed.iter().all(|machine| machine.id != *id))
        .map(|id| MachineInfo {
            id,
            label: String::new(),
            state: MachineState::Running,
        })
        .collect()
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err wants")]
fn failed(error: Error) -> HypervisorError {
    HypervisorError::Libvirt(error.message().to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is held here is whole after any panic: each change is one assignment or one call into a map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
