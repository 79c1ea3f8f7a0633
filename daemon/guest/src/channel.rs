//! The two sockets as frames: what is written goes through a queue a port, in order; what is read is handed on. Owns the
//! bounds of the queues; knows nothing of streams' meaning.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use preflight_guest_protocol::frame::{MAX_PAYLOAD, TooLong};
use preflight_guest_protocol::message::{ToGuest, to_payload};
use preflight_guest_protocol::{Channel, Kind, Outbound, StreamId};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// Data frames that wait for the bulk port; a sender beyond that waits.
const BULK_QUEUE: usize = 8;
/// Frames that wait for the control port. They are answers to what the guest did: a guest that does not read them while it
/// makes more is hostile.
const CONTROL_QUEUE: usize = 8192;

/// A frame to send.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) stream: StreamId,
    pub(crate) kind: Kind,
    pub(crate) channel: Channel,
    pub(crate) payload: Vec<u8>,
}

impl Outgoing {
    pub(crate) fn message(stream: StreamId, message: &ToGuest) -> Result<Self, TooLong> {
        let payload = to_payload(message);
        if payload.len() > MAX_PAYLOAD {
            return Err(TooLong(payload.len()));
        }
        Ok(Self {
            stream,
            kind: Kind::Message,
            channel: Channel::Main,
            payload,
        })
    }
}

/// The control port's queue. Sending never waits.
#[derive(Clone, Debug)]
pub(crate) struct ControlQueue {
    queue: mpsc::UnboundedSender<Outgoing>,
    waiting: Arc<AtomicUsize>,
}

/// The guest lets its control port overflow, or the session is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unsent;

impl ControlQueue {
    pub(crate) fn send(&self, frame: Outgoing) -> Result<(), Unsent> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= CONTROL_QUEUE {
            return Err(Unsent);
        }
        self.queue.send(frame).map_err(|_| Unsent)
    }
}

/// Where frames for the ports are queued, and the two ends that write them.
pub(crate) struct Queues {
    pub(crate) control: ControlQueue,
    pub(crate) bulk: mpsc::Sender<Outgoing>,
    pub(crate) control_end: ControlEnd,
    pub(crate) bulk_end: BulkEnd,
}

pub(crate) struct ControlEnd {
    frames: mpsc::UnboundedReceiver<Outgoing>,
    waiting: Arc<AtomicUsize>,
}

pub(crate) struct BulkEnd {
    frames: mpsc::Receiver<Outgoing>,
}

pub(crate) fn queues() -> Queues {
    let (control, control_frames) = mpsc::unbounded_channel();
    let (bulk, bulk_frames) = mpsc::channel(BULK_QUEUE);
    let waiting = Arc::new(AtomicUsize::new(0));
    Queues {
        control: ControlQueue {
            queue: control,
            waiting: Arc::clone(&waiting),
        },
        bulk,
        control_end: ControlEnd {
            frames: control_frames,
            waiting,
        },
        bulk_end: BulkEnd { frames: bulk_frames },
    }
}

/// Where a port's frames come from.
pub(crate) trait Frames: Send {
    fn next(&mut self) -> impl Future<Output = Option<Outgoing>> + Send;
}

impl Frames for ControlEnd {
    async fn next(&mut self) -> Option<Outgoing> {
        let frame = self.frames.recv().await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        frame
    }
}

impl Frames for BulkEnd {
    async fn next(&mut self) -> Option<Outgoing> {
        self.frames.recv().await
    }
}

/// Writes frames until the queue or the socket ends.
pub(crate) async fn write_all(
    mut frames: impl Frames,
    mut outbound: Outbound,
    mut socket: impl AsyncWrite + Unpin + Send,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    while let Some(frame) = frames.next().await {
        bytes.clear();
        outbound
            .encode(frame.stream, frame.kind, frame.channel, &frame.payload, &mut bytes)
            .map_err(std::io::Error::other)?;
        socket.write_all(&bytes).await?;
    }
    Ok(())
}
