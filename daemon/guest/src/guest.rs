//! A guest that answers: the handle that everything else is asked through. Owns the session's tasks and ends them with
//! the last handle.

use std::sync::Arc;

use preflight_guest_protocol::frame::MAX_PAYLOAD;
use preflight_guest_protocol::message::{AgentHello, NetworkAttempt, ToGuest};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::attach::{ChannelSockets, OpenPort, open_port};
use crate::channel::{Frames, Queues, queues, write_all};
use crate::error::{CloseReason, GuestError};
use crate::session::{Health, Port, Shared, new_session, read_all};
use crate::tunnel::TunnelConnection;

/// A session with the agent of a guest. Clones are handles of the same session; the last one dropped closes it.
///
/// Operations may run side by side. One whose future is dropped is given up, in the guest too.
#[derive(Clone)]
pub struct Guest(Arc<Lifeline>);

struct Lifeline {
    shared: Arc<Shared>,
    hello: AgentHello,
    tasks: Vec<AbortHandle>,
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        self.shared.close(CloseReason::Dropped);
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Guest {
    /// Connects to a guest's agent, waiting for the sockets to appear and the guest to boot until the deadline. An older
    /// session of this guest's is over then, with all that ran in it.
    ///
    /// Connections to the package tunnel come from the receiver; while nobody takes them or after it is dropped, further
    /// ones are closed.
    ///
    /// # Errors
    /// [`GuestError::Connect`], [`GuestError::NoAnswer`], [`GuestError::Version`], [`GuestError::Unacceptable`].
    pub async fn attach(
        sockets: ChannelSockets,
        deadline: std::time::Instant,
    ) -> Result<(Self, mpsc::Receiver<TunnelConnection>), GuestError> {
        let deadline = Instant::from_std(deadline);
        let session = new_session();
        let ((control, hello), (bulk, _)) = tokio::try_join!(
            open_port(&sockets.control, session, deadline),
            open_port(&sockets.bulk, session, deadline),
        )?;
        let Queues {
            control: control_queue,
            bulk: bulk_queue,
            control_end,
            bulk_end,
        } = queues();
        let (shared, tunnels) = Shared::new(control_queue, bulk_queue);
        let mut tasks = Vec::with_capacity(4);
        tasks.extend(start(&shared, Port::Control, control, control_end));
        tasks.extend(start(&shared, Port::Bulk, bulk, bulk_end));
        Ok((Self(Arc::new(Lifeline { shared, hello, tasks })), tunnels))
    }

    /// What the agent said of itself and its guest.
    pub fn hello(&self) -> &AgentHello {
        &self.0.hello
    }

    /// The last sign of life; `None` before the first. Beats come each second from a guest that is well.
    pub fn health(&self) -> watch::Receiver<Option<Health>> {
        self.0.shared.health.subscribe()
    }

    /// Attempts to reach the network, from now on. A subscriber that lags is told how many it missed.
    pub fn network_attempts(&self) -> broadcast::Receiver<NetworkAttempt> {
        self.0.shared.attempts.subscribe()
    }

    /// Waits for the session's end: the machine is gone, the agent gave up, or the guest broke the protocol.
    pub async fn closed(&self) -> CloseReason {
        let mut closed = self.0.shared.closed.subscribe();
        match closed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(CloseReason::Dropped),
            Err(_) => CloseReason::Dropped,
        }
    }

    /// Adds host bytes (32 or more) to the guest's random pool and reseeds its generator: the first thing that a clone of a
    /// template needs, or its "random" numbers are its siblings'.
    ///
    /// # Errors
    /// [`GuestError::Refused`], [`GuestError::Closed`].
    pub async fn seed_random(&self, bytes: &[u8]) -> Result<(), GuestError> {
        self.ask(ToGuest::SeedRandom {
            bytes: bytes[..bytes.len().min(MAX_PAYLOAD / 2)].to_vec(),
        })
        .await
    }

    /// Turns the detection of network attempts on or off; an agent starts with it on where the guest's kernel allows.
    ///
    /// # Errors
    /// [`GuestError::Refused`] with [`crate::FailureKind::Unsupported`] where the guest lacks what it needs;
    /// [`GuestError::Closed`].
    pub async fn watch_network(&self, on: bool) -> Result<(), GuestError> {
        self.ask(ToGuest::WatchNetwork { on }).await
    }

    pub(crate) async fn ask(&self, request: ToGuest) -> Result<(), GuestError> {
        let mut stream = self.0.shared.open()?;
        stream.request(Port::Control, &request).await?;
        stream.done().await
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest")
            .field("hello", &self.0.hello)
            .finish_non_exhaustive()
    }
}

fn start(shared: &Arc<Shared>, which: Port, port: OpenPort, frames: impl Frames + 'static) -> [AbortHandle; 2] {
    let OpenPort {
        reader,
        inbound,
        writer,
        outbound,
    } = port;
    let for_writing = Arc::clone(shared);
    let writing = tokio::spawn(async move {
        if let Err(error) = write_all(frames, outbound, writer).await {
            for_writing.close(match error.kind() {
                std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset => CloseReason::MachineGone,
                _ => CloseReason::Socket(error.to_string()),
            });
        }
    });
    let reading = tokio::spawn(read_all(Arc::clone(shared), which, inbound, reader));
    [writing.abort_handle(), reading.abort_handle()]
}
