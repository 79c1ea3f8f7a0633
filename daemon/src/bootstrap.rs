//! The daemon's start and end: folders, lock file, database, socket; then, in the other order, a graceful stop. It
//! puts the rooms together and knows what none of them does.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use preflight_core::Moment;
use preflight_protocol::endpoint::{EndpointError, Folders};
use preflight_store::{Store, StoreError, TicketsFolder};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::capacity::capacity;
use crate::config::{Config, ConfigError};
use crate::dispatcher::{Dispatcher, Handle, Parts};
use crate::folders::{self, FolderError, Lock};
use crate::ppa_pool::{self, PoolFolder};
use crate::promotions::CriteriaFolder;
use crate::room::Room;
use crate::server::{self, Context};
use crate::services::Services;

/// How long testbeds of shells may hold up the daemon's end.
const LONGEST_FINISH: Duration = Duration::from_secs(5);

/// Why the daemon does not start, or has ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// No place for the folders, or for the socket.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A folder that cannot be used, or another daemon.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A configuration that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The socket.
    #[error("the socket {path:?} cannot be made: {source}")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// What does the work cannot be set up.
    #[error("{0}")]
    Services(String),
    /// One of the daemon's own tasks has panicked.
    #[error("a task of the daemon's own has failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// This daemon's hold on its folders: as long as it lives, no other daemon uses them.
#[derive(Debug)]
pub struct Home {
    folders: Folders,
    socket: PathBuf,
    lock: Lock,
}

impl Home {
    /// Prepares the folders and takes the lock.
    ///
    /// # Errors
    /// Where a folder cannot be used, or another daemon uses it.
    pub fn enter(folders: Folders) -> Result<Self, DaemonError> {
        let socket = folders.socket()?;
        folders::prepare(&folders, nix::unistd::geteuid().as_raw())?;
        let lock = folders::lock(&folders.lock_file())?;
        Ok(Self { folders, socket, lock })
    }

    /// The folders.
    #[must_use]
    pub fn folders(&self) -> &Folders {
        &self.folders
    }
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    /// To its dispatcher.
    pub handle: Handle,
    /// Its socket.
    pub socket: PathBuf,
    stop: CancellationToken,
    shells: JoinHandle<()>,
    caretaking: JoinHandle<()>,
    pool_keeping: JoinHandle<()>,
    dispatching: JoinHandle<Result<(), StoreError>>,
    close: CancellationToken,
    serving: JoinHandle<()>,
    _lock: Lock,
}

impl Daemon {
    /// Starts a daemon; it answers when this returns.
    ///
    /// # Errors
    /// Where the database or the socket cannot be opened.
    pub async fn start(home: Home, config: &Config, services: Services) -> Result<Self, DaemonError> {
        let Home { folders, socket, lock } = home;
        let tickets = TicketsFolder::below(&folders.state);
        let (store, loaded) = Store::open(&folders.state.join("preflight.db"))?;
        let ppas: Vec<_> = loaded.state.ppas().cloned().collect();
        services.ppas.begin(&ppas).await;
        let pool = PoolFolder::below(&folders.state);
        let stop = CancellationToken::new();
        let room = Room::new(capacity(&config.scheduler, services.demands.usual));
        let parts = Parts {
            store,
            loaded,
            tickets: tickets.clone(),
            pool: pool.clone(),
            executor: Arc::clone(&services.executor),
            doctor: Arc::clone(&services.doctor),
            room: room.clone(),
            demands: services.demands.clone(),
            stop: stop.clone(),
        };
        let (dispatcher, handle) = Dispatcher::new(parts).await?;
        let listener = server::listen(&socket).map_err(|source| DaemonError::Socket {
            path: socket.clone(),
            source,
        })?;
        let close = CancellationToken::new();
        let shells = tokio::spawn({
            let (stop, shells) = (stop.clone(), Arc::clone(&services.shells));
            async move {
                stop.cancelled().await;
                // Their sessions let go of them at the same word.
                if tokio::time::timeout(LONGEST_FINISH, shells.finish()).await.is_err() {
                    tracing::warn!("testbeds of shells are left; the next daemon removes them");
                }
            }
        });
        let context = Arc::new(Context {
            dispatcher: handle.clone(),
            services,
            room,
            tickets,
            pool: pool.clone(),
            promotions: CriteriaFolder::below(&folders.config),
            started_at: Moment(jiff::Timestamp::now().as_microsecond()),
            instance: uuid::Uuid::new_v4().to_string(),
            stop: stop.clone(),
            close: close.clone(),
        });
        let caretaking = context.services.disk.begin(handle.clone(), stop.clone());
        let pool_keeping = ppa_pool::begin(handle.clone(), pool, stop.clone());
        let dispatching = tokio::spawn(dispatcher.run());
        let serving = tokio::spawn(server::serve(listener, socket.clone(), context));
        tracing::info!(
            ?socket,
            pid = std::process::id(),
            "preflightd {} has started",
            env!("CARGO_PKG_VERSION")
        );
        Ok(Self {
            handle,
            socket,
            stop,
            shells,
            caretaking,
            pool_keeping,
            dispatching,
            close,
            serving,
            _lock: lock,
        })
    }

    /// Cancelled, it ends the daemon gracefully.
    #[must_use]
    pub fn stopper(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Waits for the daemon's end: its stop, or a failure of the store. Then its socket is gone.
    ///
    /// # Errors
    /// What has ended it before its time.
    pub async fn ended(self) -> Result<(), DaemonError> {
        self.ended_after(async {}).await
    }

    /// The same, with something to be done between the last job's end and the socket's: who then finds no daemon finds
    /// nothing else of it either.
    ///
    /// # Errors
    /// What has ended it before its time.
    pub async fn ended_after(mut self, last: impl Future<Output = ()>) -> Result<(), DaemonError> {
        let result = (&mut self.dispatching).await;
        // However it ended, clients must learn it.
        self.stop.cancel();
        let _ = (&mut self.shells).await;
        last.await;
        self.close.cancel();
        (&mut self.serving).await?;
        result??;
        tracing::info!("preflightd has stopped");
        Ok(())
    }
}

/// A daemon that is dropped ends at once, as if it had been killed: what it ran is found by the next one.
impl Drop for Daemon {
    fn drop(&mut self) {
        self.caretaking.abort();
        self.pool_keeping.abort();
        self.dispatching.abort();
        self.serving.abort();
        self.shells.abort();
        self.close.cancel();
    }
}
