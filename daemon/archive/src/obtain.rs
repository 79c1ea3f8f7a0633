//! Getting content whose digest is known: from the store, from a package cache of the host's, from the mirror, or from a
//! snapshot service. What may be asked for is decided elsewhere.

use crate::content::Object;
use crate::error::{RefusalKind, Refused};
use crate::fetch::FetchError;
use crate::places::{Place, PlaceKind, adopt};
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
        fetched.map_err(|error| match error {
            FetchError::NotFound if !self.inner.fallbacks.is_empty() => Refused::new(
                RefusalKind::NotFound,
                format!("{url}: the mirror no longer has this file, nor has a snapshot service"),
            ),
            error => refused(url, &error),
        })
    }

    /// Where to ask, in this order.
    async fn places(&self, mirror: &KnownMirror, urls: &[CanonicalUrl]) -> Vec<Place> {
        let at_mirror: Vec<Place> = urls.iter().filter_map(|url| mirror.place(url)).collect();
        let mut places = Vec::new();
        for proxy in &self.inner.proxies {
            places.extend(at_mirror.first().map(|place| Place {
                // What it holds is verified, so it may come in the clear; a tunnel would go past the cache.
                url: place.url.replacen("https://", "http://", 1),
                kind: PlaceKind::Cache(proxy.clone()),
            }));
        }
        places.extend(at_mirror);
        if self.inner.fallbacks.is_empty() {
            return places;
        }
        let suites = self.suites_of(mirror).await.unwrap_or_default();
        let Some(moment) = suites.iter().filter_map(|suite| suite.release.date).max() else {
            return places;
        };
        for path in urls.iter().filter_map(|url| url.below(&mirror.base)) {
            for service in &self.inner.fallbacks {
                let urls = service.urls(moment, path).into_iter();
                places.extend(urls.map(|url| Place {
                    url,
                    kind: PlaceKind::Service,
                }));
            }
        }
        places
    }

    /// A package that the host has downloaded for itself.
    async fn held_by_host(&self, url: &CanonicalUrl, wanted: Listed) -> Option<Object> {
        let name = url.split_last().map(|(_, name)| crate::url::decoded(name))?;
        if self.inner.package_folders.is_empty() || !name.ends_with(".deb") {
            return None;
        }
        let session = self.clone();
        let adopting = tokio::task::spawn_blocking(move || session.adopt_package(&name, wanted));
        adopting.await.ok()?
    }

    fn adopt_package(&self, name: &str, wanted: Listed) -> Option<Object> {
        let store = &self.inner.archive.inner.store;
        self.inner.package_folders.iter().find_map(|folder| {
            let adopted = adopt(folder, name, wanted, store);
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
