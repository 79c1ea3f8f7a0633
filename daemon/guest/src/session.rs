//! What a session's tasks and its streams share, and what becomes of each frame that comes. Reading never waits on a
//! consumer: credit bounds what is queued for it, and a guest that breaks a bound has its session closed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

use preflight_guest_protocol::message::{Beat, NetworkAttempt, ToGuest, ToHost, of_payload};
use preflight_guest_protocol::{Channel, Frame, Inbound, Incoming, Kind, SessionId, StreamId};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{broadcast, mpsc, watch};

use crate::attach::CHUNK;
use crate::channel::{ControlQueue, Outgoing};
use crate::error::{CloseReason, GuestError};
use crate::flow::Flow;
use crate::stream::Stream;
use crate::tunnel::{self, TunnelConnection};

/// Messages and ends that one stream may carry in its life; the longest exchange needs five.
const STREAM_MESSAGES: u32 = 16;
/// Tunnel connections at a time; apt uses a handful.
const TUNNELS: usize = 64;
/// Network attempts that wait for a slow subscriber.
const ATTEMPTS: usize = 256;

/// A sign of life and when it came.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Health {
    /// What the agent told.
    pub beat: Beat,
    /// When it came, by the host's clock.
    pub at: Instant,
}

/// What comes on a stream.
#[derive(Debug)]
pub(crate) enum StreamEvent {
    Data(Channel, Vec<u8>),
    Eof(Channel),
    Message(ToHost),
}

struct Entry {
    events: mpsc::UnboundedSender<StreamEvent>,
    flow: Arc<Flow>,
    messages: u32,
}

struct Open {
    streams: HashMap<StreamId, Entry>,
    tunnels: mpsc::Sender<TunnelConnection>,
}

/// What a session's tasks and streams share.
pub(crate) struct Shared {
    control: ControlQueue,
    bulk: mpsc::Sender<Outgoing>,
    /// Gone once the session is over: whoever waits for events or tunnel connections then gets an end.
    open: Mutex<Option<Open>>,
    next_stream: AtomicU32,
    pub(crate) closed: watch::Sender<Option<CloseReason>>,
    pub(crate) health: watch::Sender<Option<Health>>,
    pub(crate) attempts: broadcast::Sender<NetworkAttempt>,
}

/// Which port a frame came by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Port {
    Control,
    Bulk,
}

impl Shared {
    pub(crate) fn new(
        control: ControlQueue,
        bulk: mpsc::Sender<Outgoing>,
    ) -> (Arc<Self>, mpsc::Receiver<TunnelConnection>) {
        let (tunnels, tunnel_connections) = mpsc::channel(TUNNELS);
        let shared = Self {
            control,
            bulk,
            open: Mutex::new(Some(Open {
                streams: HashMap::new(),
                tunnels,
            })),
            next_stream: AtomicU32::new(1),
            closed: watch::Sender::new(None),
            health: watch::Sender::new(None),
            attempts: broadcast::Sender::new(ATTEMPTS),
        };
        (Arc::new(shared), tunnel_connections)
    }

    /// Opens a stream of the daemon's. The request that it is for must be the first that is sent on it.
    pub(crate) fn open(self: &Arc<Self>) -> Result<Stream, GuestError> {
        let id = StreamId::new(self.next_stream.fetch_add(1, Ordering::Relaxed) & !StreamId::GUEST_BIT);
        self.insert(id).ok_or_else(|| self.closed_error())
    }

    fn insert(self: &Arc<Self>, id: StreamId) -> Option<Stream> {
        let (events, incoming) = mpsc::unbounded_channel();
        let flow = Arc::new(Flow::default());
        let entry = Entry {
            events,
            flow: Arc::clone(&flow),
            messages: 0,
        };
        self.lock().as_mut()?.streams.insert(id, entry);
        Some(Stream::new(id, Arc::clone(self), flow, incoming))
    }

    /// Forgets a stream; what still comes on it is dropped.
    pub(crate) fn forget(&self, id: StreamId) {
        if let Some(open) = self.lock().as_mut() {
            open.streams.remove(&id);
        }
    }

    /// Queues a frame for the control port.
    pub(crate) fn send_control(&self, frame: Outgoing) {
        if self.control.send(frame).is_err() {
            self.close(CloseReason::Broken("it does not read its control port".to_owned()));
        }
    }

    /// Queues a frame for the bulk port, waiting for room.
    pub(crate) async fn send_bulk(&self, frame: Outgoing) -> Result<(), GuestError> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            sent = self.bulk.send(frame) => sent.map_err(|_| self.closed_error()),
            _ = closed.wait_for(Option::is_some) => Err(self.closed_error()),
        }
    }

    /// Sends a message about a stream that must not wait behind data.
    pub(crate) fn tell(&self, stream: StreamId, message: &ToGuest) {
        if let Ok(frame) = Outgoing::message(stream, message) {
            self.send_control(frame);
        }
    }

    /// Ends the session: whoever waits on it is told this reason. The first reason stays.
    pub(crate) fn close(&self, reason: CloseReason) {
        let is_first = self.closed.send_if_modified(|closed| {
            let is_first = closed.is_none();
            closed.get_or_insert(reason);
            is_first
        });
        if is_first {
            *self.lock() = None;
        }
    }

    pub(crate) fn closed_error(&self) -> GuestError {
        GuestError::Closed(self.closed.borrow().clone().unwrap_or(CloseReason::Dropped))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, port: Port, frame: Frame) -> Result<(), String> {
        match frame.kind {
            Kind::Hello => Err("a second hello".to_owned()),
            Kind::Message => {
                let message = of_payload(&frame.payload).map_err(|error| error.to_string())?;
                self.take_message(port, frame.stream, message)
            }
            Kind::Credit => {
                let amount = frame
                    .payload
                    .try_into()
                    .map(u32::from_le_bytes)
                    .map_err(|_| "a malformed grant")?;
                self.with_entry(frame.stream, |entry| {
                    entry.flow.grant(amount).map_err(|error| error.to_string())
                })
            }
            Kind::Data => self.with_entry(frame.stream, |entry| {
                entry
                    .flow
                    .receive(frame.payload.len())
                    .map_err(|error| error.to_string())?;
                // A consumer that is gone has no use for it.
                let _ = entry.events.send(StreamEvent::Data(frame.channel, frame.payload));
                Ok(())
            }),
            Kind::Eof => self.pass_on(frame.stream, StreamEvent::Eof(frame.channel)),
        }
    }

    fn take_message(self: &Arc<Self>, port: Port, stream: StreamId, message: ToHost) -> Result<(), String> {
        match (message, stream) {
            (ToHost::Beat(beat), StreamId::SESSION) => {
                self.health.send_replace(Some(Health {
                    beat,
                    at: Instant::now(),
                }));
                Ok(())
            }
            (ToHost::NetworkAttempt(attempt), StreamId::SESSION) => {
                // Without a subscriber nobody wants to know.
                let _ = self.attempts.send(attempt);
                Ok(())
            }
            (ToHost::Abort, StreamId::SESSION) => {
                self.close(CloseReason::AgentGaveUp);
                Ok(())
            }
            (_, StreamId::SESSION) => Err("an answer without a stream".to_owned()),
            (ToHost::TunnelOpen, stream) if port == Port::Bulk && stream.is_of_guest() => self.open_tunnel(stream),
            (message, stream) => self.pass_on(stream, StreamEvent::Message(message)),
        }
    }

    fn pass_on(&self, stream: StreamId, event: StreamEvent) -> Result<(), String> {
        self.with_entry(stream, |entry| {
            entry.messages += 1;
            if entry.messages > STREAM_MESSAGES {
                return Err("too many messages on a stream".to_owned());
            }
            if matches!(
                event,
                StreamEvent::Message(ToHost::Exited(_) | ToHost::Done | ToHost::Failed(_) | ToHost::Abort)
            ) {
                entry.flow.end();
            }
            let _ = entry.events.send(event);
            Ok(())
        })
    }

    fn open_tunnel(self: &Arc<Self>, id: StreamId) -> Result<(), String> {
        let tunnels = {
            let open = self.lock();
            let Some(open) = open.as_ref() else { return Ok(()) };
            if open.streams.contains_key(&id) {
                return Err("a tunnel connection with a used number".to_owned());
            }
            let has_room = open.streams.keys().filter(|id| id.is_of_guest()).count() < TUNNELS;
            has_room.then(|| open.tunnels.clone())
        };
        match tunnels.as_ref().map(mpsc::Sender::try_reserve) {
            Some(Ok(place)) => {
                if let Some(stream) = self.insert(id) {
                    place.send(tunnel::start(stream));
                }
            }
            _ => self.tell(id, &ToGuest::Abort),
        }
        Ok(())
    }

    /// Acts on an open stream's entry. Frames of a stream that was given up are no breach: they were on their way.
    fn with_entry(&self, stream: StreamId, act: impl FnOnce(&mut Entry) -> Result<(), String>) -> Result<(), String> {
        match self.lock().as_mut().and_then(|open| open.streams.get_mut(&stream)) {
            Some(entry) => act(entry),
            None => Ok(()),
        }
    }
}

/// Reads a port until the session ends, and closes it then.
pub(crate) async fn read_all(
    shared: Arc<Shared>,
    port: Port,
    mut inbound: Inbound,
    mut socket: impl AsyncRead + Unpin,
) {
    let mut buffer = vec![0; CHUNK];
    let reason = loop {
        // Frames may have come along with the hello.
        if let Err(reason) = take_all(&shared, port, &mut inbound) {
            break reason;
        }
        match socket.read(&mut buffer).await {
            Ok(0) => break CloseReason::MachineGone,
            Ok(length) => inbound.push(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break CloseReason::MachineGone,
            Err(error) => break CloseReason::Socket(error.to_string()),
        }
    };
    shared.close(reason);
}

fn take_all(shared: &Arc<Shared>, port: Port, inbound: &mut Inbound) -> Result<(), CloseReason> {
    while let Some(incoming) = inbound.next_incoming() {
        match incoming {
            Ok(Incoming::Frame(frame)) => shared.take(port, frame).map_err(CloseReason::Broken)?,
            Ok(Incoming::Hello(_)) => return Err(CloseReason::Broken("a second hello".to_owned())),
            Err(error) => return Err(CloseReason::Broken(error.to_string())),
        }
    }
    Ok(())
}

/// The id of a new session.
pub(crate) fn new_session() -> SessionId {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    SessionId::new(high ^ low)
}
