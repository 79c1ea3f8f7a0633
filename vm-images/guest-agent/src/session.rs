//! The streams of one connection to a daemon. A session ends when the next one begins or its frames were damaged; its
//! streams end with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use preflight_guest_protocol::{SessionId, StreamId};

use crate::link::Link;
use crate::stream::{Port, Stream};

/// A session and its open streams.
pub(crate) struct Session {
    id: SessionId,
    link: Arc<Link>,
    streams: Mutex<Streams>,
}

#[derive(Default)]
struct Streams {
    open: HashMap<StreamId, Arc<Stream>>,
    opened_here: u32,
    closed: bool,
}

impl Session {
    pub(crate) fn new(id: SessionId, link: Arc<Link>) -> Self {
        Self {
            id,
            link,
            streams: Mutex::default(),
        }
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    /// The open stream of this id.
    pub(crate) fn stream(&self, id: StreamId) -> Option<Arc<Stream>> {
        self.lock().open.get(&id).cloned()
    }

    /// Opens the stream that a request of the daemon's asks for; `None` if it is open already or the session is over.
    pub(crate) fn open(&self, id: StreamId, port: Port) -> Option<Arc<Stream>> {
        let mut streams = self.lock();
        if streams.closed || id.is_of_guest() || streams.open.contains_key(&id) {
            return None;
        }
        Some(self.insert(&mut streams, id, port))
    }

    /// Opens a stream of the agent's own; `None` if the session is over.
    pub(crate) fn open_here(&self) -> Option<Arc<Stream>> {
        let mut streams = self.lock();
        if streams.closed {
            return None;
        }
        streams.opened_here = streams.opened_here.wrapping_add(1);
        let id = StreamId::of_guest(streams.opened_here);
        Some(self.insert(&mut streams, id, Port::Bulk))
    }

    fn insert(&self, streams: &mut Streams, id: StreamId, port: Port) -> Arc<Stream> {
        let stream = Arc::new(Stream::new(id, self.id, port, Arc::clone(&self.link)));
        streams.open.insert(id, Arc::clone(&stream));
        stream
    }

    /// Forgets a stream that is done.
    pub(crate) fn done(&self, id: StreamId) {
        self.lock().open.remove(&id);
    }

    /// Ends all streams and sends nothing more.
    pub(crate) fn close(&self) {
        let open = {
            let mut streams = self.lock();
            streams.closed = true;
            std::mem::take(&mut streams.open)
        };
        for stream in open.values() {
            stream.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
