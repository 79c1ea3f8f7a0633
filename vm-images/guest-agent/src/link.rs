//! The sending half of both ports: frames of the current session, one whole frame after the other. A write blocks while the
//! host does not read; whoever must not wait does not send.

use std::io::Write;
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, MutexGuard, PoisonError};

use preflight_guest_protocol::message::{ToHost, to_payload};
use preflight_guest_protocol::{Channel, Kind, Outbound, SessionId, StreamId};

use crate::failure::Refusal;

/// Both ports' sending halves.
pub(crate) struct Link {
    pub(crate) control: Sender,
    pub(crate) bulk: Sender,
}

/// One port's sending half.
pub(crate) struct Sender {
    /// What may be sent now. A lock of its own: a session must end while a write of its frames blocks, because the host
    /// comes back to one port first and reads the other's remains only afterwards.
    current: Mutex<Option<SessionId>>,
    sink: Mutex<Sink>,
}

struct Sink {
    writers: Receiver<Box<dyn Write + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    outbound: Option<Outbound>,
    buffer: Vec<u8>,
}

impl Sender {
    /// Sends over the newest of these writers.
    pub(crate) fn new(writers: Receiver<Box<dyn Write + Send>>) -> Self {
        Self {
            current: Mutex::new(None),
            sink: Mutex::new(Sink {
                writers,
                writer: None,
                outbound: None,
                buffer: Vec::new(),
            }),
        }
    }

    /// Answers a hello: from now on frames of this session are sent, and of no other.
    pub(crate) fn open(&self, session: SessionId, hello: &[u8]) {
        let mut sink = self.lock();
        let Ok((outbound, opening)) = Outbound::opening(session, hello) else {
            return;
        };
        while let Ok(writer) = sink.writers.try_recv() {
            sink.writer = Some(writer);
        }
        sink.outbound = Some(outbound);
        *self.current() = Some(session);
        sink.write(&opening);
    }

    /// Answers a hello of another version with one of this, in no session.
    pub(crate) fn refuse(&self, session: SessionId, hello: &[u8]) {
        self.open(session, hello);
        self.close(session);
    }

    /// Stops sending in this session, without waiting for a write that blocks.
    pub(crate) fn close(&self, session: SessionId) {
        let mut current = self.current();
        if *current == Some(session) {
            *current = None;
        }
    }

    /// Sends one frame.
    pub(crate) fn send(
        &self,
        session: SessionId,
        stream: StreamId,
        kind: Kind,
        channel: Channel,
        payload: &[u8],
    ) -> Result<(), Refusal> {
        let mut sink = self.lock();
        let mut buffer = std::mem::take(&mut sink.buffer);
        buffer.clear();
        let is_current = *self.current() == Some(session);
        let outbound = sink
            .outbound
            .as_mut()
            .filter(|outbound| is_current && outbound.session() == session);
        let sent = outbound.ok_or(Refusal::Aborted).and_then(|outbound| {
            outbound
                .encode(stream, kind, channel, payload, &mut buffer)
                .map_err(|_| Refusal::Aborted)
        });
        if sent.is_ok() {
            sink.write(&buffer);
        }
        sink.buffer = buffer;
        sent
    }

    /// Sends a message.
    pub(crate) fn tell(&self, session: SessionId, stream: StreamId, message: &ToHost) -> Result<(), Refusal> {
        self.send(session, stream, Kind::Message, Channel::Main, &to_payload(message))
    }

    fn current(&self) -> MutexGuard<'_, Option<SessionId>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) {
        let written = self.writer.as_mut().map(|writer| writer.write_all(bytes));
        if !matches!(written, Some(Ok(()))) {
            // The host is gone (a socket says so, a port blocks instead): it comes back with a session of its own.
            self.outbound = None;
        }
    }
}
