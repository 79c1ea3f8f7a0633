//! How others speak with the dispatcher. What they are answered is stored already.

use std::sync::Arc;

use preflight_core::{Attempt, Command, ImportedTicket, JobId, NewTicket, Sequence, State, TicketId};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::Snapshot;
use preflight_store::Store;
use tokio::sync::{Notify, mpsc, oneshot};

use super::subscribers::Frame;
use crate::beats::Beats;
use crate::convert::LiveJobs;
use crate::services::Staging;

/// The daemon is about to end: nobody answers any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the daemon is stopping")]
pub struct DispatcherGone;

impl From<DispatcherGone> for RpcError {
    fn from(gone: DispatcherGone) -> Self {
        Self::new(ErrorCode::Internal, gone.to_string()).with_hint("try again: the next command starts a new daemon")
    }
}

/// The state as of an event.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// All tickets.
    pub state: &'a State,
    /// The last event that is contained.
    pub seq: Sequence,
    /// What running jobs last said.
    pub(crate) live: &'a LiveJobs,
    /// What the daemon itself has to complain of.
    pub warnings: &'a [String],
}

type Read = Box<dyn FnOnce(&View<'_>) + Send>;
type MakeSnapshot = Box<dyn FnOnce(&View<'_>) -> Result<Snapshot, RpcError> + Send>;

/// What others ask of the dispatcher.
pub(super) enum Input {
    Command {
        command: Command,
        answer: oneshot::Sender<Result<(), RpcError>>,
    },
    Create {
        new: Box<NewTicket>,
        staging: Option<Staging>,
        answer: oneshot::Sender<Result<TicketId, RpcError>>,
    },
    Import {
        imported: Box<ImportedTicket>,
        staging: Staging,
        answer: oneshot::Sender<Result<TicketId, RpcError>>,
    },
    Rerun {
        ticket: TicketId,
        test: String,
        staging: Option<Staging>,
        answer: oneshot::Sender<Result<(JobId, Attempt), RpcError>>,
    },
    Read(Read),
    Subscribe {
        ticket: Option<TicketId>,
        snapshot: MakeSnapshot,
        answer: oneshot::Sender<Subscription<Result<Snapshot, RpcError>>>,
    },
}

/// A snapshot, and every event after it as an encoded frame. The queue's end before the daemon's means that it was
/// read too slowly.
#[derive(Debug)]
pub struct Subscription<S> {
    /// The state as of the event before the first.
    pub snapshot: S,
    pub(crate) events: mpsc::Receiver<Frame>,
}

/// How others speak with the dispatcher; clones share it.
#[derive(Debug, Clone)]
pub struct Handle {
    inputs: mpsc::Sender<Input>,
    beats: Beats,
    store: Store,
    dirty: Arc<Notify>,
}

impl Handle {
    pub(super) fn new(inputs: mpsc::Sender<Input>, beats: Beats, store: Store, dirty: Arc<Notify>) -> Self {
        Self {
            inputs,
            beats,
            store,
            dirty,
        }
    }

    /// Waits until a repository of the PPA pool is given back; at once where one was since the last time. For one that
    /// waits alone.
    pub(crate) async fn pool_is_dirty(&self) {
        self.dirty.notified().await;
    }

    /// What running jobs say.
    #[must_use]
    pub fn beats(&self) -> &Beats {
        &self.beats
    }

    /// The database, for what no state holds.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Has a command decided and stored.
    ///
    /// # Errors
    /// Why it was refused, or that the daemon is stopping.
    pub async fn command(&self, command: Command) -> Result<(), RpcError> {
        self.ask(|answer| Input::Command { command, answer }).await?
    }

    /// Makes a ticket, which takes what was staged into its folder.
    ///
    /// # Errors
    /// Why it was refused, or that the daemon is stopping; what was staged is gone then.
    pub async fn create(&self, new: NewTicket, staging: Option<Staging>) -> Result<TicketId, RpcError> {
        self.ask(|answer| Input::Create {
            new: Box::new(new),
            staging,
            answer,
        })
        .await?
    }

    /// Takes over a ticket from another machine, with its files, which get their names of here.
    ///
    /// # Errors
    /// Why it was refused, or that the daemon is stopping; what was staged is gone then.
    pub async fn import(&self, imported: ImportedTicket, staging: Staging) -> Result<TicketId, RpcError> {
        self.ask(|answer| Input::Import {
            imported: Box::new(imported),
            staging,
            answer,
        })
        .await?
    }

    /// Runs one test of a ticket once more, with what was staged for it.
    ///
    /// # Errors
    /// Why it was refused, or that the daemon is stopping; what was staged is gone then.
    pub async fn rerun(
        &self,
        ticket: TicketId,
        test: String,
        staging: Option<Staging>,
    ) -> Result<(JobId, Attempt), RpcError> {
        self.ask(|answer| Input::Rerun {
            ticket,
            test,
            staging,
            answer,
        })
        .await?
    }

    /// Reads the state.
    ///
    /// # Errors
    /// That the daemon is stopping.
    pub async fn read<T, F>(&self, read: F) -> Result<T, DispatcherGone>
    where
        T: Send + 'static,
        F: FnOnce(&View<'_>) -> T + Send + 'static,
    {
        let reading = |answer: oneshot::Sender<T>| {
            Input::Read(Box::new(move |view: &View<'_>| {
                let _ = answer.send(read(view));
            }))
        };
        self.ask(reading).await
    }

    /// Subscribes to the events after the one that `snapshot` sees; with a ticket, to that ticket's.
    ///
    /// # Errors
    /// That the daemon is stopping.
    pub(crate) async fn subscribe(
        &self,
        ticket: Option<TicketId>,
        snapshot: impl FnOnce(&View<'_>) -> Result<Snapshot, RpcError> + Send + 'static,
    ) -> Result<Subscription<Result<Snapshot, RpcError>>, DispatcherGone> {
        self.ask(|answer| Input::Subscribe {
            ticket,
            snapshot: Box::new(snapshot),
            answer,
        })
        .await
    }

    async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Result<T, DispatcherGone> {
        let (answer, answered) = oneshot::channel();
        self.inputs.send(input(answer)).await.map_err(|_| DispatcherGone)?;
        answered.await.map_err(|_| DispatcherGone)
    }
}
