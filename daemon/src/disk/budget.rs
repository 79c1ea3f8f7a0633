//! The one budget for all that the daemon keeps, as those see it who make something large: they ask for room, and are
//! told when there is some. Who frees it for them is the caretaker's matter.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::caretaker::Ask;
use super::holds::{Hold, Holds};
use super::meter::Size;

/// What to do where there is no room.
pub const NO_ROOM_HINT: &str = "`preflight du` says what takes the disk and why it stays; remove tickets that are done \
                                with `preflight ticket remove`, or raise `storage.budget_gb` in config.toml";

/// Why there is no room. Nothing was freed then: it would not have been enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// The budget is too small.
    #[error(
        "{wanted} more do not fit into the disk budget of {budget}: {used} are used, and {short} too few of them can be freed"
    )]
    Budget {
        /// What was asked for.
        wanted: Size,
        /// What all may take together.
        budget: Size,
        /// What all takes now, and what is promised.
        used: Size,
        /// What is missing after all that may go has gone.
        short: Size,
    },
    /// The disk is too full.
    #[error(
        "{wanted} more do not fit on the disk of {folder:?}: {free} are free, {reserve} are to stay so, and {short} too few can be freed"
    )]
    Disk {
        /// What was asked for.
        wanted: Size,
        /// A folder on that disk.
        folder: PathBuf,
        /// What is free.
        free: Size,
        /// What the daemon leaves free.
        reserve: Size,
        /// What is missing after all that may go has gone.
        short: Size,
    },
    /// It was chosen to go, and did not.
    #[error("{wanted} more do not fit: what was to go for it stays: {why}")]
    Resisted {
        /// What was asked for.
        wanted: Size,
        /// The first that stayed, and why.
        why: String,
    },
    /// It cannot be told how much there is.
    #[error("it cannot be told how much disk is used: {0}")]
    Unknown(String),
    /// The daemon is about to end.
    #[error("the daemon is stopping")]
    Stopping,
}

/// What is promised to those who are just making something.
#[derive(Debug, Default)]
pub(super) struct Promised {
    bytes: AtomicU64,
    /// Something was made since the disk was last looked at.
    stale: AtomicBool,
}

impl Promised {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Whether the last look is no longer true; the next one is.
    pub(super) fn take_stale(&self) -> bool {
        self.stale.swap(false, Ordering::AcqRel)
    }
}

/// Room that is promised until this value goes: keep it until the files are there.
#[derive(Debug)]
#[must_use = "the room is another's as soon as this is dropped"]
pub struct Room {
    bytes: u64,
    promised: Arc<Promised>,
}

impl Room {
    pub(super) fn promise(promised: &Arc<Promised>, bytes: u64) -> Self {
        promised.bytes.fetch_add(bytes, Ordering::AcqRel);
        Self {
            bytes,
            promised: Arc::clone(promised),
        }
    }

    /// Bytes that may be written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.promised.stale.store(true, Ordering::Release);
        self.promised.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// The budget; clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    /// None where nobody looks after the disk.
    asks: Option<mpsc::Sender<Ask>>,
    promised: Arc<Promised>,
    holds: Holds,
    cache: PathBuf,
}

impl Budget {
    pub(super) fn new(asks: mpsc::Sender<Ask>, promised: Arc<Promised>, holds: Holds, cache: PathBuf) -> Self {
        Self {
            asks: Some(asks),
            promised,
            holds,
            cache,
        }
    }

    /// A budget that is never used up, for whoever has no daemon around it.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            asks: None,
            promised: Arc::default(),
            holds: Holds::default(),
            cache: PathBuf::new(),
        }
    }

    /// Waits until so many bytes may be written into the cache, and frees what must go for them. Call it before
    /// something large is made: a template, an image.
    ///
    /// # Errors
    /// Budget or disk are too small, whatever went.
    pub async fn make_room(&self, bytes: u64) -> Result<Room, NoRoom> {
        self.make_room_at(&self.cache, bytes).await
    }

    /// The same, for files that go into another folder: a kept testbed's lies in its ticket's. The folder must be there.
    ///
    /// # Errors
    /// Budget or disk are too small, whatever went.
    pub async fn make_room_at(&self, folder: &Path, bytes: u64) -> Result<Room, NoRoom> {
        let Some(asks) = &self.asks else {
            return Ok(Room::promise(&self.promised, bytes));
        };
        let (answer, answered) = oneshot::channel();
        let ask = Ask::Room {
            folder: folder.to_owned(),
            bytes,
            answer,
        };
        asks.send(ask).await.map_err(|_| NoRoom::Stopping)?;
        answered.await.map_err(|_| NoRoom::Stopping)?
    }

    /// Keeps an image's or a kept testbed's folder from being freed, for whoever runs something on it that no job tells
    /// of: a shell, or a clone that is made ahead.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where it is there no more.
    pub fn hold(&self, folder: &Path) -> io::Result<Hold> {
        self.holds.hold(folder)
    }
}
