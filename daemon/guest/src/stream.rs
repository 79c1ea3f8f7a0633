//! One stream of a session as its owner sees it: send against credit, receive and so renew credit, give up by dropping.

use std::sync::Arc;

use preflight_guest_protocol::message::{Failure, ToGuest, ToHost};
use preflight_guest_protocol::{Channel, Kind, StreamId};
use tokio::sync::mpsc;

use crate::channel::Outgoing;
use crate::error::GuestError;
use crate::flow::Flow;
use crate::session::{Port, Shared, StreamEvent};

/// A stream. Dropping it before its last message tells the agent that nobody wants it any more.
pub(crate) struct Stream {
    sender: StreamSender,
    incoming: mpsc::UnboundedReceiver<StreamEvent>,
    is_finished: bool,
}

/// The sending half, which may be used beside the receiving one.
#[derive(Clone)]
pub(crate) struct StreamSender {
    id: StreamId,
    shared: Arc<Shared>,
    flow: Arc<Flow>,
}

impl Stream {
    pub(crate) fn new(
        id: StreamId,
        shared: Arc<Shared>,
        flow: Arc<Flow>,
        incoming: mpsc::UnboundedReceiver<StreamEvent>,
    ) -> Self {
        Self {
            sender: StreamSender { id, shared, flow },
            incoming,
            is_finished: false,
        }
    }

    pub(crate) fn sender(&self) -> &StreamSender {
        &self.sender
    }

    /// Sends the request that the stream is for.
    pub(crate) async fn request(&self, port: Port, request: &ToGuest) -> Result<(), GuestError> {
        let frame = Outgoing::message(self.sender.id, request)?;
        match port {
            Port::Bulk => self.sender.shared.send_bulk(frame).await,
            Port::Control => {
                self.sender.shared.send_control(frame);
                Ok(())
            }
        }
    }

    /// What comes next. A failure that the agent tells is an error here; after the session's end it is that.
    /// Losing the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<StreamEvent, GuestError> {
        match self.incoming.recv().await {
            None => Err(self.sender.shared.closed_error()),
            Some(StreamEvent::Message(ToHost::Failed(failure))) => {
                self.is_finished = true;
                Err(GuestError::Refused(bounded(failure)))
            }
            Some(event) => {
                match &event {
                    StreamEvent::Data(_, bytes) => self.consumed(bytes.len()),
                    StreamEvent::Message(ToHost::Done | ToHost::Exited(_) | ToHost::Abort) => self.is_finished = true,
                    StreamEvent::Message(_) | StreamEvent::Eof(_) => {}
                }
                Ok(event)
            }
        }
    }

    /// Waits for the request to be done, when nothing but that is to come.
    pub(crate) async fn done(&mut self) -> Result<(), GuestError> {
        match self.next().await? {
            StreamEvent::Message(ToHost::Done) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Marks the stream as over on both sides: dropping it needs no word to the agent.
    pub(crate) fn finish(&mut self) {
        self.is_finished = true;
    }

    fn consumed(&self, payload_len: usize) {
        if let Some(amount) = self.sender.flow.consume(payload_len) {
            let payload = amount.to_le_bytes().to_vec();
            let stream = self.sender.id;
            self.sender.shared.send_control(Outgoing {
                stream,
                kind: Kind::Credit,
                channel: Channel::Main,
                payload,
            });
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.sender.shared.forget(self.sender.id);
        let is_open = self.sender.shared.closed.borrow().is_none();
        if !self.is_finished && is_open {
            self.sender.tell(&ToGuest::Abort);
        }
    }
}

impl StreamSender {
    /// Sends all the bytes on the main channel, waiting for credit. What the agent no longer wants is lost.
    pub(crate) async fn send(&self, mut bytes: &[u8]) -> Result<(), GuestError> {
        while !bytes.is_empty() {
            let mut closed = self.shared.closed.subscribe();
            let length = tokio::select! {
                length = self.flow.take(bytes.len()) => length,
                _ = closed.wait_for(Option::is_some) => return Err(self.shared.closed_error()),
            };
            let Some(length) = length else { return Ok(()) };
            let (now, later) = bytes.split_at(length);
            self.shared.send_bulk(self.frame(Kind::Data, now.to_vec())).await?;
            bytes = later;
        }
        Ok(())
    }

    /// Ends the main channel.
    pub(crate) async fn end(&self) -> Result<(), GuestError> {
        self.shared.send_bulk(self.frame(Kind::Eof, Vec::new())).await
    }

    /// Sends a message about the stream that need not wait behind its data.
    pub(crate) fn tell(&self, message: &ToGuest) {
        self.shared.tell(self.id, message);
    }

    fn frame(&self, kind: Kind, payload: Vec<u8>) -> Outgoing {
        Outgoing {
            stream: self.id,
            kind,
            channel: Channel::Main,
            payload,
        }
    }
}

/// The agent sent something that does not belong here.
pub(crate) fn unexpected(event: &StreamEvent) -> GuestError {
    let what = match event {
        StreamEvent::Data(..) => "data that nobody asked for",
        StreamEvent::Eof(_) => "an end of data that nobody asked for",
        StreamEvent::Message(ToHost::Abort) => return GuestError::Unacceptable("word that it gave up".to_owned()),
        StreamEvent::Message(_) => "an answer to another question",
    };
    GuestError::Unacceptable(what.to_owned())
}

/// Failures are shown to people: no control characters, no page-long text.
fn bounded(mut failure: Failure) -> Failure {
    failure.detail = failure.detail.chars().filter(|c| !c.is_control()).take(1024).collect();
    failure
}
