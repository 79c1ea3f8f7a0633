//! The one thread that writes. Commits that wait while another is made become one transaction; who sent them is
//! answered when they are on the disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use preflight_core::{JobId, LockEntry, LockHead, TicketId};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::load::{self, Loaded};
use crate::rows::{self, Written};
use crate::schema;

/// How many waiting requests are taken into one transaction.
const GROUP: usize = 256;

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

enum Request {
    Commit(Vec<Written>, Answer<()>),
    Locks(TicketId, Answer<Vec<(JobId, Vec<LockEntry>)>>),
    LockHeads(TicketId, Answer<Vec<(JobId, LockHead)>>),
}

/// The database. Clones share it; the last one's end closes it.
#[derive(Debug, Clone)]
pub struct Store {
    requests: mpsc::Sender<Request>,
    // Dropped after `requests`, and so joined when the thread's loop has ended.
    _writer: Arc<Writer>,
}

#[derive(Debug)]
struct Writer(Option<JoinHandle<()>>);

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(Err(_)) = self.0.take().map(JoinHandle::join) {
            tracing::error!("the database's writer has panicked");
        }
    }
}

impl Store {
    /// Opens the database, makes it where it is missing, and reads what it holds.
    ///
    /// # Errors
    /// Where it cannot be opened, is from a newer daemon, or makes no sense.
    pub fn open(path: &Path) -> Result<(Self, Loaded), StoreError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| StoreError::Io {
                path: folder.to_owned(),
                source: Arc::new(source),
            })?;
        }
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // What was answered must be there after a power cut too.
        connection.pragma_update(None, "synchronous", "FULL")?;
        schema::migrate(&mut connection, path)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(64);
        let loaded = load::load(&connection)?;
        let (requests, incoming) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || serve(connection, &incoming))
            .map_err(|source| StoreError::Io {
                path: path.to_owned(),
                source: Arc::new(source),
            })?;
        Ok((
            Self {
                requests,
                _writer: Arc::new(Writer(Some(thread))),
            },
            loaded,
        ))
    }

    /// Writes events and what they change, all or none; returns when they are on the disk.
    ///
    /// # Errors
    /// The database's; the daemon must stop then.
    pub async fn commit(&self, events: Vec<Written>) -> Result<(), StoreError> {
        self.ask(|answer| Request::Commit(events, answer)).await
    }

    /// The locks of a ticket's jobs, of each job its newest attempt's, by job.
    ///
    /// # Errors
    /// The database's.
    pub async fn locks(&self, ticket: TicketId) -> Result<Vec<(JobId, Vec<LockEntry>)>, StoreError> {
        self.ask(|answer| Request::Locks(ticket, answer)).await
    }

    /// What those locks say beside the files, by job.
    ///
    /// # Errors
    /// The database's.
    pub async fn lock_heads(&self, ticket: TicketId) -> Result<Vec<(JobId, LockHead)>, StoreError> {
        self.ask(|answer| Request::LockHeads(ticket, answer)).await
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).map_err(|_| StoreError::Gone)?;
        answered.await.map_err(|_| StoreError::Gone)?
    }
}

fn serve(mut db: Connection, incoming: &mpsc::Receiver<Request>) {
    while let Ok(first) = incoming.recv() {
        let mut commits = Vec::new();
        let mut locks = Vec::new();
        let mut heads = Vec::new();
        for request in std::iter::once(first).chain(incoming.try_iter().take(GROUP)) {
            match request {
                Request::Commit(events, answer) => commits.push((events, answer)),
                Request::Locks(ticket, answer) => locks.push((ticket, answer)),
                Request::LockHeads(ticket, answer) => heads.push((ticket, answer)),
            }
        }
        if !commits.is_empty() {
            let result = commit(&mut db, commits.iter().flat_map(|(events, _)| events)).map_err(StoreError::from);
            for (_, answer) in commits {
                // Who has stopped waiting does not want to know.
                let _ = answer.send(result.clone());
            }
        }
        for (ticket, answer) in locks {
            let _ = answer.send(load::locks(&db, ticket));
        }
        for (ticket, answer) in heads {
            let _ = answer.send(rows::replays::heads(&db, ticket));
        }
    }
}

fn commit<'a>(db: &mut Connection, events: impl Iterator<Item = &'a Written>) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for written in events {
        rows::write(&transaction, written)?;
    }
    transaction.commit()
}
