//! A session: what one guest may fetch, what it did fetch (the lock) and what it was refused. Clones share the
//! session, so that several streams of a guest are one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use preflight_debian::Keyring;

use crate::archive::{Archive, unpoisoned};
use crate::content::Object;
use crate::error::{ArchiveError, Refusal, RefusalKind, Refused};
use crate::fetch::ProgressCallback;
use crate::lock::{Lock, LockEntry};
use crate::places::Place;
use crate::state::{self, ArchiveStateId, SuiteRecord};
use crate::suite::{Origin, Suite};
use crate::ticket_repository::{GenerationId, TicketRepository};
use crate::url::CanonicalUrl;

/// The reserved host under which ticket repositories are served: `http://ticket.preflight.invalid/<path>/`.
pub const TICKET_HOST: &str = "ticket.preflight.invalid";

/// The reserved host under which repositories of other tickets are served: `http://mounted.preflight.invalid/<path>/`. They
/// say the same of themselves as the ticket's own, so that it is by the host that apt tells them apart.
pub const MOUNTED_HOST: &str = "mounted.preflight.invalid";

/// A guest can make refusals at will: further ones are counted, not kept.
const MOST_REFUSALS: usize = 1000;

/// Whether a session may use the host's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// What the store lacks is fetched.
    Allowed,
    /// Only what the store has is served.
    #[default]
    Forbidden,
}

/// An archive that the guest's apt sources name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The URL in the guest's sources, without `dists/…`. It is this one that locks and states name.
    pub guest_url: String,
    /// Where the daemon fetches instead (https, or a mirror that is near); the same URL where there is none.
    pub upstream: Option<String>,
    /// Who may sign this archive's release files; the archive's own keyrings where it is empty.
    pub keyrings: Vec<PathBuf>,
    /// Certificates in the place of keyrings: binary, or armored text.
    pub keys: Option<Vec<u8>>,
}

impl Mirror {
    /// A mirror that is fetched from the URL that the guest names, signed by the archive's keyrings.
    pub fn new(guest_url: impl Into<String>) -> Self {
        Self {
            guest_url: guest_url.into(),
            upstream: None,
            keyrings: Vec::new(),
            keys: None,
        }
    }
}

/// A ticket repository that the guest sees at `http://ticket.preflight.invalid/<path>/`, or below [`MOUNTED_HOST`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketMount {
    /// One segment or more, without slashes around it.
    pub path: String,
    /// The repository's folder.
    pub folder: PathBuf,
    /// The generation that is served for as long as the session lasts; where it is missing, the one that is current when
    /// the session starts.
    pub generation: Option<GenerationId>,
}

/// What a session may do.
#[derive(Clone, Default)]
pub struct SessionOptions {
    /// Whether the host's network may be used.
    pub network: Network,
    /// The archives that the guest may ask for; anything else is an attempt to use the network.
    pub mirrors: Vec<Mirror>,
    /// The state of the image that the guest runs: its suites are served as they were then.
    pub state: Option<ArchiveStateId>,
    /// The suites in the order in which a package that several list is said to be theirs: the URLs of their folders, as
    /// the guest spells them. Others come last.
    pub preferred: Vec<CanonicalUrl>,
    /// Ticket repositories.
    pub repositories: Vec<TicketMount>,
    /// Repositories of other tickets, below [`MOUNTED_HOST`].
    pub mounted: Vec<TicketMount>,
    /// The guest's Debian architecture; `amd64` where it is empty. Decides which index tells of an `_all.deb`.
    pub architecture: String,
    /// Is told of fetches. Sessions that wait for a fetch which another one started hear nothing.
    pub progress: Option<ProgressCallback>,
    /// Serve this lock's files, and ticket repositories, and nothing else (a replay): the session starts sealed to it.
    pub replay: Option<Lock>,
}

/// Bytes that a session moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transferred {
    /// Bodies sent to the guest.
    pub served_bytes: u64,
    /// Requests answered with content.
    pub requests: u64,
}

/// A handle on a session.
#[derive(Clone)]
pub struct Session {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) archive: Archive,
    pub(crate) network: Network,
    pub(crate) architecture: String,
    pub(crate) progress: Option<ProgressCallback>,
    pub(crate) mirrors: Vec<KnownMirror>,
    pub(crate) repositories: Vec<(CanonicalUrl, PathBuf)>,
    pub(crate) state: BTreeMap<CanonicalUrl, SuiteRecord>,
    preferred: Vec<CanonicalUrl>,
    /// Suites that this session has used; the first sight of one holds for the session.
    pub(crate) suites: tokio::sync::Mutex<BTreeMap<CanonicalUrl, Arc<Suite>>>,
    pub(crate) ticket_objects: Mutex<BTreeMap<CanonicalUrl, Object>>,
    pub(crate) replay: Option<Lock>,
    fetched: Mutex<Lock>,
    refusals: Mutex<(Vec<Refusal>, u64)>,
    sealed: AtomicBool,
    served: AtomicU64,
    requests: AtomicU64,
}

impl Inner {
    /// How far a suite stands back where several list a package.
    pub(crate) fn rank(&self, folder: &CanonicalUrl) -> usize {
        let place = self.preferred.iter().position(|preferred| preferred == folder);
        place.unwrap_or(self.preferred.len())
    }
}

/// A mirror with its URLs parsed and its keys loaded.
pub(crate) struct KnownMirror {
    pub(crate) base: CanonicalUrl,
    pub(crate) upstream: String,
    pub(crate) keyring: Keyring,
}

impl KnownMirror {
    pub(crate) fn of(archive: &Archive, mirror: &Mirror) -> Result<Self, ArchiveError> {
        let keyring = match &mirror.keys {
            Some(keys) => Keyring::parse(keys)?,
            None if mirror.keyrings.is_empty() => archive.inner.keyring.clone(),
            None => Keyring::load(&mirror.keyrings)?,
        };
        let upstream = mirror.upstream.as_ref().unwrap_or(&mirror.guest_url);
        Ok(Self {
            base: mirror.guest_url.parse()?,
            upstream: upstream.trim_end_matches('/').to_owned(),
            keyring,
        })
    }

    /// The URLs by which this archive may be known to people: the guests', and the mirror's own.
    pub(crate) fn names(&self) -> Vec<CanonicalUrl> {
        let upstream = self.upstream.parse().ok();
        [Some(self.base.clone()), upstream].into_iter().flatten().collect()
    }

    /// Where a file of this mirror is fetched.
    pub(crate) fn place(&self, url: &CanonicalUrl) -> Option<Place> {
        Some(Place::mirror(format!("{}/{}", self.upstream, url.below(&self.base)?)))
    }

    /// Where a suite of this mirror is fetched, and who may sign it.
    pub(crate) fn origin_of(&self, folder: &CanonicalUrl) -> Origin {
        let path = folder.below(&self.base).unwrap_or_default();
        let upstream = if path.is_empty() {
            self.upstream.clone()
        } else {
            format!("{}/{path}", self.upstream)
        };
        Origin {
            upstream,
            keyring: self.keyring.clone(),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.inner;
        f.debug_struct("Session")
            .field("network", &inner.network)
            .field("sealed", &inner.sealed)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn start(archive: Archive, options: SessionOptions) -> Result<Self, ArchiveError> {
        let mut mirrors = Vec::new();
        for mirror in &options.mirrors {
            mirrors.push(KnownMirror::of(&archive, mirror)?);
        }
        // The longest first, so that an archive below another one's URL is found.
        mirrors.sort_by_key(|mirror| std::cmp::Reverse(mirror.base.as_str().len()));
        let mut repositories = Vec::new();
        let own = options.repositories.iter().map(|mount| (TICKET_HOST, mount));
        let others = options.mounted.iter().map(|mount| (MOUNTED_HOST, mount));
        for (host, mount) in own.chain(others) {
            let url: CanonicalUrl = format!("http://{host}/{}", mount.path).parse()?;
            repositories.push((url, TicketRepository::at(&mount.folder).mounted(mount.generation)?));
        }
        let state = match options.state {
            Some(id) => state::load(&archive.inner.store, id)?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                archive,
                network: options.network,
                architecture: if options.architecture.is_empty() {
                    "amd64".to_owned()
                } else {
                    options.architecture
                },
                progress: options.progress,
                mirrors,
                repositories,
                state,
                preferred: options.preferred,
                suites: tokio::sync::Mutex::default(),
                ticket_objects: Mutex::default(),
                sealed: AtomicBool::new(false),
                replay: options.replay,
                fetched: Mutex::default(),
                refusals: Mutex::default(),
                served: AtomicU64::new(0),
                requests: AtomicU64::new(0),
            }),
        })
    }

    /// From now on, only what this session has already fetched is served: in a replay, too, no file comes before its time.
    pub fn seal(&self) {
        self.inner.sealed.store(true, Ordering::SeqCst);
    }

    /// The same, where the lock is also of what was fetched before this session: for what its guest goes on from.
    pub fn seal_to(&self, lock: Lock) {
        {
            let mut fetched = unpoisoned(&self.inner.fetched);
            *fetched = std::mem::take(&mut *fetched).merged(lock);
        }
        self.seal();
    }

    /// Whether nothing is served any more but what was fetched before.
    pub(crate) fn is_sealed(&self) -> bool {
        self.inner.sealed.load(Ordering::SeqCst)
    }

    /// All that was fetched so far.
    #[must_use]
    pub fn lock(&self) -> Lock {
        unpoisoned(&self.inner.fetched).clone()
    }

    /// What was refused so far, oldest first; at most 1000 of them.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        unpoisoned(&self.inner.refusals).0.clone()
    }

    /// How many requests were refused in all.
    #[must_use]
    pub fn refusal_count(&self) -> u64 {
        unpoisoned(&self.inner.refusals).1
    }

    /// Bytes and requests so far.
    #[must_use]
    pub fn transferred(&self) -> Transferred {
        Transferred {
            served_bytes: self.inner.served.load(Ordering::Relaxed),
            requests: self.inner.requests.load(Ordering::Relaxed),
        }
    }

    /// The state that this session has worked with: the suites of the state that it was given and those that it has
    /// taken since. Stored, so that later sessions can be given it.
    pub async fn state(&self) -> Result<ArchiveStateId, ArchiveError> {
        let mut suites = self.inner.state.clone();
        suites.extend(
            self.inner
                .suites
                .lock()
                .await
                .iter()
                .map(|(url, suite)| (url.clone(), suite.record())),
        );
        state::store(&self.inner.archive.inner.store, &suites)
    }

    /// Fetches a file for the host itself, under the same rules and into the same lock.
    pub async fn get(&self, url: &str) -> Result<Object, Refusal> {
        self.answer("GET", url).await.map(|found| found.object)
    }

    /// What the lock of this session, or the one that it replays, says of a URL.
    pub(crate) fn locked(&self, url: &CanonicalUrl) -> Option<LockEntry> {
        let fetched = unpoisoned(&self.inner.fetched).get(url).cloned();
        let replayed = self.inner.replay.as_ref().filter(|_| !self.is_sealed());
        fetched.or_else(|| replayed?.get(url).cloned())
    }

    pub(crate) fn record(&self, entry: LockEntry) {
        unpoisoned(&self.inner.fetched).insert(entry);
    }

    pub(crate) fn count_served(&self, bytes: u64) {
        self.inner.served.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn count_request(&self) {
        self.inner.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes a refusal and keeps it. That an archive lacks a file is no finding: apt asks for what may not exist. Who
    /// lacks the password is not this session's client.
    pub(crate) fn refuse(&self, method: &str, url: &str, refused: Refused) -> Refusal {
        let refusal = Refusal {
            url: url.chars().take(4096).collect(),
            method: method.chars().take(32).collect(),
            kind: refused.kind,
            reason: refused
                .reason
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(1000)
                .collect(),
            at: SystemTime::now(),
        };
        if !matches!(refusal.kind, RefusalKind::NotFound | RefusalKind::Unauthorised) {
            tracing::info!(url = refusal.url, reason = refusal.reason, "refused a request");
            let mut refusals = unpoisoned(&self.inner.refusals);
            refusals.1 += 1;
            if refusals.0.len() < MOST_REFUSALS {
                refusals.0.push(refusal.clone());
            }
        }
        refusal
    }
}
