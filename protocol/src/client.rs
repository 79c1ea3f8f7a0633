//! A connection to the daemon: requests with answers, and a stream of notifications.
//!
//! It owns one socket and nothing else: starting a daemon, reconnecting and subscribing again are its callers' matter.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use interprocess::local_socket::tokio::{Stream, prelude::*};
use interprocess::local_socket::{GenericFilePath, ToFsName};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use crate::codec;
use crate::error::{ErrorCode, RpcError};
use crate::event::{BEAT, Beat, EVENT, Envelope, RESYNC};
use crate::handshake::{ClientHello, DaemonHello, PROTOCOL_VERSION};
use crate::message::Message;
use crate::method::{Initialize, Method};
use crate::testbed::{PROGRESS, TestbedProgress};

/// How many notifications wait for a slow reader before the daemon's socket is left to fill.
const WAITING_NOTIFICATIONS: usize = 1024;

/// Why a connection or a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No daemon listens there.
    #[error("no daemon answers at {path:?}: {source}")]
    NoDaemon {
        /// The socket.
        path: std::path::PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The connection is gone.
    #[error("the daemon has closed the connection")]
    Closed,
    /// The daemon answered with an error.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The daemon's answer is not what the protocol says.
    #[error("the daemon's answer to {method} cannot be read: {source}")]
    BadAnswer {
        /// The request.
        method: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// What the daemon tells without being asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Notification {
    /// A state change.
    Event(Box<Envelope>),
    /// News of a running job.
    Beat(Beat),
    /// This subscriber was too slow: subscribe again.
    Resync,
    /// What is waited for until a borrowed testbed is ready.
    Testbed(TestbedProgress),
}

type Answer = Result<Value, RpcError>;

/// A connection to the daemon; clones share it.
#[derive(Debug, Clone)]
pub struct Connection {
    outgoing: mpsc::Sender<Vec<u8>>,
    pending: Arc<Pending>,
    next_id: Arc<AtomicU64>,
    hello: Arc<DaemonHello>,
}

#[derive(Debug, Default)]
struct Pending(Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>);

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Answer>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Connects and shakes hands. `client` names the program and its version.
    ///
    /// The notifications come from the second half of the pair; it ends when the connection does.
    ///
    /// # Errors
    /// Where nobody listens, or the daemon speaks another version.
    pub async fn open(socket: &Path, client: &str) -> Result<(Self, mpsc::Receiver<Notification>), ClientError> {
        let no_daemon = |source| ClientError::NoDaemon {
            path: socket.to_owned(),
            source,
        };
        let name = socket.to_fs_name::<GenericFilePath>().map_err(no_daemon)?;
        let (mut reader, mut writer) = tokio::io::split(Stream::connect(name).await.map_err(no_daemon)?);

        let pending = Arc::new(Pending(Mutex::new(Some(HashMap::new()))));
        let (notify, notifications) = mpsc::channel(WAITING_NOTIFICATIONS);
        let for_reader = Arc::clone(&pending);
        let for_writer = Arc::clone(&pending);
        let reading = tokio::spawn(async move {
            let mut buffer = Vec::new();
            // Ends when the daemon goes, sends what is no frame, or nobody listens any more.
            while read_frames(&mut reader, &mut buffer, &for_reader, &notify).await {}
            // Dropping the waiting senders tells their requests that the connection is gone.
            for_reader.lock().take();
        });

        let (outgoing, mut to_write) = mpsc::channel::<Vec<u8>>(64);
        tokio::spawn(async move {
            while let Some(frame) = to_write.recv().await {
                if writer.write_all(&frame).await.is_err() {
                    break;
                }
            }
            // The last clone is gone: so must the socket be. Or the daemon is: then the reader, which is ended here
            // maybe before it has noticed, will not tell those who wait.
            reading.abort();
            for_writer.lock().take();
        });

        let hello = DaemonHello {
            protocol: 0,
            version: String::new(),
            instance: String::new(),
            capabilities: vec![],
        };
        let mut connection = Self {
            outgoing,
            pending,
            next_id: Arc::new(AtomicU64::new(1)),
            hello: Arc::new(hello),
        };
        let hello = Initialize(ClientHello {
            protocol: PROTOCOL_VERSION,
            client: client.to_owned(),
        });
        connection.hello = Arc::new(connection.request(&hello).await?);
        Ok((connection, notifications))
    }

    /// What the daemon said of itself.
    #[must_use]
    pub fn daemon(&self) -> &DaemonHello {
        &self.hello
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The daemon's error, or that the connection is gone.
    pub async fn request<M: Method>(&self, params: &M) -> Result<M::Answer, ClientError> {
        let bad = |source| ClientError::BadAnswer {
            method: M::NAME,
            source,
        };
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.pending
            .lock()
            .as_mut()
            .ok_or(ClientError::Closed)?
            .insert(id, sender);
        let params = serde_json::to_value(params).map_err(bad)?;
        let mut frame = Vec::new();
        codec::encode(
            &Message::Request {
                id,
                method: M::NAME.to_owned(),
                params,
            }
            .to_json(),
            &mut frame,
        );
        if self.outgoing.send(frame).await.is_err() {
            return Err(ClientError::Closed);
        }
        let value = receiver.await.map_err(|_| ClientError::Closed)??;
        serde_json::from_value(value).map_err(bad)
    }
}

async fn read_frames(
    reader: &mut (impl AsyncReadExt + Unpin),
    buffer: &mut Vec<u8>,
    pending: &Pending,
    notify: &mpsc::Sender<Notification>,
) -> bool {
    loop {
        let range = match codec::decode(buffer) {
            Ok(Some(range)) => range,
            Ok(None) => break,
            Err(_) => return false,
        };
        let message = Message::from_json(&buffer[range.clone()]);
        buffer.drain(..range.end);
        match message {
            Ok(Message::Response { id: Some(id), result }) => {
                if let Some(waiting) = pending.lock().as_mut().and_then(|map| map.remove(&id)) {
                    // Nobody waits for it any more: that is theirs to decide.
                    let _ = waiting.send(result);
                }
            }
            Ok(Message::Notification { method, params }) => {
                // What a newer daemon tells beyond this is left unread.
                if let Some(notification) = read_notification(&method, params)
                    && notify.send(notification).await.is_err()
                {
                    // Requests may still be answered though nobody listens to notifications.
                    continue;
                }
            }
            Ok(_)
            | Err(RpcError {
                code: ErrorCode::InvalidRequest,
                ..
            }) => {}
            Err(_) => return false,
        }
    }
    matches!(reader.read_buf(buffer).await, Ok(read) if read > 0)
}

fn read_notification(method: &str, params: Value) -> Option<Notification> {
    match method {
        EVENT => serde_json::from_value(params)
            .ok()
            .map(|event| Notification::Event(Box::new(event))),
        BEAT => serde_json::from_value(params).ok().map(Notification::Beat),
        RESYNC => Some(Notification::Resync),
        PROGRESS => serde_json::from_value(params).ok().map(Notification::Testbed),
        _ => None,
    }
}
