//! Connects to the daemon, and starts it first where nobody answers and the caller wants that.

use std::path::PathBuf;

use preflight_protocol::client::{ClientError, Connection, Notification};
use preflight_protocol::endpoint::{EndpointError, Folders, HOME_VARIABLE};
use tokio::sync::mpsc::Receiver;

use super::start::{self, StartError};

/// Names the program and its version to the daemon.
pub const CLIENT: &str = concat!("preflight ", env!("CARGO_PKG_VERSION"));

/// Where the daemon is.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Preflight's folders.
    pub folders: Folders,
    /// The clients' socket.
    pub socket: PathBuf,
}

/// No connection to the daemon.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// No place for the socket.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The daemon does not answer, or refuses.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The daemon did not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A connection and what the daemon tells over it.
pub type Attached = (Connection, Receiver<Notification>);

impl Endpoint {
    /// The endpoint of this process's user and environment.
    ///
    /// # Errors
    /// Where there is no home, or the path is too long for a socket.
    pub fn discover() -> Result<Self, EndpointError> {
        let home = std::env::var_os(HOME_VARIABLE).map(PathBuf::from);
        let folders = Folders::discover(home.as_deref(), nix::unistd::geteuid().as_raw())?;
        let socket = folders.socket()?;
        Ok(Self { folders, socket })
    }

    /// Connects to a daemon that runs.
    ///
    /// # Errors
    /// Where none answers, or it speaks another version.
    pub async fn connect(&self) -> Result<Attached, ClientError> {
        Connection::open(&self.socket, CLIENT).await
    }

    /// Connects, and starts the daemon where none answers.
    ///
    /// # Errors
    /// Where the daemon speaks another version, or does not start.
    pub async fn connect_or_start(&self) -> Result<Attached, AttachError> {
        match self.connect().await {
            Err(ClientError::NoDaemon { .. } | ClientError::Closed) => Ok(start::start(self).await?),
            other => Ok(other?),
        }
    }
}
