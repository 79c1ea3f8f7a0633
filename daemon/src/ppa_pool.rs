//! Empties repositories of the PPA pool that were given back: begun and ended are told to the dispatcher, so that a dead
//! daemon's half is done again by the next one. Who holds which is core's matter.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use preflight_core::Command;
use preflight_core::pool::{PoolCommand, PoolNumber, PoolRepository, PoolState};
use preflight_protocol::error::RpcError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::dispatcher::Handle;

/// The folders of the pool's repositories, below the state folder: `pool/NN`, made by whoever first publishes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolFolder(PathBuf);

impl PoolFolder {
    /// `state` is the daemon's state folder.
    #[must_use]
    pub fn below(state: &Path) -> Self {
        Self(state.to_owned())
    }

    /// A repository's folder; one that is not there is empty.
    #[must_use]
    pub fn repository(&self, number: PoolNumber) -> PathBuf {
        self.0.join(number.to_string())
    }

    fn empty(&self, number: PoolNumber) -> io::Result<()> {
        let folder = self.repository(number);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Else a power cut could bring back what the database says is gone.
        match folder.parent().map(std::fs::File::open) {
            Some(Ok(parent)) => parent.sync_all(),
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Keeps the pool clean until the daemon stops.
pub(crate) fn begin(handle: Handle, folder: PoolFolder, stop: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            // What is given back while this runs is told of once more.
            if let Err(error) = clean(&handle, &folder).await {
                tracing::warn!(%error, "the pool is not clean");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = handle.pool_is_dirty() => {}
            }
        }
    })
}

async fn clean(handle: &Handle, folder: &PoolFolder) -> Result<(), RpcError> {
    let found = handle.read(|view| {
        let dirty = |repository: &&PoolRepository| matches!(repository.state, PoolState::Dirty | PoolState::Cleaning);
        view.state.pool().filter(dirty).copied().collect::<Vec<_>>()
    });
    for PoolRepository { number, state, .. } in found.await? {
        if state == PoolState::Dirty {
            handle
                .command(Command::Pool(PoolCommand::BeginCleaning { number }))
                .await?;
        }
        let folder = folder.clone();
        let emptied = tokio::task::spawn_blocking(move || folder.empty(number)).await;
        match emptied.map_err(io::Error::other).and_then(|emptied| emptied) {
            Ok(()) => {
                handle
                    .command(Command::Pool(PoolCommand::NoteCleaned { number }))
                    .await?
            }
            // It is tried again with the next one, and by the next daemon.
            Err(error) => tracing::warn!(%number, %error, "a repository of the pool cannot be emptied"),
        }
    }
    Ok(())
}
