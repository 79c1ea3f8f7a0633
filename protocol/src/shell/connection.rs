//! A connection that becomes a shell's: shakes hands, opens the shell, and from then on hands frames both ways. What is
//! done with them, and starting a daemon, are its callers' matter.

use std::io;
use std::path::Path;

use bytes::{Buf, BytesMut};
use interprocess::local_socket::tokio::{Stream, prelude::*};
use interprocess::local_socket::{GenericFilePath, ToFsName};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::frame::{FrameError, ToClient, ToDaemon};
use super::{CAPABILITY, PROGRESS, ShellOpen, ShellOpened, ShellProgress};
use crate::client::ClientError;
use crate::codec;
use crate::error::{ErrorCode, RpcError};
use crate::handshake::{ClientHello, DaemonHello, PROTOCOL_VERSION};
use crate::message::Message;
use crate::method::{Initialize, Method};

/// A shell that is open.
#[derive(Debug)]
pub struct OpenConnection {
    /// What the daemon says of it.
    pub opened: ShellOpened,
    /// Frames from the daemon.
    pub reader: FrameReader,
    /// Frames to the daemon.
    pub writer: FrameWriter,
}

/// The connection is gone before the shell has ended.
#[derive(Debug, thiserror::Error)]
pub enum ShellLost {
    /// The daemon has gone.
    #[error("the daemon has closed the connection")]
    Closed,
    /// The system's error.
    #[error("the connection to the daemon is lost: {0}")]
    Io(#[from] io::Error),
    /// It sends what is no frame.
    #[error("the daemon sends what cannot be read: {0}")]
    Frame(#[from] FrameError),
}

/// Frames from the daemon.
#[derive(Debug)]
pub struct FrameReader {
    stream: ReadHalf<Stream>,
    buffer: BytesMut,
}

impl FrameReader {
    /// The next frame. Losing the future loses nothing.
    ///
    /// # Errors
    /// At the connection's end, and for what is no frame.
    pub async fn next(&mut self) -> Result<ToClient, ShellLost> {
        loop {
            if let Some(frame) = ToClient::decode(&mut self.buffer)? {
                return Ok(frame);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ShellLost::Closed);
            }
        }
    }
}

/// Frames to the daemon.
#[derive(Debug)]
pub struct FrameWriter {
    stream: WriteHalf<Stream>,
    buffer: BytesMut,
}

impl FrameWriter {
    /// Puts a frame behind those that are to be sent.
    pub fn push(&mut self, frame: &ToDaemon) {
        frame.encode(&mut self.buffer);
    }

    /// Bytes that are to be sent.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.buffer.len()
    }

    /// Sends them. Losing the future loses nothing.
    ///
    /// # Errors
    /// The system's; at the connection's end the reader may still have frames.
    pub async fn flush(&mut self) -> io::Result<()> {
        while self.buffer.has_remaining() {
            self.stream.write_buf(&mut self.buffer).await?;
        }
        Ok(())
    }

    /// Drops what is to be sent: of a connection whose other end takes no more.
    pub fn forget(&mut self) {
        self.buffer.clear();
    }

    /// Sends a frame after those that are to be sent.
    ///
    /// # Errors
    /// As [`FrameWriter::flush`].
    pub async fn send(&mut self, frame: &ToDaemon) -> io::Result<()> {
        self.push(frame);
        self.flush().await
    }
}

/// Connects, shakes hands and opens a shell. `client` names the program and its version; `progress` is told what is
/// waited for. Losing the future closes the connection, and with it whatever was begun.
///
/// # Errors
/// Where nobody listens, the daemon speaks another version or knows no shells, or no shell can be opened.
pub async fn open(
    socket: &Path,
    client: &str,
    request: &ShellOpen,
    mut progress: impl FnMut(ShellProgress),
) -> Result<OpenConnection, ClientError> {
    let no_daemon = |source| ClientError::NoDaemon {
        path: socket.to_owned(),
        source,
    };
    let name = socket.to_fs_name::<GenericFilePath>().map_err(no_daemon)?;
    let (reader, writer) = tokio::io::split(Stream::connect(name).await.map_err(no_daemon)?);
    let mut talk = Talk {
        reader,
        writer,
        buffer: BytesMut::new(),
    };
    let hello = Initialize(ClientHello {
        protocol: PROTOCOL_VERSION,
        client: client.to_owned(),
    });
    let hello: DaemonHello = talk.ask(1, &hello, |_, _| {}).await?;
    if !hello.capabilities.iter().any(|name| name == CAPABILITY) {
        let message = format!("the daemon that runs (version {}) opens no shells", hello.version);
        return Err(RpcError::new(ErrorCode::MethodNotFound, message).into());
    }
    let opened = talk
        .ask(2, request, |method, params| {
            if method == PROGRESS
                && let Ok(told) = serde_json::from_value(params)
            {
                progress(told);
            }
        })
        .await?;
    Ok(OpenConnection {
        opened,
        reader: FrameReader {
            stream: talk.reader,
            buffer: talk.buffer,
        },
        writer: FrameWriter {
            stream: talk.writer,
            buffer: BytesMut::new(),
        },
    })
}

/// One request at a time, so that nothing is read beyond the answer that changes the connection.
struct Talk {
    reader: ReadHalf<Stream>,
    writer: WriteHalf<Stream>,
    buffer: BytesMut,
}

impl Talk {
    async fn ask<M: Method>(
        &mut self,
        id: u64,
        request: &M,
        mut tell: impl FnMut(&str, Value),
    ) -> Result<M::Answer, ClientError> {
        let bad = |source| ClientError::BadAnswer {
            method: M::NAME,
            source,
        };
        let message = Message::Request {
            id,
            method: M::NAME.to_owned(),
            params: serde_json::to_value(request).map_err(bad)?,
        };
        let mut frame = Vec::new();
        codec::encode(&message.to_json(), &mut frame);
        // A daemon that turns this client away says why, though it reads no more.
        let written = self.writer.write_all(&frame).await;
        loop {
            let content = match codec::decode(&self.buffer) {
                Ok(Some(range)) => {
                    let mut content = self.buffer.split_to(range.end);
                    content.advance(range.start);
                    content
                }
                Ok(None) => match self.reader.read_buf(&mut self.buffer).await {
                    Ok(read) if read > 0 => continue,
                    _ => return Err(ClientError::Closed),
                },
                Err(_) => return Err(ClientError::Closed),
            };
            match Message::from_json(&content) {
                Ok(Message::Response {
                    id: Some(answered),
                    result,
                }) if answered == id => {
                    return serde_json::from_value(result?).map_err(bad);
                }
                // It could not even read which request this was.
                Ok(Message::Response {
                    id: None,
                    result: Err(error),
                }) => return Err(error.into()),
                Ok(Message::Notification { method, params }) => tell(&method, params),
                Ok(_) => {}
                Err(_) => return Err(ClientError::Closed),
            }
            if written.is_err() {
                return Err(ClientError::Closed);
            }
        }
    }
}
