//! A fake guest's sending half of a port, and the faults that befall it. Frames that can't be sent any more are lost, as
//! they would be in a machine that died.

use std::sync::Arc;

use preflight_guest_protocol::message::{ToHost, to_payload};
use preflight_guest_protocol::{Channel, Kind, Outbound, SessionId, StreamId};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::Mutex;

use super::Faults;

/// How much garbage goes over the port.
const GARBAGE: usize = 1000;

/// A port that can be sent over from many tasks.
#[derive(Clone, Default)]
pub(super) struct FakePort(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    socket: Option<OwnedWriteHalf>,
    outbound: Option<Outbound>,
    faults: Faults,
    sent: u64,
}

impl FakePort {
    pub(super) fn with_faults(faults: Faults) -> Self {
        Self(Arc::new(Mutex::new(State {
            faults,
            ..State::default()
        })))
    }

    /// A daemon has connected.
    pub(super) async fn connected(&self, socket: OwnedWriteHalf) {
        self.0.lock().await.socket = Some(socket);
    }

    /// Answers its hello.
    pub(super) async fn open(&self, session: SessionId, hello: &[u8]) {
        let mut state = self.0.lock().await;
        if let Ok((outbound, opening)) = Outbound::opening(session, hello) {
            state.outbound = Some(outbound);
            state.write(&opening).await;
        }
    }

    pub(super) async fn send(&self, stream: StreamId, kind: Kind, channel: Channel, payload: &[u8]) {
        let mut state = self.0.lock().await;
        let mut bytes = Vec::new();
        let encoded = state
            .outbound
            .as_mut()
            .map(|outbound| outbound.encode(stream, kind, channel, payload, &mut bytes));
        if matches!(encoded, Some(Ok(()))) {
            state.write(&bytes).await;
        }
    }

    pub(super) async fn tell(&self, stream: StreamId, message: &ToHost) {
        self.send(stream, Kind::Message, Channel::Main, &to_payload(message))
            .await;
    }
}

impl State {
    async fn write(&mut self, bytes: &[u8]) {
        let before = self.sent;
        self.sent += bytes.len() as u64;
        let reached = |limit: Option<u64>| limit.is_some_and(|limit| (before..self.sent).contains(&limit));
        if reached(self.faults.drop_after) {
            self.socket = None;
        }
        let garbage = if reached(self.faults.garbage_after) {
            noise(self.faults.seed)
        } else {
            Vec::new()
        };
        if let Some(socket) = &mut self.socket {
            let written = async {
                socket.write_all(&garbage).await?;
                socket.write_all(bytes).await
            };
            if written.await.is_err() {
                self.socket = None;
            }
        }
    }
}

/// Bytes that look like nothing, the same for the same seed (xorshift).
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(GARBAGE).collect()
}
