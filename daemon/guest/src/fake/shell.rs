//! What a played command can do in its fake guest: write, read, change files, fetch through the tunnel.

use std::sync::Arc;

use preflight_guest_protocol::message::{NetworkAttempt, TerminalSize, ToHost};
use preflight_guest_protocol::{Channel, Kind, StreamId};
use tokio::sync::{Mutex, mpsc, watch};

use super::files::FakeFiles;
use super::session::Session;
use crate::flow::Flow;

/// A played command's surroundings.
pub struct FakeShell {
    pub(super) line: Line,
    pub(super) session: Arc<Session>,
    pub(super) files: FakeFiles,
}

/// A fake guest's end of a stream.
pub(super) struct Line {
    pub(super) id: StreamId,
    pub(super) flow: Arc<Flow>,
    /// Data from the daemon; `None` ends it.
    pub(super) incoming: Mutex<mpsc::UnboundedReceiver<Option<Vec<u8>>>>,
    /// The terminal's sizes after the first.
    pub(super) sizes: Mutex<watch::Receiver<Option<TerminalSize>>>,
}

impl FakeShell {
    /// Writes to standard output, waiting while the daemon does not take it.
    pub async fn stdout(&self, bytes: &[u8]) {
        self.line.send(&self.session, Channel::Stdout, bytes).await;
    }

    /// Writes to standard error.
    pub async fn stderr(&self, bytes: &[u8]) {
        self.line.send(&self.session, Channel::Stderr, bytes).await;
    }

    /// The next bytes of standard input; `None` at its end.
    pub async fn stdin(&self) -> Option<Vec<u8>> {
        self.line.receive(&self.session).await
    }

    /// The terminal's next size, once it is given one.
    pub async fn resized(&self) -> TerminalSize {
        let mut sizes = self.line.sizes.lock().await;
        loop {
            if sizes.changed().await.is_err() {
                // Nobody can resize a command that has been given up.
                std::future::pending().await
            }
            if let Some(size) = *sizes.borrow_and_update() {
                return size;
            }
        }
    }

    /// The guest's files.
    pub fn files(&self) -> &FakeFiles {
        &self.files
    }

    /// Asks the package tunnel for a URL as apt does, and returns the whole answer with its head. Empty: nobody answered.
    pub async fn fetch(&self, url: &str) -> Vec<u8> {
        let host = url.split('/').nth(2).unwrap_or_default();
        let request = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let line = self.session.open_tunnel().await;
        line.send(&self.session, Channel::Main, request.as_bytes()).await;
        let mut answer = Vec::new();
        while let Some(bytes) = line.receive(&self.session).await {
            answer.extend(bytes);
        }
        self.session.bulk.send(line.id, Kind::Eof, Channel::Main, &[]).await;
        self.session.forget(line.id);
        answer
    }

    /// Reports an attempt to reach the network.
    pub async fn attempt(&self, attempt: NetworkAttempt) {
        self.session
            .control
            .tell(StreamId::SESSION, &ToHost::NetworkAttempt(attempt))
            .await;
    }
}

impl Line {
    pub(super) async fn send(&self, session: &Session, channel: Channel, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Some(length) = self.flow.take(bytes.len()).await else {
                return;
            };
            let (now, later) = bytes.split_at(length);
            session.bulk.send(self.id, Kind::Data, channel, now).await;
            bytes = later;
        }
    }

    pub(super) async fn receive(&self, session: &Session) -> Option<Vec<u8>> {
        let bytes = self.incoming.lock().await.recv().await??;
        if let Some(amount) = self.flow.consume(bytes.len()) {
            session
                .control
                .send(self.id, Kind::Credit, Channel::Main, &amount.to_le_bytes())
                .await;
        }
        Some(bytes)
    }

    pub(super) async fn receive_all(&self, session: &Session) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(bytes) = self.receive(session).await {
            all.extend(bytes);
        }
        all
    }
}
