//! The archive as one testbed sees it: which mirrors its guest may ask, in which state each is served, and who may sign
//! what is not of that state. It reads what a ticket has pinned, and resolves nothing anew.

use std::path::{Path, PathBuf};

use preflight_archive::{
    ArchiveError, ArchiveStateId, CanonicalUrl, Lock, Mirror, Network, ProgressCallback, Session, SessionOptions,
    TicketMount,
};
use preflight_core::{AptSuite, Options, PackageSources, PpaUse};
use preflight_vm_images::{ArchiveSource, BaseImage};

use super::failure::StepFailure;
use super::workshop::{REPOSITORY, Workshop};
use crate::mounted::MountedRepositories;

/// The folders of tickets' repositories that a testbed is served.
#[derive(Debug, Clone, Copy, Default)]
pub struct Repositories<'a> {
    /// The ticket's own.
    pub own: Option<&'a Path>,
    /// Where the states of others' are that the ticket's options name.
    pub others: Option<&'a Path>,
}

impl Workshop {
    /// A session with the archive for one testbed: what the image's own apt sources name, as it was when the image was
    /// made, or what the options say in its place and beside it, and repositories of tickets.
    ///
    /// # Errors
    /// The archive's folder cannot be used, or a state that the options name was removed.
    pub fn session(
        &self,
        image: &BaseImage,
        options: &Options,
        repositories: Repositories<'_>,
        progress: ProgressCallback,
    ) -> Result<Session, StepFailure> {
        self.session_by(image, options, repositories, progress, None)
    }

    /// The same, where a lock is replayed: nothing else is served, and nothing is fetched.
    pub(super) fn session_by(
        &self,
        image: &BaseImage,
        options: &Options,
        repositories: Repositories<'_>,
        progress: ProgressCallback,
        replay: Option<Lock>,
    ) -> Result<Session, StepFailure> {
        let broken = |error: ArchiveError| StepFailure::Testbed(error.to_string());
        let network = if options.offline || replay.is_some() {
            Network::Forbidden
        } else {
            self.settings.network
        };
        let mut allowed = SessionOptions {
            network,
            mirrors: self.mirrors_of(image, &options.sources),
            progress: Some(progress),
            state: self.state_of(image, &options.sources).map_err(broken)?,
            architecture: image.metadata.architecture.to_string(),
            replay,
            preferred: preferred(image, &options.sources),
            ..SessionOptions::default()
        };
        if let Some(folder) = repositories.others {
            allowed.mounted = MountedRepositories::at(folder).mounts(&options.sources);
        }
        if let Some(folder) = repositories.own {
            allowed.repositories.push(TicketMount {
                path: REPOSITORY.to_owned(),
                folder: folder.to_owned(),
                generation: None,
            });
        }
        self.archive.session(allowed).map_err(broken)
    }

    fn mirrors_of(&self, image: &BaseImage, sources: &PackageSources) -> Vec<Mirror> {
        let keyrings: Vec<PathBuf> = self.keyring(image).into_iter().collect();
        let own = &image.metadata.sources;
        let mut found = match &sources.snapshot {
            Some(snapshot) => {
                let pockets = sources.pockets.iter().map(|used| &used.suite);
                let uris = snapshot.suites.iter().chain(pockets).map(|suite| suite.uri.as_str());
                pinned_mirrors(uris.collect(), own, &keyrings)
            }
            None => mirrors(own, &image.metadata.sources_list, &keyrings),
        };
        found.extend(sources.ppas.iter().map(ppa_mirror));
        found
    }

    /// The state in which a testbed's suites are served: the snapshot's or the image's, and those of the PPAs.
    fn state_of(&self, image: &BaseImage, sources: &PackageSources) -> Result<Option<ArchiveStateId>, ArchiveError> {
        let base = match &sources.snapshot {
            Some(snapshot) => Some(ArchiveStateId::new(snapshot.state.0)),
            None => super::image_state::read(image.folder(), &self.images),
        };
        if sources.ppas.is_empty() {
            return Ok(base);
        }
        let ppas = sources.ppas.iter().map(|used| ArchiveStateId::new(used.state.0));
        let all: Vec<ArchiveStateId> = base.into_iter().chain(ppas).collect();
        self.archive.join_states(&all).map(Some)
    }

    /// The file on this host that has the keys of an image's archive, where there is one.
    pub(crate) fn keyring(&self, image: &BaseImage) -> Option<PathBuf> {
        let recipe = self.catalogue.find(image.metadata.recipe.as_str()).ok()?;
        recipe.keyrings.iter().find(|file| file.is_file()).cloned()
    }
}

/// The URL of the folder of a suite's release file; none where it is no URL.
pub(crate) fn suite_folder(suite: &AptSuite) -> Option<CanonicalUrl> {
    folder(&suite.uri, &suite.suite)
}

fn folder(uri: &str, suite: &str) -> Option<CanonicalUrl> {
    let uri = uri.trim_end_matches('/');
    let url = match suite.ends_with('/') {
        true => format!("{uri}/{suite}"),
        false => format!("{uri}/dists/{suite}"),
    };
    url.parse().ok()
}

/// Whose a package is said to be that several suites list: the release's and its updates', then the pockets', then the PPAs'.
fn preferred(image: &BaseImage, sources: &PackageSources) -> Vec<CanonicalUrl> {
    let mut folders = Vec::new();
    match &sources.snapshot {
        Some(snapshot) => folders.extend(snapshot.suites.iter().map(suite_folder)),
        None => {
            for source in &image.metadata.sources {
                folders.extend(
                    source
                        .suites
                        .iter()
                        .map(|suite| folder(source.uri.as_str(), suite.as_str())),
                );
            }
        }
    }
    folders.extend(sources.pockets.iter().map(|used| suite_folder(&used.suite)));
    folders.extend(sources.ppas.iter().map(|used| suite_folder(&used.suite)));
    folders.into_iter().flatten().collect()
}

/// The mirrors that an image's apt asks. Where the bootstrap tool chose them, its sources.list tells.
pub(crate) fn mirrors(sources: &[ArchiveSource], sources_list: &str, keyrings: &[PathBuf]) -> Vec<Mirror> {
    let mirror = |guest_url: String, upstream: Option<String>| Mirror {
        upstream,
        keyrings: keyrings.to_vec(),
        ..Mirror::new(guest_url)
    };
    if !sources.is_empty() {
        let of_source = |source: &ArchiveSource| {
            let upstream = (source.origin != source.uri).then(|| source.origin.to_string());
            mirror(source.uri.to_string(), upstream)
        };
        return sources.iter().map(of_source).collect();
    }
    let mut urls: Vec<&str> = sources_list
        .lines()
        .filter_map(|line| line.trim().strip_prefix("deb "))
        .filter_map(|line| line.split_whitespace().find(|word| word.contains("://")))
        .collect();
    urls.sort_unstable();
    urls.dedup();
    urls.into_iter().map(|url| mirror(url.to_owned(), None)).collect()
}

/// The mirrors of a snapshot; each is fetched from where the image's own of the same URL is.
fn pinned_mirrors(mut uris: Vec<&str>, sources: &[ArchiveSource], keyrings: &[PathBuf]) -> Vec<Mirror> {
    uris.sort_unstable();
    uris.dedup();
    let mirror = |uri: &str| {
        let own = sources.iter().find(|source| source.uri.as_str() == uri);
        Mirror {
            upstream: own.map(|source| source.origin.to_string()),
            keyrings: keyrings.to_vec(),
            ..Mirror::new(uri)
        }
    };
    uris.into_iter().map(mirror).collect()
}

/// A PPA's mirror. Only its own keys count for it, though what it is served from has been judged already.
fn ppa_mirror(used: &PpaUse) -> Mirror {
    Mirror {
        upstream: Some(used.upstream.clone()),
        keys: Some(used.keys.clone().into_bytes()),
        ..Mirror::new(used.suite.uri.as_str())
    }
}
