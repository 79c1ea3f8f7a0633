//! The clients' socket: who may connect, and a session for each that does. It knows the wire and the dispatcher's
//! handle; what a request means is its handler's matter.

mod feed;
mod handlers;
mod loans;
mod session;
mod shell;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use interprocess::local_socket::tokio::{Listener, Stream, prelude::*};
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
use interprocess::os::unix::local_socket::ListenerOptionsExt;
use preflight_core::Moment;
use preflight_store::TicketsFolder;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dispatcher::Handle;
use crate::ppa_pool::PoolFolder;
use crate::promotions::CriteriaFolder;
use crate::room::Room;
use crate::services::Services;

/// How many clients may be connected at once.
const CLIENTS: usize = 256;
/// How long requests that are still handled may hold up the daemon's end.
const LONGEST_CLOSE: Duration = Duration::from_secs(2);

/// What every request may need.
pub struct Context {
    /// To the dispatcher.
    pub dispatcher: Handle,
    /// Who does the work.
    pub services: Services,
    /// The host's room, for testbeds that no job has.
    pub room: Room,
    /// Where tickets' files are.
    pub tickets: TicketsFolder,
    /// Where the repositories of the PPA pool are.
    pub pool: PoolFolder,
    /// Where owners write down what links want.
    pub promotions: CriteriaFolder,
    /// When the daemon started.
    pub started_at: Moment,
    /// Changes with every start of the daemon.
    pub instance: String,
    /// Ends the daemon gracefully once cancelled.
    pub stop: CancellationToken,
    /// Ends the connections once cancelled, when all else has ended.
    pub close: CancellationToken,
}

/// Makes the socket, for this user alone. The lock file says that no other daemon has it, so that a socket that is
/// there is a dead daemon's.
///
/// # Errors
/// The system's.
pub fn listen(path: &Path) -> io::Result<Listener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    ListenerOptions::new()
        .name(path.to_fs_name::<GenericFilePath>()?)
        .mode(0o600)
        .create_tokio()
}

/// A peer that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeerRefused {
    /// Another user's process.
    #[error("user {peer} may not speak with the daemon of user {own}")]
    OtherUser {
        /// Whose process it is.
        peer: u32,
        /// Whose daemon this is.
        own: u32,
    },
    /// The system does not tell.
    #[error("the system does not tell which user the peer is")]
    Unknown,
}

/// Whether a peer may speak with the daemon of the user `own`. Root may not either: it has a daemon of its own.
pub(crate) fn admit(own: u32, peer: Option<u32>) -> Result<(), PeerRefused> {
    match peer {
        Some(peer) if peer == own => Ok(()),
        Some(peer) => Err(PeerRefused::OtherUser { peer, own }),
        None => Err(PeerRefused::Unknown),
    }
}

/// Serves clients until `close` is cancelled; then ends their sessions and removes the socket.
pub async fn serve(listener: Listener, path: PathBuf, context: Arc<Context>) {
    let own = nix::unistd::geteuid().as_raw();
    let sessions = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let stream = tokio::select! {
            () = context.close.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    // Too many open files, say: whoever closes one makes room.
                    tracing::error!(%error, "a client cannot be accepted");
                    tokio::task::yield_now().await;
                    continue;
                }
            },
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!("more than {CLIENTS} clients: one is turned away");
            continue;
        };
        let context = Arc::clone(&context);
        sessions.spawn(async move {
            session::run(stream, own, context).await;
            drop(place);
        });
    }
    drop(listener);
    let _ = std::fs::remove_file(path);
    sessions.close();
    if tokio::time::timeout(LONGEST_CLOSE, sessions.wait()).await.is_err() {
        tracing::warn!("some requests were not answered before the daemon's end");
    }
}

fn peer_of(stream: &Stream) -> Option<u32> {
    stream.peer_creds().ok()?.euid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_the_owner_is_admitted() {
        assert_eq!(admit(1000, Some(1000)), Ok(()));
        assert_eq!(admit(1000, Some(0)), Err(PeerRefused::OtherUser { peer: 0, own: 1000 }));
        assert_eq!(admit(0, Some(1000)), Err(PeerRefused::OtherUser { peer: 1000, own: 0 }));
        assert_eq!(admit(0, None), Err(PeerRefused::Unknown));
    }
}
