//! Who wants to be told of events. Each has a bounded queue; whose queue is full is cut off rather than waited for.

use std::sync::Arc;

use preflight_core::TicketId;
use preflight_protocol::codec;
use preflight_protocol::event::{EVENT, Envelope, EventKind};
use preflight_protocol::message::Message;
use serde_json::Value;
use tokio::sync::mpsc;

use super::handle::Subscription;
use crate::convert;

/// How many events wait for a slow subscriber before it is cut off.
const WAITING: usize = 1024;

/// A frame, encoded once for all subscribers.
pub(crate) type Frame = Arc<Vec<u8>>;

#[derive(Debug, Default)]
pub(super) struct Subscribers(Vec<Subscriber>);

#[derive(Debug)]
struct Subscriber {
    ticket: Option<TicketId>,
    queue: mpsc::Sender<Frame>,
}

/// A subscription that still lacks its snapshot.
pub(super) struct Added(mpsc::Receiver<Frame>);

impl Added {
    pub(super) fn with<S>(self, snapshot: S) -> Subscription<S> {
        Subscription {
            snapshot,
            events: self.0,
        }
    }
}

impl Subscribers {
    pub(super) fn add(&mut self, ticket: Option<TicketId>) -> Added {
        let (queue, events) = mpsc::channel(WAITING);
        self.0.push(Subscriber { ticket, queue });
        Added(events)
    }

    pub(super) fn publish(&mut self, envelope: &Envelope) {
        let mut frame: Option<Frame> = None;
        self.0.retain(|subscriber| {
            if subscriber
                .ticket
                .is_some_and(|ticket| envelope.ticket != Some(convert::ticket_id(ticket)))
            {
                return !subscriber.queue.is_closed();
            }
            let frame = frame.get_or_insert_with(|| encode(envelope));
            // Full or gone: the queue's end tells the session.
            subscriber.queue.try_send(Arc::clone(frame)).is_ok()
        });
    }
}

fn encode(envelope: &Envelope) -> Frame {
    let params = serde_json::to_value(envelope).unwrap_or_default();
    let mut frame = Vec::new();
    codec::encode(
        &Message::Notification {
            method: EVENT.to_owned(),
            params,
        }
        .to_json(),
        &mut frame,
    );
    Arc::new(frame)
}

/// An event's name on the wire, and all of it.
pub(super) fn to_json(kind: &EventKind) -> (String, String) {
    let value = serde_json::to_value(kind).unwrap_or_default();
    let name = value
        .get("event")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    (name, value.to_string())
}
