//! The hypervisor of these tests: the testbed room's fake with a scripted guest in every machine, a record of what ran
//! in them, and errors on request.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use preflight_guest::ChannelSockets;
use preflight_guest::fake::{FakeAgent, FakeFiles, Faults as GuestFaults};
use preflight_testbed::fake::{FakeHypervisor, Faults};
use preflight_testbed::{
    EndReason, Freezing, Frozen, HostDescription, Hypervisor, HypervisorError, HypervisorEvent, MachineId, MachineInfo,
    MachineSpec, Method, Start,
};
use preflightd::executor::HypervisorSource;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{broadcast, watch};

use crate::guest::{GuestState, Scene, Script, ScriptedGuest};
use crate::source::Source;

/// Guests live in a world of their own: they survive a daemon, and keep their time when a test moves the daemon's on.
static GUESTS: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
});

/// Waits by the clock on the wall, whatever a test does to the daemon's time.
pub(crate) async fn real_time(duration: Duration) {
    let _ = GUESTS.spawn(async move { tokio::time::sleep(duration).await }).await;
}

/// What is wrong with a guest beyond its script.
#[derive(Clone, Copy, Default)]
pub(crate) struct Guest {
    pub(crate) faults: GuestFaults,
    /// It never answers.
    pub(crate) is_mute: bool,
}

/// What is wrong with the guest of the n-th machine.
pub(crate) type Guests = Arc<dyn Fn(usize) -> Guest + Send + Sync>;

/// All machines; clones share them.
#[derive(Clone)]
pub(crate) struct Machines(Arc<Inner>);

struct Inner {
    fake: OnceLock<FakeHypervisor>,
    /// How many starts were begun, and how many came to a machine.
    starting: AtomicUsize,
    started: AtomicUsize,
    scenes: watch::Sender<Vec<Scene>>,
    /// Guests that run, and those that were frozen, by what stands in the frozen machine's state file.
    guests: Mutex<BTreeMap<MachineId, (FakeFiles, GuestState)>>,
    frozen: Mutex<BTreeMap<String, (FakeFiles, GuestState)>>,
    /// The guests whose disks these are: whoever boots one of them again has its files.
    disks: Mutex<BTreeMap<PathBuf, (FakeFiles, GuestState)>>,
    /// Machines by the job that they work for.
    jobs: Mutex<BTreeMap<String, usize>>,
    doubles: Mutex<Vec<String>>,
    refused_destroys: AtomicUsize,
    refused_lists: AtomicUsize,
    connected: AtomicBool,
    unusable: Option<String>,
}

impl Machines {
    pub(crate) fn new(
        faults: Faults,
        sources: Vec<Source>,
        script: Script,
        guests: Guests,
        unusable: Option<String>,
    ) -> Self {
        let machines = Self(Arc::new(Inner {
            fake: OnceLock::new(),
            starting: AtomicUsize::new(0),
            started: AtomicUsize::new(0),
            scenes: watch::Sender::default(),
            guests: Mutex::default(),
            frozen: Mutex::default(),
            disks: Mutex::default(),
            jobs: Mutex::default(),
            doubles: Mutex::default(),
            refused_destroys: AtomicUsize::new(0),
            refused_lists: AtomicUsize::new(0),
            connected: AtomicBool::new(false),
            unusable,
        }));
        let sources = Arc::new(sources);
        let weak = Arc::downgrade(&machines.0);
        let on_start = move |spec: &MachineSpec| -> Box<dyn Send> {
            let machines = Machines(weak.upgrade().expect("the machines outlive their hypervisor"));
            let nth = machines.0.started.fetch_add(1, Ordering::SeqCst);
            let lease = machines.lease(spec);
            let Guest { faults, is_mute } = guests(nth);
            if is_mute {
                return Box::new(lease);
            }
            let (files, state) = machines.before(spec);
            let guest = ScriptedGuest::new(
                (spec.id.clone(), nth, spec.label.to_string(), is_reboot(spec)),
                Arc::clone(&sources),
                Arc::clone(&script),
                machines.clone(),
                state.clone(),
            );
            let sockets = ChannelSockets {
                control: spec.folder.control_socket(),
                bulk: spec.folder.bulk_socket(),
            };
            let _world = GUESTS.enter();
            let agent = FakeAgent::start(&sockets, guest, faults).expect("the machine's folder takes sockets");
            copy_files(&files, agent.files());
            let running = (agent.files().clone(), state);
            if let Some(disk) = &spec.disk {
                machines
                    .0
                    .disks
                    .lock()
                    .unwrap()
                    .insert(disk.path.clone(), running.clone());
            }
            machines.0.guests.lock().unwrap().insert(spec.id.clone(), running);
            Box::new((agent, lease))
        };
        let fake = FakeHypervisor::new(faults, Box::new(on_start));
        assert!(machines.0.fake.set(fake).is_ok());
        machines
    }

    /// What a machine's guest starts with: nothing, or what was in the guest that it is a clone of.
    fn before(&self, spec: &MachineSpec) -> (FakeFiles, GuestState) {
        let Start::Clone(frozen) = &spec.start else {
            let disks = self.0.disks.lock().unwrap();
            let before = spec.disk.as_ref().and_then(|disk| disks.get(&disk.path));
            return before.map_or_else(Default::default, |(files, state)| (files.clone(), state.copy()));
        };
        let token = std::fs::read_to_string(&frozen.state).expect("a template has its state");
        let (files, state) = &self.0.frozen.lock().unwrap()[&token];
        (files.clone(), state.copy())
    }

    /// A job must never have two machines: `ticket 1 job 2 (build) attempt 1`. Only tests run side by side.
    fn lease(&self, spec: &MachineSpec) -> Lease {
        let label = spec.label.as_str();
        let job = label.split(" (").next().unwrap_or(label).to_owned();
        let mut jobs = self.0.jobs.lock().unwrap();
        let count = jobs.entry(job.clone()).or_default();
        *count += 1;
        if *count > 1 && label.starts_with("ticket ") && !label.contains("(test)") {
            self.0.doubles.lock().unwrap().push(label.to_owned());
        }
        Lease {
            machines: self.clone(),
            job,
        }
    }

    fn fake(&self) -> &FakeHypervisor {
        self.0.fake.get().expect("set when it was made")
    }

    /// Ends a machine as if by itself.
    pub(crate) fn end(&self, id: &MachineId, reason: EndReason) {
        self.fake().end(id, reason);
    }

    /// Takes down a command that a guest was given.
    pub(crate) fn note(&self, scene: Scene) {
        self.0.scenes.send_modify(|scenes| scenes.push(scene));
    }

    /// All commands so far.
    pub(crate) fn scenes(&self) -> Vec<Scene> {
        self.0.scenes.borrow().clone()
    }

    /// Waits until a guest was given such a command.
    pub(crate) async fn reached(&self, found: impl Fn(&Scene) -> bool) {
        let mut scenes = self.0.scenes.subscribe();
        scenes.wait_for(|scenes| scenes.iter().any(&found)).await.unwrap();
    }

    /// How many starts were begun.
    pub(crate) fn starting(&self) -> usize {
        self.0.starting.load(Ordering::SeqCst)
    }

    /// How many machines were started.
    pub(crate) fn started(&self) -> usize {
        self.0.started.load(Ordering::SeqCst)
    }

    /// Jobs that had two machines at once.
    pub(crate) fn doubles(&self) -> Vec<String> {
        self.0.doubles.lock().unwrap().clone()
    }

    /// So many of the next calls fail as if libvirt were gone.
    pub(crate) fn refuse_destroys(&self, count: usize) {
        self.0.refused_destroys.store(count, Ordering::SeqCst);
    }

    pub(crate) fn refuse_lists(&self, count: usize) {
        self.0.refused_lists.store(count, Ordering::SeqCst);
    }

    /// Whether all calls that were to fail have failed.
    pub(crate) fn list_is_answered(&self) -> bool {
        self.0.refused_lists.load(Ordering::SeqCst) == 0
    }
}

fn refused(count: &AtomicUsize) -> Result<(), HypervisorError> {
    match count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
        Ok(_) => Err(HypervisorError::Disconnected("a test's".to_owned())),
        Err(_) => Ok(()),
    }
}

/// Whether a machine starts again, by what its kernel is told.
fn is_reboot(spec: &MachineSpec) -> bool {
    let boot = spec.boot.as_ref();
    boot.is_some_and(|boot| boot.cmdline.contains("preflight.kernel=disk"))
}

fn copy_files(from: &FakeFiles, to: &FakeFiles) {
    for path in from.paths() {
        if let Some(file) = from.read(&path) {
            to.write(path, file);
        }
    }
}

struct Lease {
    machines: Machines,
    job: String,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(count) = self.machines.0.jobs.lock().unwrap().get_mut(&self.job) {
            *count -= 1;
        }
    }
}

#[async_trait]
impl Hypervisor for Machines {
    async fn start(&self, spec: &MachineSpec) -> Result<(), HypervisorError> {
        self.0.starting.fetch_add(1, Ordering::SeqCst);
        self.fake().start(spec).await
    }

    async fn destroy(&self, id: &MachineId) -> Result<(), HypervisorError> {
        refused(&self.0.refused_destroys)?;
        self.fake().destroy(id).await
    }

    async fn hold(&self, id: &MachineId) -> Result<(), HypervisorError> {
        self.fake().hold(id).await
    }

    async fn resume(&self, id: &MachineId) -> Result<(), HypervisorError> {
        self.fake().resume(id).await
    }

    async fn freeze(&self, id: &MachineId, method: Method, state: &Path) -> Result<Frozen, HypervisorError> {
        let (files, guest) = {
            let guests = self.0.guests.lock().unwrap();
            let (files, guest) = &guests[id];
            let copy = FakeFiles::default();
            copy_files(files, &copy);
            (copy, guest.copy())
        };
        let frozen = self.fake().freeze(id, method, state).await?;
        let token = id.to_string();
        std::fs::write(state, &token).expect("the fake has just written it");
        self.0.frozen.lock().unwrap().insert(token, (files, guest));
        Ok(frozen)
    }

    fn methods(&self) -> Vec<Freezing> {
        self.fake().methods()
    }

    async fn list(&self) -> Result<Vec<MachineInfo>, HypervisorError> {
        refused(&self.0.refused_lists)?;
        self.fake().list().await
    }

    fn events(&self) -> broadcast::Receiver<HypervisorEvent> {
        self.fake().events()
    }

    fn host(&self) -> HostDescription {
        self.fake().host()
    }
}

#[async_trait]
impl HypervisorSource for Machines {
    async fn connect(&self) -> Result<Arc<dyn Hypervisor>, String> {
        if let Some(why) = &self.0.unusable {
            return Err(why.clone());
        }
        self.0.connected.store(true, Ordering::SeqCst);
        Ok(Arc::new(self.clone()))
    }

    fn connected(&self) -> Option<Arc<dyn Hypervisor>> {
        let connected = self.0.connected.load(Ordering::SeqCst);
        connected.then(|| Arc::new(self.clone()) as Arc<dyn Hypervisor>)
    }

    fn slowness(&self) -> f64 {
        1.0
    }
}
