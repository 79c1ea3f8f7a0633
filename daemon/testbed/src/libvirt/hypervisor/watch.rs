//! The thread that hears libvirt's events, opens the connection again when it ends, tells what was missed meanwhile, and
//! looks at the console logs.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::super::access::watch_for_hanging;
use super::super::console_watch::{LARGEST_CONSOLE_LOG, flooded};
use super::super::events::{Raw, Watched};
use super::{Shared, failed, lock, ours};
use crate::hypervisor::{EndReason, HypervisorError, HypervisorEvent};
use crate::machine::MachineId;

/// Between two looks at the console logs, and between two attempts to connect.
const TICK: Duration = Duration::from_secs(1);
/// How long libvirt is given to agree with the processes about what runs; some processes only it can see.
const LONGEST_DISAGREEMENT: Duration = Duration::from_secs(60);
/// How long after a call, with no machine that runs, libvirt is still watched: a call that hangs is found out within that time.
const ATTENTION: Duration = Duration::from_secs(30);

impl Shared {
    fn hear(&self, raw: Raw) -> bool {
        match raw {
            Raw::Called => true,
            Raw::Life { name, event, detail } => {
                let Ok(id) = name.parse::<MachineId>() else { return true };
                if *id.installation() != self.installation {
                    return true;
                }
                let ended = lock(&self.known).life(&id, event, detail);
                if let Some(reason) = ended {
                    self.tell(HypervisorEvent::Ended { id, reason });
                }
                true
            }
            Raw::Closed { generation } => {
                let mut link = lock(&self.connection);
                if link.generation != generation {
                    return true;
                }
                link.current = None;
                false
            }
        }
    }

    /// Tries once to open the connection again, and tells what was missed.
    fn reopen(&self) -> Result<(), HypervisorError> {
        let connect = self.access.open()?;
        let generation = lock(&self.connection).generation + 1;
        let watched = Watched::new(connect, self.messages.clone(), generation).map_err(failed)?;
        let mut link = lock(&self.connection);
        link.generation = generation;
        link.current = Some(Arc::new(watched));
        drop(link);
        self.restored.notify_all();
        self.tell(HypervisorEvent::ConnectionRestored);
        Ok(())
    }

    /// Tells which machines ended unseen; true when libvirt and the processes agree. A libvirt daemon that has just
    /// come back may not know yet of machines that run, and none of those must be told to have ended; and it may not know yet
    /// that others have ended, of which it never tells.
    fn compare(&self) -> bool {
        let link = self
            .connection_now()
            .ok_or_else(|| HypervisorError::Disconnected("the connection has ended".into()));
        let listed = link
            .and_then(|link| ours(link.connect(), &self.installation))
            .map(|found| found.into_iter().map(|(id, _)| id).collect::<Vec<MachineId>>());
        let mut present = match listed {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(%error, "machines can't be compared yet");
                return false;
            }
        };
        let running = match self.access.keeper.machines() {
            Ok(running) => running,
            Err(error) => {
                tracing::warn!(%error, "machines can't be compared yet");
                return false;
            }
        };
        let unknown: Vec<MachineId> = running.iter().filter(|id| !present.contains(id)).cloned().collect();
        let agreed = unknown.is_empty() && present.iter().all(|id| running.contains(id));
        present.extend(unknown);
        let gone = lock(&self.known).compare(&present);
        for (id, reason) in gone {
            self.tell(HypervisorEvent::Ended { id, reason });
        }
        agreed
    }

    fn stop_floods(&self) {
        let folders = lock(&self.known).folders();
        for id in flooded(folders, LARGEST_CONSOLE_LOG) {
            tracing::warn!(%id, "destroyed: its console log is larger than {LARGEST_CONSOLE_LOG} bytes");
            lock(&self.known).because(&id, EndReason::ConsoleFlood);
            if let Err(error) = self.destroy(&id) {
                tracing::error!(%id, %error, "a machine that floods its console could not be destroyed");
            }
        }
    }
}

/// The life of the thread that hears events. Without calls and with no machine that runs, it rests until it is told something.
pub(super) fn watch(shared: &Weak<Shared>, heard: &mpsc::Receiver<Raw>) {
    let mut connected = true;
    let mut compared = true;
    let mut disagreement_ends = Instant::now();
    let mut rests = false;
    let mut called = Instant::now();
    loop {
        let message = if rests {
            heard.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            heard.recv_timeout(TICK)
        };
        let Some(shared) = shared.upgrade() else { return };
        if shared.leaving.load(Ordering::SeqCst) {
            return;
        }
        match message {
            Ok(raw) => {
                if matches!(raw, Raw::Called) {
                    called = Instant::now();
                }
                if !shared.hear(raw) && connected {
                    connected = false;
                    tracing::warn!("the connection to libvirt has ended; opening another");
                    shared.tell(HypervisorEvent::ConnectionClosed);
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                shared.stop_floods();
                if compared && lock(&shared.known).awaits_end() {
                    // libvirt tells of no end that it was asked for while it was coming back.
                    (compared, disagreement_ends) = (false, Instant::now() + LONGEST_DISAGREEMENT);
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if !connected {
            match shared.reopen() {
                Ok(()) => {
                    (connected, compared, rests) = (true, false, false);
                    disagreement_ends = Instant::now() + LONGEST_DISAGREEMENT;
                }
                Err(error) => tracing::warn!(%error, "libvirt can't be reached yet"),
            }
        }
        if connected && !compared {
            compared = shared.compare() || disagreement_ends <= Instant::now();
        }
        let idle = connected && compared && called.elapsed() >= ATTENTION && lock(&shared.known).rest();
        if idle != rests {
            rests = idle;
            if let Some(link) = shared.connection_now() {
                watch_for_hanging(link.connect(), !rests);
            }
        }
    }
}
