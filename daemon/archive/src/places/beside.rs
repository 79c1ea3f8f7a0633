//! All places beside the mirrors, and in which order they are asked: the host's caches before a mirror, a snapshot
//! service after it. They are the host's, not a session's: every fetch of the archive goes by them.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::host_cache::HostCache;
use super::host_proxy::HostProxy;
use super::place::{Place, PlaceKind};
use super::service::SnapshotService;
use crate::error::ArchiveError;
use crate::fetch::Fetcher;
use crate::url::CanonicalUrl;

/// Where content is found beside the mirrors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Package caches that the host has, used before the network.
    pub host_caches: Vec<HostCache>,
    /// Who is asked for what a mirror no longer has: the archive's URL, as the guests' sources or the mirror have it,
    /// and its service.
    pub snapshot_services: Vec<(CanonicalUrl, SnapshotService)>,
}

/// The same with clients.
#[derive(Debug, Default)]
pub(crate) struct KnownPlaces {
    /// Folders that hold packages already.
    pub(crate) package_folders: Vec<PathBuf>,
    proxies: Vec<Arc<HostProxy>>,
    services: Vec<(CanonicalUrl, SnapshotService)>,
}

impl KnownPlaces {
    pub(crate) fn open(places: Places, fetcher: &Fetcher) -> Result<Self, ArchiveError> {
        let mut known = Self {
            services: places.snapshot_services,
            ..Self::default()
        };
        for cache in places.host_caches {
            match cache {
                HostCache::AptArchives(folder) => known.package_folders.push(folder),
                HostCache::Proxy(url) => known.proxies.push(Arc::new(fetcher.proxy(&url)?)),
            }
        }
        Ok(known)
    }

    /// These places of a mirror, after the caches that may have their content. `private` are those that need a password,
    /// which no cache is told.
    pub(crate) fn after_caches(&self, at_mirror: Vec<Place>, private: impl Fn(&str) -> bool) -> Vec<Place> {
        let first = at_mirror.first().filter(|place| !private(&place.url));
        let in_caches = first.into_iter().flat_map(|place| {
            // What it holds is verified, so it may come in the clear; a tunnel would go past the cache.
            let url = place.url.replacen("https://", "http://", 1);
            self.proxies.iter().map(move |proxy| Place {
                url: url.clone(),
                kind: PlaceKind::Cache(Arc::clone(proxy)),
            })
        });
        let mut places: Vec<Place> = in_caches.collect();
        places.extend(at_mirror);
        places
    }

    /// The snapshot services of an archive that goes by any of these URLs.
    pub(crate) fn services_of<'a>(
        &'a self,
        names: &'a [CanonicalUrl],
    ) -> impl Iterator<Item = &'a SnapshotService> + Clone {
        let of_archive = self.services.iter().filter(|(archive, _)| names.contains(archive));
        of_archive.map(|(_, service)| service)
    }
}

impl SnapshotService {
    /// Where it may have the file of that path.
    pub(crate) fn places(&self, moment: Timestamp, path: &str) -> impl Iterator<Item = Place> + use<> {
        let urls = self.urls(moment, path).into_iter();
        urls.map(|url| Place {
            url,
            kind: PlaceKind::Service,
        })
    }
}
