//! Suites with all the indices that were asked for: release files first, then what is missing of their indices, several
//! at a time. A suite that moves in between is taken again, since a release file without its indices is of no use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};

use crate::archive::{Archive, Inner};
use crate::error::{RefusalKind, Refused};
use crate::fetch::FetchError;
use crate::places::Place;
use crate::release::{Index, Listed, Release};
use crate::session::KnownMirror;
use crate::suite::{Suite, refused};
use crate::url::CanonicalUrl;

use super::error::SnapshotError;
use super::meter::Meter;
use super::record::{FileRole, SnapshotFile, SnapshotSuite};
use super::request::SuiteSpec;

/// Files at once; the fetcher has a limit of its own over all that the daemon does.
const PARALLEL: usize = 4;
/// How often a suite that moves under our hands is taken again.
const AGAIN: usize = 2;

/// A suite all of whose indices are in the store.
pub(crate) struct WholeSuite {
    mirror: Arc<KnownMirror>,
    spec: SuiteSpec,
    pub(crate) suite: Suite,
    indices: Vec<SnapshotFile>,
}

impl WholeSuite {
    /// What a snapshot says of it.
    pub(super) fn record(&self) -> SnapshotSuite {
        let release = |(name, object): (&String, &crate::content::Object)| SnapshotFile {
            path: name.clone(),
            role: FileRole::Release,
            sha256: object.sha256,
            size: object.size,
        };
        let mut files: Vec<SnapshotFile> = self.suite.files.iter().map(release).collect();
        files.extend(self.indices.iter().cloned());
        files.sort_unstable();
        SnapshotSuite {
            folder: self.suite.folder.clone(),
            suite: self.spec.suite.clone(),
            components: self.spec.components.clone(),
            date: self.suite.release.date.map(Into::into),
            files,
        }
    }

    /// Takes the release file, judges it, and finds the indices that are wanted of it.
    async fn take(
        archive: Arc<Inner>,
        mirror: Arc<KnownMirror>,
        spec: SuiteSpec,
        architecture: String,
        meter: Meter,
    ) -> Result<Self, SnapshotError> {
        let folder = mirror.base.join(&spec.folder());
        let suite = archive
            .judged_suite(&folder, &mirror.origin_of(&folder), Some(&meter.bystander()))
            .await?;
        let indices = wanted(&suite.release, &folder, &spec, &architecture)?;
        Ok(Self {
            mirror,
            spec,
            suite,
            indices,
        })
    }

    fn places(&self, index: &SnapshotFile) -> Vec<Place> {
        let listed = Listed {
            sha256: index.sha256,
            size: index.size,
        };
        let urls = self.suite.index_urls(&index.path, listed);
        urls.iter().filter_map(|url| self.mirror.place(url)).collect()
    }
}

/// Suites whole, and what there was none of.
pub(crate) struct Taken {
    /// In the order of their folders' URLs.
    pub(crate) suites: Vec<WholeSuite>,
    /// The folders of suites that their mirrors do not have and need not have.
    pub(crate) absent: Vec<CanonicalUrl>,
}

/// Takes all of them. A folder that is named twice is one suite.
pub(crate) async fn take_whole(
    archive: &Archive,
    specs: &[SuiteSpec],
    architecture: &str,
    meter: &Meter,
) -> Result<Taken, SnapshotError> {
    let inner = &archive.inner;
    let take = |mirror: &Arc<KnownMirror>, spec: &SuiteSpec| {
        WholeSuite::take(
            Arc::clone(inner),
            Arc::clone(mirror),
            spec.clone(),
            architecture.to_owned(),
            meter.clone(),
        )
    };
    let mut by_folder: BTreeMap<CanonicalUrl, (Arc<KnownMirror>, SuiteSpec)> = BTreeMap::new();
    for spec in specs {
        let mirror = KnownMirror::of(archive, &spec.mirror)?;
        let (_, merged) = by_folder
            .entry(mirror.base.join(&spec.folder()))
            .or_insert_with(|| (Arc::new(mirror), spec.clone()));
        merged.components.extend(spec.components.iter().cloned());
        merged.components.sort_unstable();
        merged.components.dedup();
        merged.optional &= spec.optional;
    }
    let taking: Vec<_> = by_folder
        .iter()
        .map(|(folder, (mirror, spec))| {
            let taking = take(mirror, spec);
            async move {
                match taking.await {
                    // Its release file is asked for first, and whatever else is wrong is another kind.
                    Err(SnapshotError::Suite {
                        kind: RefusalKind::NotFound,
                        ..
                    }) if spec.optional => Ok(Err(folder.clone())),
                    taken => taken.map(Ok),
                }
            }
            .boxed()
        })
        .collect();
    let taken: Vec<Result<WholeSuite, CanonicalUrl>> = stream::iter(taking).buffered(PARALLEL).try_collect().await?;
    let (mut suites, mut absent) = (Vec::new(), Vec::new());
    for suite in taken {
        match suite {
            Ok(suite) => suites.push(suite),
            Err(folder) => absent.push(folder),
        }
    }
    for attempt in 0.. {
        let missing = missing(inner, &suites)?;
        if missing.is_empty() {
            break;
        }
        if attempt > AGAIN {
            let reason = "indices vanish from the store as soon as they are fetched: give the store more room";
            return Err(Refused::new(RefusalKind::Internal, reason).into());
        }
        for (at, gone) in fetch(inner, &suites, missing, meter).await? {
            let Some(suite) = suites.get_mut(at) else { continue };
            if attempt == AGAIN {
                return Err(gone.into());
            }
            let again = take(&suite.mirror, &suite.spec).await?;
            // A release file that still stands lists what the mirror does not have: asking once more changes nothing.
            if again.suite.record() == suite.suite.record() {
                return Err(gone.into());
            }
            tracing::info!(folder = %suite.suite.folder, "a suite moved while its indices were fetched; it is taken again");
            *suite = again;
        }
    }
    Ok(Taken { suites, absent })
}

/// What the store lacks: the suite's place, the index.
fn missing(inner: &Inner, suites: &[WholeSuite]) -> Result<Vec<(usize, SnapshotFile)>, Refused> {
    let mut missing = Vec::new();
    let mut asked = BTreeSet::new();
    for (at, suite) in suites.iter().enumerate() {
        for index in &suite.indices {
            let here = inner.store.get(index.sha256).map_err(|error| Refused::store(&error))?;
            if here.is_none() && asked.insert(index.sha256) {
                missing.push((at, index.clone()));
            }
        }
    }
    Ok(missing)
}

/// Fetches indices. Those whose content the mirror no longer has are no failure yet: one for each suite that has some.
async fn fetch(
    inner: &Arc<Inner>,
    suites: &[WholeSuite],
    missing: Vec<(usize, SnapshotFile)>,
    meter: &Meter,
) -> Result<Vec<(usize, Refused)>, Refused> {
    let listed = |index: &SnapshotFile| Listed {
        sha256: index.sha256,
        size: index.size,
    };
    meter.expect(missing.iter().map(|(_, index)| listed(index)));
    let mut fetches = Vec::new();
    for (at, index) in missing {
        let Some(suite) = suites.get(at) else { continue };
        let (inner, meter, places) = (Arc::clone(inner), meter.clone(), inner.cached(suite.places(&index)));
        let url = suite.suite.folder.join(&index.path);
        fetches.push(
            async move {
                let fetched = inner
                    .fetch(places, listed(&index), Some(meter.listener(index.sha256)))
                    .await;
                let fetched = fetched.map(|object| meter.finished(object.sha256, url.to_string()));
                (at, url, fetched)
            }
            .boxed(),
        );
    }
    let mut gone: Vec<(usize, Refused)> = Vec::new();
    let mut ended = stream::iter(fetches).buffer_unordered(PARALLEL);
    while let Some((at, url, fetched)) = ended.next().await {
        match fetched {
            Ok(()) => {}
            // Where there is no by-hash, the next suite's index stands in the place of this one's.
            Err(error @ (FetchError::NotFound | FetchError::Wrong(_))) => {
                if !gone.iter().any(|(other, _)| *other == at) {
                    gone.push((at, refused(&url, &error)));
                }
            }
            Err(error) => return Err(refused(&url, &error)),
        }
    }
    Ok(gone)
}

/// The indices of a release file that a snapshot takes: the variant that apt asks for first.
fn wanted(
    release: &Release,
    folder: &CanonicalUrl,
    spec: &SuiteSpec,
    architecture: &str,
) -> Result<Vec<SnapshotFile>, SnapshotError> {
    let offered = release.indices();
    let find = |stem: &str, role: FileRole| {
        let index = offered.iter().find(|index| index.stem == stem)?;
        let (path, listed) = index.variants.first()?;
        Some(SnapshotFile {
            path: path.clone(),
            role,
            sha256: listed.sha256,
            size: listed.size,
        })
    };
    let none = String::new();
    let components: Vec<&String> = if spec.is_flat() {
        vec![&none]
    } else {
        spec.components.iter().collect()
    };
    let mut wanted = Vec::new();
    for component in components {
        let at = |place: &str| {
            if spec.is_flat() {
                place.rsplit('/').next().unwrap_or(place).to_owned()
            } else {
                format!("{component}/{place}")
            }
        };
        let packages = find(
            &at(&format!("binary-{architecture}/Packages")),
            FileRole::Packages(component.clone()),
        );
        let of_all = if spec.is_flat() {
            None
        } else {
            find(&at("binary-all/Packages"), FileRole::Packages(component.clone()))
        };
        if packages.is_none() && of_all.is_none() {
            return Err(SnapshotError::NoSuchComponent {
                suite: folder.to_string(),
                component: if spec.is_flat() {
                    "(none)".to_owned()
                } else {
                    component.clone()
                },
                architecture: architecture.to_owned(),
                offered: offer(&offered, architecture),
            });
        }
        let sources = find(&at("source/Sources"), FileRole::Sources(component.clone()));
        wanted.extend([packages, of_all, sources].into_iter().flatten());
    }
    Ok(wanted)
}

/// What a release file lists, in few words: components that have this architecture, or else what there is.
fn offer(indices: &[Index], architecture: &str) -> String {
    const MOST: usize = 20;
    let folders_of = |suffix: &str| -> BTreeSet<&str> {
        let folders = indices.iter().filter_map(|index| index.stem.strip_suffix(suffix));
        folders.take(MOST).collect()
    };
    let components = folders_of(&format!("/binary-{architecture}/Packages"));
    let folders = if components.is_empty() {
        folders_of("/Packages")
    } else {
        components
    };
    if folders.is_empty() {
        "none at all".to_owned()
    } else {
        folders.into_iter().collect::<Vec<_>>().join(", ")
    }
}
