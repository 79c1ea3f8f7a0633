//! Getting content whose digest is known: from the store, from a package cache of the host's, from the mirror, or from a
//! snapshot service. What may be asked for is decided elsewhere.

use crate::content::Object;
use crate::error::{RefusalKind, Refused};
use crate::places::{Place, adopt};
use crate::release::Listed;
use crate::session::{KnownMirror, Network, Session};
use crate::suite::refused;
use crate::url::CanonicalUrl;

impl Session {
    /// The verified object, at the first of these URLs of the mirror that has it; the last one is its name.
    pub(crate) async fn obtain(
        &self,
        mirror: &KnownMirror,
        urls: &[CanonicalUrl],
        wanted: Listed,
    ) -> Result<Object, Refused> {
        let archive = &self.inner.archive.inner;
        let stored = archive.store.get(wanted.sha256);
        if let Some(object) = stored.map_err(|error| Refused::store(&error))? {
            return Ok(object);
        }
        let Some(url) = urls.last() else {
            return Err(Refused::new(RefusalKind::Malformed, "there is no URL to ask"));
        };
        if let Some(object) = self.held_by_host(url, wanted).await {
            return Ok(object);
        }
        if self.inner.network == Network::Forbidden {
            return Err(not_stored(url));
        }
        let places = self.places(mirror, urls).await;
        let fetched = archive.fetch(places, wanted, self.inner.progress.clone()).await;
        fetched.map_err(|error| refused(url, &error))
    }

    /// Where to ask, in this order.
    async fn places(&self, mirror: &KnownMirror, urls: &[CanonicalUrl]) -> Vec<Place> {
        let at_mirror: Vec<Place> = urls.iter().filter_map(|url| mirror.place(url)).collect();
        let archive = &self.inner.archive.inner;
        let mut places = archive.cached(at_mirror);
        let names = mirror.names();
        let services = archive.places.services_of(&names);
        if services.clone().next().is_none() {
            return places;
        }
        let suites = self.suites_of(mirror).await.unwrap_or_default();
        let Some(moment) = suites.iter().filter_map(|suite| suite.release.date).max() else {
            return places;
        };
        for path in urls.iter().filter_map(|url| url.below(&mirror.base)) {
            places.extend(services.clone().flat_map(|service| service.places(moment, path)));
        }
        places
    }

    /// The same for a package that a signed index lists: where nobody has it any more, that is said.
    pub(crate) async fn obtain_package(
        &self,
        mirror: &KnownMirror,
        url: &CanonicalUrl,
        wanted: Listed,
    ) -> Result<Object, Refused> {
        let obtained = self.obtain(mirror, std::slice::from_ref(url), wanted).await;
        obtained.map_err(|refused| match refused.kind {
            RefusalKind::NotFound => self.gone(mirror, url),
            _ => refused,
        })
    }

    fn gone(&self, mirror: &KnownMirror, url: &CanonicalUrl) -> Refused {
        let names = mirror.names();
        let services = self.inner.archive.inner.places.services_of(&names).count();
        let base = mirror.base.as_str();
        let reason = match services {
            0 => format!(
                "{url}: the mirror no longer has this file, and no snapshot service is configured for {base} (archive.snapshot_services)"
            ),
            _ => format!("{url}: the mirror no longer has this file, nor has the snapshot service of {base}"),
        };
        Refused::new(RefusalKind::Gone, reason)
    }

    /// A package that the host has downloaded for itself.
    async fn held_by_host(&self, url: &CanonicalUrl, wanted: Listed) -> Option<Object> {
        let name = url.split_last().map(|(_, name)| crate::url::decoded(name))?;
        if self.inner.archive.inner.places.package_folders.is_empty() || !name.ends_with(".deb") {
            return None;
        }
        let session = self.clone();
        let adopting = tokio::task::spawn_blocking(move || session.adopt_package(&name, wanted));
        adopting.await.ok()?
    }

    fn adopt_package(&self, name: &str, wanted: Listed) -> Option<Object> {
        let archive = &self.inner.archive.inner;
        archive.places.package_folders.iter().find_map(|folder| {
            let adopted = adopt(folder, name, wanted, &archive.store);
            // The network may still have it.
            adopted
                .inspect_err(
                    |error| tracing::warn!(folder = %folder.display(), name, %error, "a package can't be copied"),
                )
                .ok()?
        })
    }
}

pub(crate) fn not_stored(url: &CanonicalUrl) -> Refused {
    Refused::new(
        RefusalKind::NetworkForbidden,
        format!("{url} is not in the store and the network is off: run the check once with the network on"),
    )
}
