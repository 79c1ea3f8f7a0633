//! The disk as the daemon's other rooms see it: a service that the server asks, and the budget that the executor asks.
//! It starts the caretaker, and knows how to reach it.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use preflight_archive::Archive;
use preflight_protocol::disk::{Freed, Usage};
use preflight_protocol::endpoint::Folders;
use preflight_protocol::error::RpcError;
use preflight_protocol::method::DiskFree;
use preflight_testbed::template::TemplateStore;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::budget::{Budget, Promised};
use super::caretaker::{Ask, Caretaker};
use super::holds::Holds;
use super::removal::Remover;
use crate::dispatcher::{DispatcherGone, Handle};
use crate::services::Images;

/// How many may wait for an answer before others wait to ask.
const WAITING: usize = 64;

/// Keeps what the daemon keeps within its budget.
#[async_trait]
pub trait DiskKeeper: Send + Sync {
    /// Begins to look after the disk, until `stop`. Called once, when there is a state to ask. The task may be aborted
    /// at any time: nothing is half freed then.
    fn begin(&self, dispatcher: Handle, stop: CancellationToken) -> JoinHandle<()>;

    /// What takes the disk, with so many of the largest items.
    ///
    /// # Errors
    /// The folders cannot be read, or the daemon is stopping.
    async fn usage(&self, items: usize) -> Result<Usage, RpcError>;

    /// Frees disk, or says what it would free.
    ///
    /// # Errors
    /// The folders cannot be read, or the daemon is stopping. What cannot be freed is no error.
    async fn free(&self, request: DiskFree) -> Result<Freed, RpcError>;
}

/// What the storage looks after.
pub struct StorageParts {
    /// The daemon's folders.
    pub folders: Folders,
    /// What all may take together, in bytes.
    pub budget: u64,
    /// The images, with their places.
    pub images: Arc<dyn Images>,
    /// Where packages come from.
    pub archive: Archive,
    /// The templates: the very value that clones are made from, since it knows them.
    pub templates: TemplateStore,
}

/// The way to the caretaker before there is one: the budget is wanted where the images are made that the caretaker lists.
pub struct StorageDesk {
    budget: Budget,
    sender: mpsc::Sender<Ask>,
    promised: Arc<Promised>,
    holds: Holds,
    asks: mpsc::Receiver<Ask>,
}

/// The real thing.
pub struct Storage {
    asks: mpsc::Sender<Ask>,
    /// Until it begins.
    waiting: Mutex<Option<(StorageParts, StorageDesk)>>,
}

impl StorageDesk {
    /// Opens the way: what is asked of its budget is answered once the storage has begun. `folders` are the daemon's.
    #[must_use]
    pub fn open(folders: &Folders) -> Self {
        let (sender, asks) = mpsc::channel(WAITING);
        let (promised, holds) = (Arc::<Promised>::default(), Holds::default());
        Self {
            budget: Budget::new(
                sender.clone(),
                Arc::clone(&promised),
                holds.clone(),
                folders.cache.clone(),
            ),
            sender,
            promised,
            holds,
            asks,
        }
    }

    /// The budget, for those who make something large.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.budget.clone()
    }
}

impl Storage {
    /// A storage that has not begun.
    #[must_use]
    pub fn new(parts: StorageParts, desk: StorageDesk) -> Self {
        Self {
            asks: desk.sender.clone(),
            waiting: Mutex::new(Some((parts, desk))),
        }
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<Result<T, RpcError>>) -> Ask) -> Result<T, RpcError> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(ask(answer)).await.map_err(|_| DispatcherGone)?;
        answered.await.map_err(|_| DispatcherGone)?
    }
}

#[async_trait]
impl DiskKeeper for Storage {
    fn begin(&self, dispatcher: Handle, stop: CancellationToken) -> JoinHandle<()> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((parts, desk)) = waiting else {
            return tokio::spawn(async {});
        };
        let folders = Arc::new(parts.folders);
        let caretaker = Caretaker {
            folders: Arc::clone(&folders),
            images: parts.images,
            archive: parts.archive,
            remover: Remover {
                folders,
                holds: desk.holds,
                templates: parts.templates,
                dispatcher,
            },
            budget: parts.budget,
            promised: desk.promised,
            known: None,
        };
        tokio::spawn(caretaker.run(desk.asks, stop))
    }

    async fn usage(&self, items: usize) -> Result<Usage, RpcError> {
        self.ask(|answer| Ask::Usage { items, answer }).await
    }

    async fn free(&self, request: DiskFree) -> Result<Freed, RpcError> {
        self.ask(|answer| Ask::Free { request, answer }).await
    }
}
