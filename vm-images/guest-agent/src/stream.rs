//! One stream as the agent's threads see it: blocking sends against credit, blocking receives that renew credit, and an
//! abort that wakes both. Knows nothing of what the bytes are.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use preflight_guest_protocol::credit::{ReceiveWindow, SendWindow};
use preflight_guest_protocol::message::ToHost;
use preflight_guest_protocol::{Channel, Kind, SessionId, StreamId};

use crate::exec::Process;
use crate::failure::Refusal;
use crate::link::{Link, Sender};

/// Which port a stream's answers go over: the one that its request came by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Port {
    Control,
    Bulk,
}

/// A stream of a session.
pub(crate) struct Stream {
    id: StreamId,
    session: SessionId,
    port: Port,
    link: Arc<Link>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    send: SendWindow,
    receive: ReceiveWindow,
    inbox: VecDeque<Vec<u8>>,
    ended: bool,
    aborted: bool,
    process: Option<Process>,
}

impl Stream {
    pub(crate) fn new(id: StreamId, session: SessionId, port: Port, link: Arc<Link>) -> Self {
        Self {
            id,
            session,
            port,
            link,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn id(&self) -> StreamId {
        self.id
    }

    pub(crate) fn session(&self) -> SessionId {
        self.session
    }

    /// Sends all the bytes, waiting for credit.
    pub(crate) fn send_data(&self, channel: Channel, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let length = self.take_credit(bytes.len())?;
            let (now, later) = bytes.split_at(length);
            self.sender().send(self.session, self.id, Kind::Data, channel, now)?;
            bytes = later;
        }
        Ok(())
    }

    fn take_credit(&self, wanted: usize) -> Result<usize, Refusal> {
        let mut state = self.lock();
        loop {
            if state.aborted {
                return Err(Refusal::Aborted);
            }
            if let Some(length) = state.send.take(wanted) {
                return Ok(length);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends what is sent on a channel.
    pub(crate) fn send_eof(&self, channel: Channel) -> Result<(), Refusal> {
        self.sender().send(self.session, self.id, Kind::Eof, channel, &[])
    }

    /// Sends a message on the stream, after all data that was sent before.
    pub(crate) fn tell(&self, message: &ToHost) -> Result<(), Refusal> {
        self.sender().tell(self.session, self.id, message)
    }

    /// The next bytes from the host; `None` at their end.
    pub(crate) fn receive(&self) -> Result<Option<Vec<u8>>, Refusal> {
        let mut state = self.lock();
        loop {
            if state.aborted {
                return Err(Refusal::Aborted);
            }
            if let Some(bytes) = state.inbox.pop_front() {
                let grant = state.receive.consume(bytes.len());
                drop(state);
                if let Some(amount) = grant {
                    let payload = amount.to_le_bytes();
                    self.link
                        .control
                        .send(self.session, self.id, Kind::Credit, Channel::Main, &payload)?;
                }
                return Ok(Some(bytes));
            }
            if state.ended {
                return Ok(None);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Data came. `false`: the host overdrew its credit.
    pub(crate) fn on_data(&self, bytes: Vec<u8>) -> bool {
        let mut state = self.lock();
        if state.receive.receive(bytes.len()).is_err() {
            return false;
        }
        state.inbox.push_back(bytes);
        self.changed.notify_all();
        true
    }

    /// The host has sent all.
    pub(crate) fn on_eof(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// The host granted credit. `false`: more than there can be.
    pub(crate) fn on_credit(&self, amount: u32) -> bool {
        let granted = self.lock().send.grant(amount).is_ok();
        self.changed.notify_all();
        granted
    }

    /// Nobody wants the stream any more: everything that waits on it ends, and its command with all that it started.
    pub(crate) fn abort(&self) {
        let mut state = self.lock();
        state.aborted = true;
        state.inbox.clear();
        if let Some(process) = &state.process {
            process.kill_everything();
        }
        self.changed.notify_all();
    }

    /// The stream is done: whoever still waits on it stops. What a command left behind lives on.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        state.aborted = true;
        state.inbox.clear();
        self.changed.notify_all();
    }

    /// Makes a command known, so that signals and an abort reach it. An abort that came before kills it now.
    pub(crate) fn set_process(&self, process: Process) {
        let mut state = self.lock();
        if state.aborted {
            process.kill_everything();
        }
        state.process = Some(process);
    }

    /// Acts on the command, if there is one, while nobody else does.
    pub(crate) fn with_process<T>(&self, act: impl FnOnce(&mut Process) -> T) -> Option<T> {
        self.lock().process.as_mut().map(act)
    }

    fn sender(&self) -> &Sender {
        match self.port {
            Port::Control => &self.link.control,
            Port::Bulk => &self.link.bulk,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream's incoming bytes as a reader.
pub(crate) struct Incoming<'a> {
    stream: &'a Stream,
    current: Vec<u8>,
    taken: usize,
}

impl<'a> Incoming<'a> {
    pub(crate) fn new(stream: &'a Stream) -> Self {
        Self {
            stream,
            current: Vec::new(),
            taken: 0,
        }
    }
}

impl Read for Incoming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.current.len() {
            match self.stream.receive().map_err(io::Error::other)? {
                Some(bytes) => (self.current, self.taken) = (bytes, 0),
                None => return Ok(0),
            }
        }
        let rest = &self.current[self.taken..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.taken += length;
        Ok(length)
    }
}

/// A stream's outgoing bytes as a writer, on the main channel.
pub(crate) struct Outgoing<'a>(pub(crate) &'a Stream);

impl Write for Outgoing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send_data(Channel::Main, bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
