//! One client's connection: reads frames, has requests handled, writes answers and what was subscribed to. A frame
//! that cannot be read ends it; a message that cannot be understood is answered. It may become a shell's: then it is
//! [`super::shell`]'s.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use interprocess::local_socket::tokio::Stream;
use preflight_protocol::codec;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::handshake::{DaemonHello, PROTOCOL_VERSION};
use preflight_protocol::message::Message;
use preflight_protocol::method::{Initialize, Method, Subscribe};
use preflight_protocol::shell::{self as wire_shell, ShellOpen, ShellProgress};
use preflight_protocol::testbed::{self as wire_testbed, TestbedProgress};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::loans::ConnectionLoans;
use super::{Context, admit, feed, handlers, peer_of, shell};
use crate::shells::{OpenShell, Phase};

/// How many requests of one client are handled at once; it may send more, which are not read meanwhile.
const REQUESTS: usize = 32;
/// How many encoded frames wait to be written to one client.
const WAITING: usize = 64;
/// How long a client may leave what is written unread.
const LONGEST_WRITE: Duration = Duration::from_secs(30);
/// The most that is kept of what a client has sent beyond a frame's end.
const READ_AHEAD: usize = 64 * 1024;

/// Encoded frames on their way to the client.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    frames: mpsc::Sender<Arc<Vec<u8>>>,
    /// Cancelled when the client has gone or the daemon closes: nothing more is to be told unasked.
    pub(super) gone: CancellationToken,
}

impl Outgoing {
    /// Whether the client is still there.
    pub(super) async fn send(&self, message: &Message) -> bool {
        let mut frame = Vec::new();
        codec::encode(&message.to_json(), &mut frame);
        self.send_frame(Arc::new(frame)).await
    }

    pub(super) async fn send_frame(&self, frame: Arc<Vec<u8>>) -> bool {
        self.frames.send(frame).await.is_ok()
    }

    pub(super) async fn answer(&self, id: Option<u64>, result: Result<Value, RpcError>) -> bool {
        self.send(&Message::Response { id, result }).await
    }
}

pub(super) async fn run(stream: Stream, own: u32, context: Arc<Context>) {
    let admitted = admit(own, peer_of(&stream));
    let (reader, writer) = tokio::io::split(stream);
    let (frames, to_write) = mpsc::channel(WAITING);
    let writing = tokio::spawn(write(writer, to_write));
    let outgoing = Outgoing {
        frames,
        gone: context.close.child_token(),
    };
    let mut taken_over = None;
    match admitted {
        Ok(()) => {
            let (gone, unread) = (outgoing.gone.clone(), outgoing.frames.clone());
            let loans = Arc::<ConnectionLoans>::default();
            let session = Session {
                context: Arc::clone(&context),
                outgoing,
                client: None,
                loans: Arc::clone(&loans),
            };
            tokio::select! {
                () = gone.cancelled() => {}
                // It no longer reads.
                () = unread.closed() => {}
                () = give_back_at_the_end(&context, &loans) => {}
                shell = session.read(reader) => taken_over = shell,
            }
            gone.cancel();
            loans.close();
        }
        Err(refused) => {
            tracing::warn!(%refused, "a client is turned away");
            outgoing
                .answer(None, Err(RpcError::new(ErrorCode::InvalidRequest, refused.to_string())))
                .await;
        }
    }
    // Requests that are handled now go on, and hold the writer; their answers are written if the client still listens.
    let Ok(Ok(mut writer)) = writing.await else { return };
    match taken_over {
        Some((reader, shell)) => shell::serve(reader, writer, shell, &context).await,
        // The client may have gone first.
        None => drop(writer.shutdown().await),
    }
}

/// Gives back what a connection has borrowed when the daemon is to end. It never returns: the connection lives on.
async fn give_back_at_the_end(context: &Context, loans: &ConnectionLoans) {
    context.stop.cancelled().await;
    loans.close();
    std::future::pending().await
}

/// Writes until every sender is gone, or the client no longer reads.
async fn write(
    mut writer: WriteHalf<Stream>,
    mut frames: mpsc::Receiver<Arc<Vec<u8>>>,
) -> io::Result<WriteHalf<Stream>> {
    while let Some(frame) = frames.recv().await {
        tokio::time::timeout(LONGEST_WRITE, writer.write_all(&frame)).await??;
    }
    Ok(writer)
}

struct Session {
    context: Arc<Context>,
    outgoing: Outgoing,
    /// What the client calls itself, once it has shaken hands.
    client: Option<String>,
    loans: Arc<ConnectionLoans>,
}

/// What becomes of a connection after a message.
enum Next {
    More,
    End,
    Shell(Box<OpenShell>),
}

impl Next {
    fn more_if(go_on: bool) -> Self {
        if go_on { Self::More } else { Self::End }
    }
}

impl Session {
    /// Reads to the connection's end, or until it becomes a shell's.
    async fn read(mut self, mut reader: ReadHalf<Stream>) -> Option<(ReadHalf<Stream>, Box<OpenShell>)> {
        let mut buffer = Vec::new();
        let places = Arc::new(Semaphore::new(REQUESTS));
        loop {
            match codec::decode(&buffer) {
                Ok(Some(range)) => {
                    let message = Message::from_json(&buffer[range.clone()]);
                    buffer.drain(..range.end);
                    buffer.shrink_to(READ_AHEAD);
                    let next = match message {
                        Ok(Message::Request { id, method, params })
                            if method == ShellOpen::NAME && self.client.is_some() =>
                        {
                            self.open_shell(id, params, &places, &mut reader, &buffer).await
                        }
                        message => self.take(message, &places).await,
                    };
                    match next {
                        Next::More => {}
                        Next::End => return None,
                        Next::Shell(shell) => return Some((reader, shell)),
                    }
                }
                Ok(None) => match reader.read_buf(&mut buffer).await {
                    Ok(read) if read > 0 => {}
                    _ => return None,
                },
                Err(error) => {
                    // Where the next frame starts is anyone's guess.
                    tracing::debug!(%error, client = ?self.client, "a frame cannot be read");
                    self.outgoing
                        .answer(None, Err(RpcError::new(ErrorCode::Parse, error.to_string())))
                        .await;
                    return None;
                }
            }
        }
    }

    /// Opens a shell, while nothing else may happen on this connection. A client that goes, or says something more,
    /// has it closed again.
    async fn open_shell(
        &self,
        id: u64,
        params: Value,
        places: &Arc<Semaphore>,
        reader: &mut ReadHalf<Stream>,
        unread: &[u8],
    ) -> Next {
        let refused = |message: &str| {
            let error = RpcError::new(ErrorCode::InvalidRequest, message);
            error.with_hint("open a connection for the shell alone, and wait for the answer")
        };
        // A subscription holds its place to the end.
        let alone = Arc::clone(places).try_acquire_many_owned(REQUESTS as u32);
        let (opened, _alone) = match alone {
            Err(_) => (Err(refused("a shell is asked for over a connection in use")), None),
            Ok(_) if !unread.is_empty() => (Err(refused("something follows the request for a shell")), None),
            Ok(alone) => {
                let (phase, mut phases) = Phase::new();
                let opening = async {
                    let request = handlers::read_params(ShellOpen::NAME, params)?;
                    handlers::shell_open::handle(&self.context, request, phase).await
                };
                tokio::pin!(opening);
                let opened = loop {
                    tokio::select! {
                        biased;
                        _ = reader.read_u8() => return Next::End,
                        () = self.context.stop.cancelled() => break Err(shell::stopping()),
                        opened = &mut opening => break opened,
                        Ok(()) = phases.changed() => {
                            let progress = ShellProgress { phase: phases.borrow_and_update().clone() };
                            let message = Message::Notification {
                                method: wire_shell::PROGRESS.to_owned(),
                                params: serde_json::to_value(progress).unwrap_or_default(),
                            };
                            if !self.outgoing.send(&message).await {
                                return Next::End;
                            }
                        }
                    }
                };
                (opened, Some(alone))
            }
        };
        let (result, shell) = match opened {
            Ok(shell) => (
                handlers::write_answer(&handlers::shell_open::answer(&shell.info)),
                Some(shell),
            ),
            Err(error) => (Err(error), None),
        };
        if !self.outgoing.answer(Some(id), result).await {
            return Next::End;
        }
        shell.map_or(Next::More, |shell| Next::Shell(Box::new(shell)))
    }

    async fn take(&mut self, message: Result<Message, RpcError>, places: &Arc<Semaphore>) -> Next {
        let (id, method, params) = match message {
            Ok(Message::Request { id, method, params }) => (id, method, params),
            // Nothing is expected of clients but requests, and what a newer one tells is no harm.
            Ok(Message::Notification { .. } | Message::Response { .. }) => return Next::More,
            Err(error) => return Next::more_if(self.outgoing.answer(None, Err(error)).await),
        };
        if self.client.is_none() {
            let result = self.shake_hands(&method, params);
            let go_on = !matches!(&result, Err(error) if error.code == ErrorCode::Version);
            return Next::more_if(self.outgoing.answer(Some(id), result).await && go_on);
        }
        let Ok(place) = Arc::clone(places).acquire_owned().await else {
            return Next::End;
        };
        let (context, outgoing) = (Arc::clone(&self.context), self.outgoing.clone());
        let loans = Arc::clone(&self.loans);
        tokio::spawn(async move {
            if method == Subscribe::NAME {
                feed::subscribe(id, params, &context, &outgoing).await;
            } else if handlers::is_of_testbeds(&method) {
                testbeds(id, &method, params, &context, &loans, &outgoing).await;
            } else {
                outgoing
                    .answer(Some(id), handlers::handle(&context, &method, params).await)
                    .await;
            }
            drop(place);
        });
        Next::More
    }

    fn shake_hands(&mut self, method: &str, params: Value) -> Result<Value, RpcError> {
        if method != Initialize::NAME {
            let message = format!("the first request must be {:?}, not {method:?}", Initialize::NAME);
            return Err(RpcError::new(ErrorCode::InvalidRequest, message));
        }
        let Initialize(hello) = handlers::read_params(method, params)?;
        if hello.protocol != PROTOCOL_VERSION {
            let message = format!(
                "{} speaks version {} of the protocol, and this daemon ({}) version {PROTOCOL_VERSION}",
                hello.client,
                hello.protocol,
                env!("CARGO_PKG_VERSION")
            );
            let error = RpcError::new(ErrorCode::Version, message);
            return Err(error.with_hint("install client and daemon from one release, and restart the daemon"));
        }
        tracing::debug!(client = hello.client, "a client has connected");
        self.client = Some(hello.client);
        handlers::write_answer(&DaemonHello {
            protocol: PROTOCOL_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: self.context.instance.clone(),
            capabilities: vec![wire_shell::CAPABILITY.to_owned(), wire_testbed::CAPABILITY.to_owned()],
        })
    }
}

/// Has a request about borrowed testbeds handled, and tells what is waited for. Nothing is begun for a client that has gone,
/// nor when the daemon stops.
async fn testbeds(
    id: u64,
    method: &str,
    params: Value,
    context: &Context,
    loans: &ConnectionLoans,
    outgoing: &Outgoing,
) {
    let (phase, mut phases) = Phase::new();
    let handling = handlers::handle_testbeds(context, loans, phase, method, params);
    tokio::pin!(handling);
    let result = loop {
        tokio::select! {
            biased;
            () = outgoing.gone.cancelled() => return,
            () = context.stop.cancelled() => break Err(shell::stopping()),
            result = &mut handling => break result,
            Ok(()) = phases.changed() => {
                let progress = TestbedProgress { phase: phases.borrow_and_update().clone() };
                let message = Message::Notification {
                    method: wire_testbed::PROGRESS.to_owned(),
                    params: serde_json::to_value(progress).unwrap_or_default(),
                };
                outgoing.send(&message).await;
            }
        }
    };
    outgoing.answer(Some(id), result).await;
}
