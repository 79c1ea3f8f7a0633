//! A PPA taken as it is now: its release file is judged, all indices that its components and an architecture need are
//! fetched by digest, and both become an archive state. A PPA that does not hold together is refused whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::archive::{Archive, Inner};
use crate::content::Object;
use crate::error::{ArchiveError, RefusalKind, Refused};
use crate::fetch::ProgressCallback;
use crate::places::Place;
use crate::ppa::credentials::{Credentials, CredentialsError};
use crate::ppa::definition::{Ppa, PpaUri};
use crate::ppa::labels::SuiteLabels;
use crate::ppa::package_list::{self, PpaPackage};
use crate::ppa::refusal::{PpaRefusal, PpaRefusalKind};
use crate::release::Index;
use crate::state::{self, ArchiveStateId, SuiteRecord};
use crate::suite::{Origin, Suite, refused};
use crate::url::CanonicalUrl;

/// Indices of one PPA that are fetched at once.
const PARALLEL: usize = 4;
/// How often the release file is taken again when the PPA moves on while its indices are fetched.
const MOVES: usize = 2;

/// A PPA at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PpaState {
    /// Its release files; the store has them and all its indices.
    pub state: ArchiveStateId,
    /// The suite that was taken, as apt's sources name it.
    pub suite: String,
    /// When it was published, by its own word.
    pub date: Option<SystemTime>,
    /// What it calls itself.
    pub labels: SuiteLabels,
    /// Its binary packages for the architecture, sorted.
    pub packages: Vec<PpaPackage>,
}

/// An index that is to be fetched.
struct Wanted {
    index: Index,
    component: String,
}

impl Archive {
    /// What is sent with requests to the repository at `uri` from now on: kept in memory only, shared by all clones, and
    /// never part of a mirror, a lock, a state or an error.
    pub fn set_credentials(&self, uri: &PpaUri, credentials: Option<Credentials>) -> Result<(), CredentialsError> {
        self.inner.fetcher.credentials.set(uri, credentials)
    }

    /// Takes the PPA's suite for a series and all that an architecture needs of it into the store. The PPA is asked
    /// itself: what was known before is not an answer. A private one needs [`Archive::set_credentials`] first.
    pub async fn refresh_ppa(
        &self,
        ppa: &Ppa,
        code_name: &str,
        architecture: &str,
        progress: Option<ProgressCallback>,
    ) -> Result<PpaState, PpaRefusal> {
        let refuse = |kind, reason: String| PpaRefusal::new(&ppa.name, kind, reason);
        let definition = |reason: String| refuse(PpaRefusalKind::Definition, reason);
        let of_suite = |refused: Refused| PpaRefusal::of_suite(&ppa.name, &refused);
        if !ppa.architectures.is_empty() && !ppa.architectures.iter().any(|known| known == architecture) {
            let reason = format!(
                "it is for {} only, not for {architecture}",
                ppa.architectures.join(", ")
            );
            return Err(refuse(PpaRefusalKind::NoSuchArchitecture, reason));
        }
        let name = ppa
            .suite
            .expand(code_name)
            .map_err(|error| definition(error.to_string()))?;
        let keyring = ppa.keys.keyring().map_err(|error| definition(error.to_string()))?;
        let folder = match ppa.suite.is_flat() {
            true => ppa.uri.guest_url().join(&name),
            false => ppa.uri.guest_url().join("dists").join(&name),
        };
        let origin = Origin {
            upstream: upstream(&ppa.uri, &folder),
            keyring,
        };
        let mut moves = 0;
        let mut before: Option<SuiteRecord> = None;
        let (suite, indices) = loop {
            let taken = self.inner.judged_suite(&folder, &origin, progress.as_ref()).await;
            let suite = taken.map_err(of_suite)?;
            let wanted = wanted_indices(&suite, ppa, architecture).map_err(|(kind, reason)| refuse(kind, reason))?;
            let refused = match self
                .inner
                .fetch_indices(&ppa.uri, &suite, wanted, progress.as_ref())
                .await
            {
                Ok(indices) => break (suite, indices),
                Err(refused) => refused,
            };
            // It may have moved on between its release file and its indices; one that stands still will not mend.
            let gone = matches!(refused.kind, RefusalKind::NotFound | RefusalKind::Unverified);
            let record = suite.record();
            if gone && moves < MOVES && before.as_ref() != Some(&record) {
                before = Some(record);
                moves += 1;
                continue;
            }
            if refused.kind == RefusalKind::NotFound {
                let reason = format!(
                    "its release file lists what its server does not have: {}",
                    refused.reason
                );
                return Err(refuse(PpaRefusalKind::Upstream, reason));
            }
            return Err(of_suite(refused));
        };
        let packages = list_packages(indices).await.map_err(of_suite)?;
        let signed = self
            .inner
            .signed_text(&suite.files)
            .map_err(of_suite)?
            .unwrap_or_default();
        let internal = |error: ArchiveError| refuse(PpaRefusalKind::Internal, error.to_string());
        let suites = BTreeMap::from([(folder, suite.record())]);
        let state = state::store(&self.inner.store, &suites).map_err(internal)?;
        self.inner
            .advance_head(&suite)
            .map_err(ArchiveError::io(&self.inner.heads))
            .map_err(internal)?;
        Ok(PpaState {
            state,
            suite: name,
            date: suite.release.date.map(SystemTime::from),
            labels: SuiteLabels::of_release(&signed),
            packages,
        })
    }

    /// What the suites of a state call themselves, by the URL of the suite's folder.
    pub fn suite_labels(&self, state: ArchiveStateId) -> Result<BTreeMap<CanonicalUrl, SuiteLabels>, ArchiveError> {
        let missing = |refused: Refused| ArchiveError::NoSuchState {
            id: state,
            reason: refused.reason,
        };
        let mut labels = BTreeMap::new();
        for (folder, record) in state::load(&self.inner.store, state)? {
            let suite = self.inner.recorded_suite(&record).map_err(missing)?;
            let signed = self
                .inner
                .signed_text(&suite.files)
                .map_err(missing)?
                .unwrap_or_default();
            labels.insert(folder, SuiteLabels::of_release(&signed));
        }
        Ok(labels)
    }

    /// One state of the suites of several: a session is given an image's, a snapshot's and all PPAs' at once. Where two
    /// have the same suite, the later one holds.
    pub fn join_states(&self, states: &[ArchiveStateId]) -> Result<ArchiveStateId, ArchiveError> {
        let mut suites = BTreeMap::new();
        for state in states {
            suites.extend(state::load(&self.inner.store, *state)?);
        }
        state::store(&self.inner.store, &suites)
    }
}

impl Inner {
    /// The indices in the store, each with its path and component.
    async fn fetch_indices(
        self: &Arc<Self>,
        uri: &PpaUri,
        suite: &Suite,
        wanted: Vec<Wanted>,
        progress: Option<&ProgressCallback>,
    ) -> Result<Vec<(Object, String, String)>, Refused> {
        let fetching = wanted.into_iter().map(|wanted| async move {
            let (object, path) = self.fetch_index(uri, suite, &wanted.index, progress).await?;
            Ok::<_, Refused>((object, path, wanted.component))
        });
        futures_util::stream::iter(fetching)
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await
    }

    /// The index in the first of its compressions that the server has.
    async fn fetch_index(
        self: &Arc<Self>,
        uri: &PpaUri,
        suite: &Suite,
        index: &Index,
        progress: Option<&ProgressCallback>,
    ) -> Result<(Object, String), Refused> {
        let mut missing = None;
        for (path, listed) in &index.variants {
            let url = suite.folder.join(path);
            let stored = self.store.get(listed.sha256).map_err(|error| Refused::store(&error))?;
            // An object's digest is its name; what else the release file says of it has to fit as well.
            if let Some(object) = stored.filter(|object| object.size == listed.size) {
                return Ok((object, path.clone()));
            }
            let urls = suite.index_urls(path, *listed);
            let places = urls.iter().map(|url| Place::mirror(upstream(uri, url))).collect();
            match self.fetch(places, *listed, progress.cloned()).await {
                Ok(object) => return Ok((object, path.clone())),
                Err(error) => {
                    let refused = refused(&url, &error);
                    if refused.kind != RefusalKind::NotFound {
                        return Err(refused);
                    }
                    missing = Some(refused);
                }
            }
        }
        Err(missing.unwrap_or_else(|| Refused::new(RefusalKind::NotFound, format!("{}: no such index", index.stem))))
    }
}

/// Where the daemon fetches what the guest knows as `url`.
fn upstream(uri: &PpaUri, url: &CanonicalUrl) -> String {
    match url.below(uri.guest_url()) {
        None | Some("") => uri.as_str().to_owned(),
        Some(path) => format!("{}/{path}", uri.as_str()),
    }
}

/// The indices of the PPA's components for the architecture, or what is missing.
fn wanted_indices(suite: &Suite, ppa: &Ppa, architecture: &str) -> Result<Vec<Wanted>, (PpaRefusalKind, String)> {
    let all = suite.release.indices();
    let find = |stem: &str| all.iter().find(|index| index.stem == stem).cloned();
    let folder = &suite.folder;
    if ppa.suite.is_flat() {
        let index = find("Packages").ok_or_else(|| {
            let reason =
                format!("{folder}: its release file lists no Packages in a known compression (xz, gzip, none)");
            (PpaRefusalKind::Malformed, reason)
        })?;
        let both = [Some(index), find("Sources")].into_iter().flatten();
        return Ok(both
            .map(|index| Wanted {
                index,
                component: String::new(),
            })
            .collect());
    }
    let mut wanted = Vec::new();
    for component in &ppa.components {
        let binaries: Vec<Index> = [architecture, "all"]
            .into_iter()
            .filter_map(|architecture| find(&format!("{component}/binary-{architecture}/Packages")))
            .collect();
        if binaries.is_empty() {
            let prefix = format!("{component}/");
            let known = all.iter().any(|index| index.stem.starts_with(&prefix));
            return Err(if known {
                let reason = format!("{folder}: its component {component} has nothing for {architecture}");
                (PpaRefusalKind::NoSuchArchitecture, reason)
            } else {
                let reason = format!("{folder}: it has no component {component}, only {}", components(&all));
                (PpaRefusalKind::NoSuchComponent, reason)
            });
        }
        let sources = find(&format!("{component}/source/Sources"));
        wanted.extend(binaries.into_iter().chain(sources).map(|index| Wanted {
            index,
            component: component.clone(),
        }));
    }
    Ok(wanted)
}

fn components(indices: &[Index]) -> String {
    let component = |index: &Index| {
        let at = index.stem.find("/binary-").or_else(|| index.stem.find("/source/"))?;
        Some(index.stem[..at].to_owned())
    };
    let mut found: Vec<String> = indices.iter().filter_map(component).collect();
    found.sort_unstable();
    found.dedup();
    match found.is_empty() {
        true => "none at all".to_owned(),
        false => found.join(", "),
    }
}

async fn list_packages(indices: Vec<(Object, String, String)>) -> Result<Vec<PpaPackage>, Refused> {
    let reading = move || {
        let mut packages = Vec::new();
        for (object, path, component) in indices {
            if path.rsplit('/').next().is_some_and(|name| name.starts_with("Packages")) {
                packages.extend(package_list::read(&object.path, &path, &component).map_err(|error| {
                    Refused::new(
                        RefusalKind::Unverified,
                        format!("its index {path} can't be parsed: {error}"),
                    )
                })?);
            }
        }
        packages.sort_unstable();
        packages.dedup();
        Ok(packages)
    };
    let ended = tokio::task::spawn_blocking(reading).await;
    ended.unwrap_or_else(|error| Err(Refused::new(RefusalKind::Internal, error.to_string())))
}
