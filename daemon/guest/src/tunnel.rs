//! A connection of the guest's to the package tunnel, as bytes that a server can be put on. Carries them between the
//! stream and whoever serves; knows nothing of HTTP.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use preflight_guest_protocol::Channel;
use preflight_guest_protocol::frame::DATA_CHUNK;
use preflight_guest_protocol::message::ToHost;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, ReadHalf, WriteHalf, split,
};

use crate::error::GuestError;
use crate::session::StreamEvent;
use crate::stream::{Stream, StreamSender, unexpected};

/// One connection of a process in the guest. Dropping it closes the connection there.
#[derive(Debug)]
pub struct TunnelConnection(DuplexStream);

/// Makes a stream that the agent opened into a connection.
pub(crate) fn start(stream: Stream) -> TunnelConnection {
    let (ours, theirs) = tokio::io::duplex(DATA_CHUNK);
    tokio::spawn(async move {
        if let Err(error) = carry(stream, ours).await {
            tracing::debug!(%error, "a tunnel connection broke off");
        }
    });
    TunnelConnection(theirs)
}

async fn carry(mut stream: Stream, ours: DuplexStream) -> Result<(), GuestError> {
    let (from_server, to_server) = split(ours);
    let sender = stream.sender().clone();
    tokio::try_join!(inward(&sender, from_server), outward(&mut stream, to_server))?;
    stream.finish();
    Ok(())
}

async fn inward(sender: &StreamSender, mut server: ReadHalf<DuplexStream>) -> Result<(), GuestError> {
    let mut buffer = vec![0; DATA_CHUNK];
    loop {
        match server
            .read(&mut buffer)
            .await
            .map_err(GuestError::host("the package tunnel"))?
        {
            0 => return sender.end().await,
            length => sender.send(&buffer[..length]).await?,
        }
    }
}

async fn outward(stream: &mut Stream, mut server: WriteHalf<DuplexStream>) -> Result<(), GuestError> {
    loop {
        match stream.next().await? {
            StreamEvent::Data(Channel::Main, bytes) => {
                server
                    .write_all(&bytes)
                    .await
                    .map_err(GuestError::host("the package tunnel"))?;
            }
            StreamEvent::Eof(Channel::Main) => {
                return server.shutdown().await.map_err(GuestError::host("the package tunnel"));
            }
            StreamEvent::Message(ToHost::Abort) => return Err(unexpected(&StreamEvent::Message(ToHost::Abort))),
            other => return Err(unexpected(&other)),
        }
    }
}

impl AsyncRead for TunnelConnection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TunnelConnection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}
