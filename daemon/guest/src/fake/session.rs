//! A fake guest's side of one session: its open streams, and what ends with it. Knows nothing of what requests mean.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use preflight_guest_protocol::StreamId;
use preflight_guest_protocol::message::{TerminalSize, ToHost};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::port::FakePort;
use super::shell::Line;
use crate::flow::Flow;

/// Which port something comes or goes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Port {
    Control,
    Bulk,
}

/// A fake guest's side of one session.
pub(super) struct Session {
    pub(super) control: FakePort,
    pub(super) bulk: FakePort,
    streams: Mutex<HashMap<StreamId, Entry>>,
    tunnels: AtomicU32,
    beats: Mutex<Option<AbortHandle>>,
}

/// A stream that is open.
pub(super) struct Entry {
    pub(super) flow: Arc<Flow>,
    pub(super) incoming: mpsc::UnboundedSender<Option<Vec<u8>>>,
    pub(super) size: watch::Sender<Option<TerminalSize>>,
    pub(super) task: Option<AbortHandle>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

impl Session {
    pub(super) fn new(control: FakePort, bulk: FakePort) -> Self {
        Self {
            control,
            bulk,
            streams: Mutex::default(),
            tunnels: AtomicU32::new(1),
            beats: Mutex::default(),
        }
    }

    /// Its beats, which end with it.
    pub(super) fn has_beats(&self, beats: AbortHandle) {
        *self.beats.lock().unwrap_or_else(PoisonError::into_inner) = Some(beats);
    }

    /// The port that a request came by, for its answer.
    pub(super) fn of(&self, port: Port) -> &FakePort {
        match port {
            Port::Control => &self.control,
            Port::Bulk => &self.bulk,
        }
    }

    pub(super) fn open(&self, id: StreamId) -> Line {
        let (sender, incoming) = mpsc::unbounded_channel();
        let flow = Arc::new(Flow::default());
        let size = watch::Sender::new(None);
        let sizes = tokio::sync::Mutex::new(size.subscribe());
        self.streams().insert(
            id,
            Entry {
                flow: Arc::clone(&flow),
                incoming: sender,
                size,
                task: None,
            },
        );
        Line {
            id,
            flow,
            incoming: tokio::sync::Mutex::new(incoming),
            sizes,
        }
    }

    pub(super) async fn open_tunnel(&self) -> Line {
        let line = self.open(StreamId::of_guest(self.tunnels.fetch_add(1, Ordering::Relaxed)));
        self.bulk.tell(line.id, &ToHost::TunnelOpen).await;
        line
    }

    pub(super) fn forget(&self, id: StreamId) {
        self.streams().remove(&id);
    }

    /// Stops what is played on the stream. `false`: it has ended already.
    pub(super) fn stop(&self, id: StreamId) -> bool {
        let entry = self.streams().remove(&id);
        if let Some(task) = entry.as_ref().and_then(|entry| entry.task.as_ref()) {
            task.abort();
        }
        entry.is_some()
    }

    pub(super) fn end(&self) {
        for (_, entry) in self.streams().drain() {
            if let Some(task) = entry.task {
                task.abort();
            }
        }
        if let Some(beats) = self.beats.lock().unwrap_or_else(PoisonError::into_inner).take() {
            beats.abort();
        }
    }

    pub(super) fn streams(&self) -> MutexGuard<'_, HashMap<StreamId, Entry>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
