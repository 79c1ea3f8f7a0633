//! [`Hypervisor`] without machines: a table of names, and a callback that serves a scripted guest where a real machine
//! would have one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::fault::{Dice, Faults};
use crate::hypervisor::{
    EndReason, Freezing, HostDescription, Hypervisor, HypervisorError, HypervisorEvent, MachineInfo, MachineState,
};
use crate::machine::{Accelerator, MachineId, MachineSpec};
use crate::start::{Frozen, MemoryName, Method, Start};

/// Called for each machine that starts, before `start` returns; what it returns is dropped when the machine ends, and
/// should take the guest's sockets with it.
pub type OnStart = Box<dyn Fn(&MachineSpec) -> Box<dyn Send> + Send + Sync>;

/// A hypervisor without machines.
pub struct FakeHypervisor {
    faults: Faults,
    on_start: OnStart,
    state: Mutex<State>,
    events: broadcast::Sender<HypervisorEvent>,
}

struct State {
    dice: Dice,
    machines: BTreeMap<MachineId, Made>,
}

struct Made {
    spec: MachineSpec,
    /// Dropped with the machine.
    _guest: Box<dyn Send>,
    state: MachineState,
}

impl FakeHypervisor {
    /// A hypervisor whose machines are served by `on_start`.
    #[must_use]
    pub fn new(faults: Faults, on_start: OnStart) -> Self {
        let state = State {
            dice: Dice::new(faults.seed),
            machines: BTreeMap::new(),
        };
        Self {
            faults,
            on_start,
            state: Mutex::new(state),
            events: broadcast::channel(1024).0,
        }
    }

    /// A hypervisor whose machines do nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(Faults::default(), Box::new(|_| Box::new(())))
    }

    /// Ends a machine as if by itself; false when there is none.
    pub fn end(&self, id: &MachineId, reason: EndReason) -> bool {
        let ended = self.state().machines.remove(id).is_some();
        if ended {
            self.tell(HypervisorEvent::Ended { id: id.clone(), reason });
        }
        ended
    }

    /// The specification with which a machine was started.
    #[must_use]
    pub fn spec(&self, id: &MachineId) -> Option<MachineSpec> {
        self.state().machines.get(id).map(|made| made.spec.clone())
    }

    fn put(&self, id: &MachineId, state: MachineState) -> Result<(), HypervisorError> {
        match self.state().machines.get_mut(id) {
            Some(made) => {
                made.state = state;
                Ok(())
            }
            None => Err(HypervisorError::Libvirt(format!("there is no machine {id}"))),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: HypervisorEvent) {
        let _ = self.events.send(event);
    }

    /// Before each call, the connection may close for a moment.
    fn blink(&self) {
        if self.state().dice.falls(self.faults.connection_closes) {
            self.tell(HypervisorEvent::ConnectionClosed);
            self.tell(HypervisorEvent::ConnectionRestored);
        }
    }
}

#[async_trait]
impl Hypervisor for FakeHypervisor {
    async fn start(&self, spec: &MachineSpec) -> Result<(), HypervisorError> {
        spec.check()?;
        self.blink();
        tokio::time::sleep(self.faults.start_takes).await;
        if self.state().machines.contains_key(&spec.id) {
            return Err(HypervisorError::Exists(spec.id.clone()));
        }
        let is_clone = spec.start != Start::Boot;
        if self.state().dice.falls(self.faults.start_fails)
            || is_clone && self.state().dice.falls(self.faults.clone_fails)
        {
            let message = "a fault of the fake's".to_owned();
            return Err(HypervisorError::Start {
                id: spec.id.clone(),
                message,
            });
        }
        let guest = (self.on_start)(spec);
        let ends = {
            let mut state = self.state();
            let made = Made {
                spec: spec.clone(),
                _guest: guest,
                state: MachineState::Running,
            };
            state.machines.insert(spec.id.clone(), made);
            state.dice.falls(self.faults.machine_ends)
        };
        if ends {
            self.end(&spec.id, EndReason::Failed);
        }
        Ok(())
    }

    async fn hold(&self, id: &MachineId) -> Result<(), HypervisorError> {
        self.put(id, MachineState::Paused)
    }

    async fn resume(&self, id: &MachineId) -> Result<(), HypervisorError> {
        self.put(id, MachineState::Running)
    }

    async fn freeze(&self, id: &MachineId, method: Method, state: &Path) -> Result<Frozen, HypervisorError> {
        let refused = |message: String| HypervisorError::Freeze {
            id: id.clone(),
            message,
        };
        let spec = self
            .spec(id)
            .ok_or_else(|| refused("there is no such machine".to_owned()))?;
        if self.state().dice.falls(self.faults.freeze_fails) {
            return Err(refused("a fault of the fake's".to_owned()));
        }
        let memory = match method {
            Method::SharedMemory => Some(spec.memory_file.ok_or_else(|| refused("no memory file".to_owned()))?),
            Method::SaveImage => None,
        };
        for file in memory.iter().map(PathBuf::as_path).chain([state]) {
            std::fs::write(file, b"frozen").map_err(|error| refused(error.to_string()))?;
        }
        self.end(id, EndReason::Frozen);
        Ok(Frozen {
            method,
            memory_name: MemoryName::Usual,
            state: state.to_owned(),
            memory,
        })
    }

    fn methods(&self) -> Vec<Freezing> {
        let hindrance = || self.faults.never_freezes.then(|| "the fake does not freeze".to_owned());
        let freezing = |method| Freezing {
            method,
            hindrance: hindrance(),
        };
        Method::ALL.map(freezing).to_vec()
    }

    async fn destroy(&self, id: &MachineId) -> Result<(), HypervisorError> {
        self.blink();
        tokio::time::sleep(self.faults.destroy_takes).await;
        self.end(id, EndReason::Destroyed);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<MachineInfo>, HypervisorError> {
        self.blink();
        let state = self.state();
        let describe = |(id, made): (&MachineId, &Made)| MachineInfo {
            id: id.clone(),
            label: made.spec.label.to_string(),
            state: made.state,
        };
        Ok(state.machines.iter().map(describe).collect())
    }

    fn events(&self) -> broadcast::Receiver<HypervisorEvent> {
        self.events.subscribe()
    }

    fn host(&self) -> HostDescription {
        HostDescription {
            uri: "fake:///".into(),
            libvirt_version: "0.0.0".into(),
            qemu_version: "0.0.0".into(),
            emulator: "/nonexistent/qemu".into(),
            machine_type: "pc-q35-0.0".into(),
            accelerator: Accelerator::Tcg,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI32, Ordering};

    use super::*;
    use crate::fake::Chance;
    use crate::machine::{InstallationId, Label, MachineFolder, MiB};
    use crate::start::Priority;

    fn spec(number: u64) -> MachineSpec {
        MachineSpec {
            id: MachineId::new(InstallationId::new("fake").unwrap(), number),
            label: Label::new("ticket 1").unwrap(),
            memory: MiB(512),
            cpus: 1,
            boot: None,
            disk: None,
            folder: MachineFolder::new(Path::new("/run/m")).unwrap(),
            accelerator: Accelerator::Tcg,
            start: Start::Boot,
            memory_file: None,
            priority: Priority::Background,
        }
    }

    #[tokio::test]
    async fn a_guest_lives_as_long_as_its_machine() {
        struct Guest(Arc<AtomicI32>);
        impl Drop for Guest {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let guests = Arc::new(AtomicI32::new(0));
        let counted = guests.clone();
        let hypervisor = FakeHypervisor::new(
            Faults::default(),
            Box::new(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
                Box::new(Guest(counted.clone()))
            }),
        );
        let mut events = hypervisor.events();
        hypervisor.start(&spec(1)).await.unwrap();
        assert!(matches!(
            hypervisor.start(&spec(1)).await,
            Err(HypervisorError::Exists(_))
        ));
        assert_eq!(
            (guests.load(Ordering::SeqCst), hypervisor.list().await.unwrap().len()),
            (1, 1)
        );
        hypervisor.destroy(&spec(1).id).await.unwrap();
        hypervisor.destroy(&spec(1).id).await.unwrap();
        assert_eq!(
            (guests.load(Ordering::SeqCst), hypervisor.list().await.unwrap().len()),
            (0, 0)
        );
        let wanted = HypervisorEvent::Ended {
            id: spec(1).id,
            reason: EndReason::Destroyed,
        };
        assert_eq!(events.try_recv().unwrap(), wanted);
        assert!(events.try_recv().is_err());
    }

    #[tokio::test]
    async fn faults_happen() {
        let faults = Faults {
            start_fails: Chance::ALWAYS,
            connection_closes: Chance::ALWAYS,
            ..Faults::default()
        };
        let hypervisor = FakeHypervisor::new(faults, Box::new(|_| Box::new(())));
        let mut events = hypervisor.events();
        assert!(hypervisor.start(&spec(1)).await.is_err());
        assert_eq!(events.try_recv().unwrap(), HypervisorEvent::ConnectionClosed);
        let faults = Faults {
            machine_ends: Chance::ALWAYS,
            ..Faults::default()
        };
        let hypervisor = FakeHypervisor::new(faults, Box::new(|_| Box::new(())));
        let mut events = hypervisor.events();
        hypervisor.start(&spec(1)).await.unwrap();
        assert!(matches!(
            events.try_recv().unwrap(),
            HypervisorEvent::Ended {
                reason: EndReason::Failed,
                ..
            }
        ));
        assert!(hypervisor.list().await.unwrap().is_empty());
    }
}
