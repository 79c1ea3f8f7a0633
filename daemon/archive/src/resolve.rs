//! From a requested URL to verified content: the lock first, then the ticket repositories, then release files,
//! indices and packages, each vouched for by the one before it.

use std::sync::Arc;
use std::time::SystemTime;

use crate::archive::unpoisoned;
use crate::content::Object;
use crate::error::{Refusal, RefusalKind, Refused};
use crate::lock::{LockEntry, LockKind};
use crate::obtain::not_stored;
use crate::release::{Index, Listed};
use crate::session::{KnownMirror, MOUNTED_HOST, Network, Session, TICKET_HOST};
use crate::suite::{DETACHED, INLINE, Suite};
use crate::url::{CanonicalUrl, decoded};

/// Content for a request.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) object: Object,
    /// None for what differs from one moment to the next without a date to tell by.
    pub(crate) modified: Option<SystemTime>,
}

/// What a URL means to a session.
struct Resolved {
    object: Object,
    kind: LockKind,
    /// The folder of the suite that lists it, where it is a package.
    origin: Option<CanonicalUrl>,
}

impl Resolved {
    fn new(object: Object, kind: LockKind) -> Self {
        Self {
            object,
            kind,
            origin: None,
        }
    }
}

impl Session {
    /// The content for a URL, recorded in the lock; or the refusal, recorded too.
    pub(crate) async fn answer(&self, method: &str, text: &str) -> Result<Found, Refusal> {
        let url: CanonicalUrl = match text.parse() {
            Ok(url) => url,
            Err(error) => {
                let error: crate::UrlError = error;
                return Err(self.refuse(method, text, Refused::new(RefusalKind::Malformed, error.to_string())));
            }
        };
        match self.resolve(&url).await {
            Ok(Resolved { object, kind, origin }) => {
                self.record(LockEntry {
                    url,
                    sha256: object.sha256,
                    size: object.size,
                    kind,
                    origin,
                });
                let modified = match kind {
                    // Two generations of a ticket repository may be of one second.
                    LockKind::Ticket => None,
                    _ => Some(modified(&object).map_err(|refused| self.refuse(method, text, refused))?),
                };
                Ok(Found { object, modified })
            }
            Err(refused) => Err(self.refuse(method, url.as_str(), refused)),
        }
    }

    async fn resolve(&self, url: &CanonicalUrl) -> Result<Resolved, Refused> {
        let store = &self.inner.archive.inner.store;
        let mirror = self
            .inner
            .mirrors
            .iter()
            .find(|mirror| url.below(&mirror.base).is_some());
        if let Some(entry) = self.locked(url) {
            let found = |object| Resolved {
                object,
                kind: entry.kind,
                origin: entry.origin.clone(),
            };
            if entry.kind == LockKind::Ticket {
                return self.ticket_file(url).await;
            }
            if let Some(object) = store.get(entry.sha256).map_err(|error| Refused::store(&error))? {
                return Ok(found(object));
            }
            // The store was cleared since the lock was made: the digest says what to fetch again.
            let wanted = Listed {
                sha256: entry.sha256,
                size: entry.size,
            };
            if let Some(mirror) = mirror {
                return self.obtain(mirror, std::slice::from_ref(url), wanted).await.map(found);
            }
        }
        if self.is_sealed() {
            return Err(Refused::new(
                RefusalKind::Sealed,
                format!(
                    "this testbed is sealed: {url} is not among what it fetched before; declare it as a dependency"
                ),
            ));
        }
        if [TICKET_HOST, MOUNTED_HOST].contains(&url.authority()) {
            return self.ticket_file(url).await;
        }
        if self.inner.replay.is_none() {
            return self.vouched_for(mirror, url).await;
        }
        // What the archive lacked when it was locked it lacks now: to ask for that is no attempt to fetch anything else.
        if self.inner.network == Network::Forbidden
            && let Err(refused) = self.vouched_for(mirror, url).await
            && refused.kind == RefusalKind::NotFound
        {
            return Err(refused);
        }
        Err(Refused::new(
            RefusalKind::Sealed,
            format!("this testbed replays a lock: {url} is not among the files that it names"),
        ))
    }

    /// What no lock names: from the mirror that the URL is of.
    async fn vouched_for(&self, mirror: Option<&KnownMirror>, url: &CanonicalUrl) -> Result<Resolved, Refused> {
        let Some(mirror) = mirror else {
            return Err(Refused::new(
                RefusalKind::NotAMirror,
                format!(
                    "no network in a testbed: {} is none of this image's package sources",
                    url.authority()
                ),
            ));
        };
        let name = url.split_last().map(|(_, name)| name.to_owned()).unwrap_or_default();
        if name == INLINE || DETACHED.contains(&name.as_str()) {
            return self
                .release_file(mirror, url, &name)
                .await
                .map(|object| Resolved::new(object, LockKind::Release));
        }
        let suites = self.suites_of(mirror).await?;
        for suite in &suites {
            let Some(path) = url.below(&suite.folder).map(decoded) else {
                continue;
            };
            // Indices of differences can't be served without their patches, which no release file lists.
            if path.ends_with(".diff/Index") {
                return Err(Refused::new(RefusalKind::NotFound, "index differences are not offered"));
            }
            if let Some(listed) = suite.release.find(&path) {
                let object = self.obtain(mirror, std::slice::from_ref(url), listed).await?;
                return Ok(Resolved::new(object, LockKind::Index));
            }
        }
        let path = url.below(&mirror.base).map(decoded).unwrap_or_default();
        if path.starts_with("dists/") {
            return Err(Refused::new(
                RefusalKind::NotFound,
                format!("{url}: no release file of this session lists it"),
            ));
        }
        if suites.is_empty() {
            return Err(Refused::new(
                RefusalKind::NotFound,
                format!("{url}: nothing is known of this archive yet; run apt-get update first"),
            ));
        }
        match self.find_package(mirror, &suites, &path).await? {
            Some((listed, origin)) => Ok(Resolved {
                object: self.obtain_package(mirror, url, listed).await?,
                kind: LockKind::Package,
                origin: Some(origin),
            }),
            None => Err(Refused::new(
                RefusalKind::NotFound,
                format!("{url}: no index of this archive lists it"),
            )),
        }
    }

    async fn release_file(&self, mirror: &KnownMirror, url: &CanonicalUrl, name: &str) -> Result<Object, Refused> {
        let Some((folder, _)) = url.split_last() else {
            return Err(Refused::new(RefusalKind::NotFound, format!("{url}: no such file")));
        };
        let known = self.inner.suites.lock().await.get(&folder).cloned();
        let suite = match known {
            Some(suite) => suite,
            None => {
                // Not under the lock: one archive that can't be reached must not hold up the others. Of two first
                // sights at once, one holds.
                let suite = self.first_sight(mirror, &folder).await?;
                Arc::clone(self.inner.suites.lock().await.entry(folder).or_insert(suite))
            }
        };
        match suite.files.get(name) {
            Some(object) => Ok(object.clone()),
            None => Err(Refused::new(
                RefusalKind::NotFound,
                format!("{url}: this archive signs in another way"),
            )),
        }
    }

    /// The suite by the state, by the network, or as it was last known.
    async fn first_sight(&self, mirror: &KnownMirror, folder: &CanonicalUrl) -> Result<Arc<Suite>, Refused> {
        let archive = &self.inner.archive.inner;
        if let Some(record) = self.inner.state.get(folder) {
            return archive.recorded_suite(record).map(Arc::new);
        }
        if self.inner.network == Network::Forbidden {
            return archive.head(folder)?.map(Arc::new).ok_or_else(|| not_stored(folder));
        }
        let origin = mirror.origin_of(folder);
        archive.take_suite(folder, origin, self.inner.progress.clone()).await
    }

    /// The suites of a mirror that may vouch for a file: those of the state and those seen in this session; in a
    /// session that has neither, those that were ever taken.
    pub(crate) async fn suites_of(&self, mirror: &KnownMirror) -> Result<Vec<Arc<Suite>>, Refused> {
        let archive = &self.inner.archive.inner;
        let mut known = self.inner.suites.lock().await;
        for (folder, record) in &self.inner.state {
            if folder.below(&mirror.base).is_some() && !known.contains_key(folder) {
                known.insert(folder.clone(), archive.recorded_suite(record).map(Arc::new)?);
            }
        }
        let suites: Vec<Arc<Suite>> = known
            .iter()
            .filter(|(folder, _)| folder.below(&mirror.base).is_some())
            .map(|(_, suite)| Arc::clone(suite))
            .collect();
        if suites.is_empty() {
            return Ok(archive.heads_below(&mirror.base).into_iter().map(Arc::new).collect());
        }
        Ok(suites)
    }

    /// Looks a package's file up in the indices: first in those that are here, then in those that must be fetched; each
    /// time in the order of preference. Answers with the folder of the suite that lists it, too.
    async fn find_package(
        &self,
        mirror: &KnownMirror,
        suites: &[Arc<Suite>],
        path: &str,
    ) -> Result<Option<(Listed, CanonicalUrl)>, Refused> {
        let archive = &self.inner.archive.inner;
        let mut missing = Vec::new();
        let mut suites: Vec<&Arc<Suite>> = suites.iter().collect();
        suites.sort_by_key(|suite| self.inner.rank(&suite.folder));
        for suite in suites {
            for index in self.candidates(suite, path) {
                let here = index
                    .variants
                    .iter()
                    .find_map(|(name, listed)| Some((name, archive.store.get(listed.sha256).ok()??)));
                match here {
                    Some((name, object)) => {
                        if let Some(listed) = archive.table(object, name.clone()).await?.find(path) {
                            return Ok(Some((listed, suite.folder.clone())));
                        }
                    }
                    None => missing.push((suite, index)),
                }
            }
        }
        if self.inner.network == Network::Forbidden {
            return Ok(None);
        }
        for (suite, index) in missing {
            let Some((name, listed)) = index.variants.first() else {
                continue;
            };
            let urls = suite.index_urls(name, *listed);
            let object = match self.obtain(mirror, &urls, *listed).await {
                Err(refused) if refused.kind == RefusalKind::NotFound => continue,
                other => other?,
            };
            if let Some(listed) = archive.table(object, name.clone()).await?.find(path) {
                return Ok(Some((listed, suite.folder.clone())));
            }
        }
        Ok(None)
    }

    /// The indices that can list `path`, by its component, its suffix and its architecture.
    fn candidates(&self, suite: &Suite, path: &str) -> Vec<Index> {
        let file = path.rsplit('/').next().unwrap_or(path);
        let stem = ["deb", "udeb", "ddeb"]
            .iter()
            .find_map(|suffix| file.strip_suffix(suffix)?.strip_suffix('.'));
        let architecture = stem.and_then(|stem| stem.rsplit('_').next());
        let component = path.strip_prefix("pool/").and_then(|rest| rest.split('/').next());
        let mut indices = suite.release.indices();
        indices.retain(|index| match stem {
            None => index.stem.ends_with("Sources"),
            Some(_) if !index.stem.contains("/binary-") => index.stem.ends_with("Packages"),
            Some(_) => {
                let listed = index
                    .stem
                    .split('/')
                    .find_map(|segment| segment.strip_prefix("binary-"));
                index.stem.ends_with("Packages")
                    && (listed == architecture
                        || (architecture == Some("all") && listed == Some(&self.inner.architecture)))
            }
        });
        let in_component: Vec<Index> = indices
            .iter()
            .filter(|index| component.is_some_and(|c| index.stem.split('/').next() == Some(c)))
            .cloned()
            .collect();
        if in_component.is_empty() { indices } else { in_component }
    }

    async fn ticket_file(&self, url: &CanonicalUrl) -> Result<Resolved, Refused> {
        if let Some(object) = unpoisoned(&self.inner.ticket_objects).get(url) {
            return Ok(Resolved::new(object.clone(), LockKind::Ticket));
        }
        let missing = || {
            Refused::new(
                RefusalKind::NotFound,
                format!("{url}: the ticket repository has no such file"),
            )
        };
        let found = self
            .inner
            .repositories
            .iter()
            .find_map(|(base, folder)| Some((url.below(base)?, folder)));
        let (path, folder) = found.ok_or_else(missing)?;
        let path = decoded(path);
        // A canonical URL has no `..`; its parts decoded once more must not bring it back.
        if path.is_empty() || path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(missing());
        }
        let path = folder.join(path);
        if !std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            return Err(missing());
        }
        let file = path.clone();
        let digested = tokio::task::spawn_blocking(move || preflight_debian::Sha256Digest::of_file(&file)).await;
        let (sha256, size) = digested
            .map_err(std::io::Error::other)
            .and_then(|result| result)
            .map_err(|error| Refused::store(&error))?;
        let object = Object { sha256, size, path };
        unpoisoned(&self.inner.ticket_objects).insert(url.clone(), object.clone());
        Ok(Resolved::new(object, LockKind::Ticket))
    }
}

/// When the store got the object: mirrors often send no Last-Modified, and apt wants one to ask again with.
fn modified(object: &Object) -> Result<SystemTime, Refused> {
    std::fs::metadata(&object.path)
        .and_then(|metadata| metadata.modified())
        .map_err(|error| Refused::store(&error))
}
