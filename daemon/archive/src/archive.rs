//! The archive as a whole: the store, the fetcher, the keyrings and what sessions share, so that one file is fetched
//! and one index is parsed once however many sessions ask.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use preflight_debian::{Keyring, Sha256Digest};

use crate::content::{ContentStore, Object};
use crate::error::{ArchiveError, RefusalKind, Refused};
use crate::fetch::{FetchError, Fetcher, HttpTimeouts, ProgressCallback};
use crate::file_table::FileTable;
use crate::places::{KnownPlaces, Place, PlaceKind, Places};
use crate::release::Listed;
use crate::session::{Session, SessionOptions};
use crate::snapshot::Shelf;
use crate::suite::Suite;
use crate::url::CanonicalUrl;

/// What to do about `Valid-Until` when a release file is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValidUntil {
    /// An expired release file is refused.
    #[default]
    Enforce,
    /// It is accepted: old archives, or hosts whose clock is not today's.
    Ignore,
}

/// How an archive is set up.
#[derive(Debug, Clone)]
pub struct ArchiveConfig {
    /// Where objects and bookkeeping live; used by one process at a time.
    pub folder: PathBuf,
    /// Keyrings that release files of mirrors without keyrings of their own are checked against.
    pub keyrings: Vec<PathBuf>,
    /// Time-outs of fetches.
    pub http: HttpTimeouts,
    /// What to do about `Valid-Until`.
    pub valid_until: ValidUntil,
}

/// A handle on the archive; clones share everything.
#[derive(Clone)]
pub struct Archive {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: ContentStore,
    pub(crate) fetcher: Fetcher,
    pub(crate) places: KnownPlaces,
    pub(crate) keyring: Keyring,
    pub(crate) valid_until: ValidUntil,
    pub(crate) heads: PathBuf,
    pub(crate) snapshots: Shelf,
    objects: Flights<Sha256Digest, Object, FetchError>,
    pub(crate) suites: Flights<CanonicalUrl, Arc<Suite>, Refused>,
    tables: Flights<Sha256Digest, Arc<FileTable>, Refused>,
    parsed: Mutex<HashMap<Sha256Digest, Arc<FileTable>>>,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("store", &self.inner.store)
            .finish_non_exhaustive()
    }
}

impl Archive {
    /// Opens or makes the archive in its folder. Needs no network and no runtime.
    pub fn open(config: ArchiveConfig) -> Result<Self, ArchiveError> {
        Self::open_beside(config, Places::default())
    }

    /// The same, where content is found beside the mirrors, too.
    pub fn open_beside(config: ArchiveConfig, places: Places) -> Result<Self, ArchiveError> {
        let store = ContentStore::open(&config.folder).map_err(ArchiveError::io(&config.folder))?;
        let heads = config.folder.join("heads");
        std::fs::create_dir_all(&heads).map_err(ArchiveError::io(&heads))?;
        let snapshots = config.folder.join("snapshots");
        let snapshots = Shelf::open(snapshots.clone()).map_err(ArchiveError::io(&snapshots))?;
        let fetcher = Fetcher::new(config.http)?;
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                places: KnownPlaces::open(places, &fetcher)?,
                fetcher,
                keyring: Keyring::load(&config.keyrings)?,
                valid_until: config.valid_until,
                heads,
                snapshots,
                objects: Flights::default(),
                suites: Flights::default(),
                tables: Flights::default(),
                parsed: Mutex::default(),
            }),
        })
    }

    /// The content store.
    #[must_use]
    pub fn store(&self) -> &ContentStore {
        &self.inner.store
    }

    /// Starts a session: one guest, or one use by the host itself.
    pub fn session(&self, options: SessionOptions) -> Result<Session, ArchiveError> {
        Session::start(self.clone(), options)
    }

    /// Bytes that came over the network since the archive was opened, over all sessions.
    #[must_use]
    pub fn fetched_bytes(&self) -> u64 {
        self.inner.fetcher.fetched()
    }
}

impl Inner {
    /// The object, fetched from the first of `places` that has it; verified. One fetch however many ask, from where the
    /// first of them says.
    pub(crate) async fn fetch(
        self: &Arc<Self>,
        places: Vec<Place>,
        wanted: Listed,
        progress: Option<ProgressCallback>,
    ) -> Result<Object, FetchError> {
        let archive = Arc::clone(self);
        let fetching = move || async move { archive.fetch_from(&places, wanted, progress.as_ref()).await }.boxed();
        self.objects.join(wanted.sha256, fetching).await
    }

    /// These places of a mirror, after the host's caches.
    pub(crate) fn cached(&self, at_mirror: Vec<Place>) -> Vec<Place> {
        let private = |url: &str| self.fetcher.credentials.header(url).is_some();
        self.places.after_caches(at_mirror, private)
    }

    async fn fetch_from(
        &self,
        places: &[Place],
        wanted: Listed,
        progress: Option<&ProgressCallback>,
    ) -> Result<Object, FetchError> {
        let mut verdict = FetchError::NotFound;
        for place in places {
            let error = match self.fetcher.object(&self.store, place, wanted, progress).await {
                Err(error) => error,
                found => return found,
            };
            match (&place.kind, error) {
                (_, FetchError::Store(reason)) => return Err(FetchError::Store(reason)),
                (PlaceKind::Mirror, FetchError::NotFound) => {}
                // It has another file there by now, or a wrong one: where nobody has the right one, that is to be told.
                (PlaceKind::Mirror, wrong @ FetchError::Wrong(_)) => verdict = wrong,
                (PlaceKind::Mirror, error) => return Err(error),
                (PlaceKind::Cache(_) | PlaceKind::Service, error) => {
                    tracing::debug!(url = place.url, %error, "it is not to be had there");
                }
            }
        }
        Err(verdict)
    }

    /// The parsed table of an index that is in the store.
    pub(crate) async fn table(self: &Arc<Self>, object: Object, path: String) -> Result<Arc<FileTable>, Refused> {
        if let Some(table) = unpoisoned(&self.parsed).get(&object.sha256) {
            return Ok(Arc::clone(table));
        }
        let archive = Arc::clone(self);
        let sha256 = object.sha256;
        let parsing = move || {
            async move {
                let loaded = tokio::task::spawn_blocking(move || load_table(&object.path, &path)).await;
                let table = loaded.map_err(|error| Refused::new(RefusalKind::Internal, error.to_string()))??;
                let table = Arc::new(table);
                unpoisoned(&archive.parsed).insert(sha256, Arc::clone(&table));
                Ok(table)
            }
            .boxed()
        };
        self.tables.join(sha256, parsing).await
    }
}

fn load_table(object: &Path, path: &str) -> Result<FileTable, Refused> {
    let started = std::time::Instant::now();
    let table = FileTable::load(object, path).map_err(|error| {
        Refused::new(
            RefusalKind::Unverified,
            format!("the index {path} can't be parsed: {error}"),
        )
    })?;
    tracing::debug!(path, elapsed = ?started.elapsed(), "parsed an index");
    Ok(table)
}

/// Work under way by key: who asks for a key that is being worked on waits for the same result. The work goes on for
/// as long as anybody waits, and stops when nobody does.
pub(crate) struct Flights<K, T, E> {
    #[expect(clippy::type_complexity, reason = "named nowhere else")]
    under_way: Mutex<HashMap<K, WeakShared<BoxFuture<'static, Result<T, E>>>>>,
}

impl<K, T, E> Default for Flights<K, T, E> {
    fn default() -> Self {
        Self {
            under_way: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash, T: Clone, E: Clone> Flights<K, T, E> {
    pub(crate) async fn join(&self, key: K, start: impl FnOnce() -> BoxFuture<'static, Result<T, E>>) -> Result<T, E> {
        let flight: Shared<_> = {
            let mut under_way = unpoisoned(&self.under_way);
            under_way.retain(|_, flight| flight.upgrade().is_some_and(|flight| flight.peek().is_none()));
            match under_way.get(&key).and_then(WeakShared::upgrade) {
                Some(flight) => flight,
                None => {
                    let flight = start().shared();
                    if let Some(weak) = flight.downgrade() {
                        under_way.insert(key, weak);
                    }
                    flight
                }
            }
        };
        flight.await
    }
}

/// A lock's value even after a panic elsewhere: all that is kept under locks here is replaced whole, never half.
pub(crate) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
