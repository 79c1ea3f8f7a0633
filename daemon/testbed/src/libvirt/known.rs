//! Which machines are there, as far as has been told, and what to tell next: each machine's end exactly once, whatever
//! libvirt says twice, too early, or not at all. Pure; the connection's thread feeds it.

use std::collections::HashMap;
use std::path::PathBuf;

use virt::sys;

use crate::hypervisor::EndReason;
use crate::machine::{MachineFolder, MachineId};
use crate::start::MemoryName;

/// What has to be remembered of a machine's start.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// Its sockets and its console log.
    pub(super) folder: MachineFolder,
    /// The file that its memory is.
    pub(super) memory_file: Option<PathBuf>,
    /// How its memory is called.
    pub(super) memory_name: MemoryName,
}

/// A machine whose end is to be told.
#[derive(Debug)]
struct Known {
    origin: Option<Origin>,
    /// Between libvirt's call and its return: an end is told only if the call succeeds.
    starting: bool,
    /// Whether its processors are held, as far as libvirt has said.
    held: bool,
    ended: Option<EndReason>,
    /// A reason that libvirt can't know and that stands above its own.
    because: Option<EndReason>,
}

/// All machines whose ends are to be told.
#[derive(Debug, Default)]
pub(super) struct KnownMachines(HashMap<MachineId, Known>);

impl KnownMachines {
    /// A start is about to be tried; false when the machine is known already.
    pub(super) fn starting(&mut self, id: &MachineId, origin: Origin) -> bool {
        if self.0.contains_key(id) {
            return false;
        }
        let known = Known {
            origin: Some(origin),
            starting: true,
            held: false,
            ended: None,
            because: None,
        };
        self.0.insert(id.clone(), known);
        true
    }

    /// The start succeeded; an end that came before is told now.
    #[must_use]
    pub(super) fn started(&mut self, id: &MachineId) -> Option<EndReason> {
        let known = self.0.get_mut(id)?;
        known.starting = false;
        let ended = known.ended?;
        self.0.remove(id);
        Some(ended)
    }

    /// The start failed: nobody is told of an end.
    pub(super) fn not_started(&mut self, id: &MachineId) {
        self.0.remove(id);
    }

    /// How the machine was started; nothing of those that were found.
    pub(super) fn origin(&self, id: &MachineId) -> Option<Origin> {
        self.0.get(id)?.origin.clone()
    }

    /// The machine is about to be destroyed for a reason of ours.
    pub(super) fn because(&mut self, id: &MachineId, reason: EndReason) {
        if let Some(known) = self.0.get_mut(id) {
            known.because.get_or_insert(reason);
        }
    }

    /// libvirt says that a domain's life went on; answers with the end that is to be told.
    #[must_use]
    pub(super) fn life(&mut self, id: &MachineId, event: u32, detail: u32) -> Option<EndReason> {
        let known = self.0.get_mut(id)?;
        known.held = event == sys::VIR_DOMAIN_EVENT_SUSPENDED;
        match event {
            sys::VIR_DOMAIN_EVENT_CRASHED => {
                known.because.get_or_insert(EndReason::Panicked);
                None
            }
            sys::VIR_DOMAIN_EVENT_STOPPED => {
                let reason = known.because.unwrap_or(match detail {
                    sys::VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN => EndReason::Shutdown,
                    sys::VIR_DOMAIN_EVENT_STOPPED_DESTROYED => EndReason::Destroyed,
                    sys::VIR_DOMAIN_EVENT_STOPPED_CRASHED => EndReason::Panicked,
                    _ => EndReason::Failed,
                });
                if known.starting {
                    known.ended = Some(reason);
                    return None;
                }
                self.0.remove(id);
                Some(reason)
            }
            _ => None,
        }
    }

    /// These are all the machines there are: takes note of new ones, and answers with those that are gone.
    #[must_use]
    pub(super) fn compare(&mut self, present: &[MachineId]) -> Vec<(MachineId, EndReason)> {
        for known in self.0.values_mut() {
            // What happened meanwhile to one that was held, nobody has told.
            known.held = false;
        }
        for id in present {
            let found = || Known {
                origin: None,
                starting: false,
                held: false,
                ended: None,
                because: None,
            };
            self.0.entry(id.clone()).or_insert_with(found);
        }
        let gone: Vec<MachineId> = self
            .0
            .iter()
            .filter(|(id, known)| !known.starting && !present.contains(id))
            .map(|(id, _)| id.clone())
            .collect();
        gone.into_iter()
            .filter_map(|id| {
                let known = self.0.remove(&id)?;
                Some((id, known.because.unwrap_or(EndReason::WhileDisconnected)))
            })
            .collect()
    }

    /// Whether one of them has been ended for a reason of ours, and its end has not been told.
    pub(super) fn awaits_end(&self) -> bool {
        self.0.values().any(|known| known.because.is_some() && !known.starting)
    }

    /// Whether none of them does anything: machines that are held neither write nor end by themselves.
    pub(super) fn rest(&self) -> bool {
        self.0.values().all(|known| known.held && !known.starting)
    }

    /// The folders of running machines, for the watch over their console logs.
    pub(super) fn folders(&self) -> Vec<(MachineId, MachineFolder)> {
        self.0
            .iter()
            .filter_map(|(id, known)| Some((id.clone(), known.origin.as_ref()?.folder.clone())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::machine::InstallationId;

    const STOPPED: u32 = sys::VIR_DOMAIN_EVENT_STOPPED;
    const DESTROYED: u32 = sys::VIR_DOMAIN_EVENT_STOPPED_DESTROYED;

    fn id(number: u64) -> MachineId {
        MachineId::new(InstallationId::new("t").unwrap(), number)
    }

    fn origin() -> Origin {
        Origin {
            folder: folder(),
            memory_file: None,
            memory_name: MemoryName::Usual,
        }
    }

    fn folder() -> MachineFolder {
        MachineFolder::new(Path::new("/run/m")).unwrap()
    }

    #[test]
    fn an_end_is_told_once() {
        let mut known = KnownMachines::default();
        assert!(known.starting(&id(1), origin()));
        assert!(!known.starting(&id(1), origin()));
        assert_eq!(known.started(&id(1)), None);
        assert_eq!(known.life(&id(1), STOPPED, DESTROYED), Some(EndReason::Destroyed));
        assert_eq!(known.life(&id(1), STOPPED, DESTROYED), None);
        assert_eq!(known.compare(&[]), []);
    }

    #[test]
    fn an_end_during_the_start_waits_for_its_outcome() {
        let mut known = KnownMachines::default();
        for succeeds in [true, false] {
            assert!(known.starting(&id(1), origin()));
            assert_eq!(known.life(&id(1), STOPPED, sys::VIR_DOMAIN_EVENT_STOPPED_FAILED), None);
            if succeeds {
                assert_eq!(known.started(&id(1)), Some(EndReason::Failed));
            } else {
                known.not_started(&id(1));
            }
            assert_eq!(known.compare(&[]), []);
        }
    }

    #[test]
    fn what_ended_unseen_is_told_by_comparing() {
        let mut known = KnownMachines::default();
        assert_eq!(known.compare(&[id(1), id(2)]), []);
        assert!(known.starting(&id(3), origin()));
        assert_eq!(known.compare(&[id(2)]), [(id(1), EndReason::WhileDisconnected)]);
        assert_eq!(known.life(&id(1), STOPPED, DESTROYED), None);
        assert_eq!(known.life(&id(2), STOPPED, DESTROYED), Some(EndReason::Destroyed));
    }

    #[test]
    fn machines_rest_when_all_are_held() {
        let mut known = KnownMachines::default();
        assert!(known.rest());
        assert!(known.starting(&id(1), origin()));
        for event in [sys::VIR_DOMAIN_EVENT_STARTED, sys::VIR_DOMAIN_EVENT_SUSPENDED] {
            assert_eq!(known.life(&id(1), event, 0), None);
            assert!(!known.rest(), "it is not known yet what becomes of the start");
        }
        assert_eq!(known.started(&id(1)), None);
        assert!(known.rest());
        assert_eq!(known.life(&id(1), sys::VIR_DOMAIN_EVENT_RESUMED, 0), None);
        assert!(!known.rest());
        assert_eq!(known.life(&id(1), sys::VIR_DOMAIN_EVENT_SUSPENDED, 0), None);
        assert!(known.rest());
        assert_eq!(known.compare(&[id(1)]), []);
        assert!(!known.rest());
    }

    #[test]
    fn our_own_reasons_and_a_panic_stand_first() {
        let mut known = KnownMachines::default();
        assert_eq!(known.compare(&[id(1), id(2)]), []);
        assert!(!known.awaits_end());
        known.because(&id(1), EndReason::ConsoleFlood);
        assert!(known.awaits_end());
        assert_eq!(known.life(&id(1), STOPPED, DESTROYED), Some(EndReason::ConsoleFlood));
        assert_eq!(known.life(&id(2), sys::VIR_DOMAIN_EVENT_CRASHED, 0), None);
        assert_eq!(known.life(&id(2), STOPPED, DESTROYED), Some(EndReason::Panicked));
    }
}
