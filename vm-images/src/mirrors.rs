//! Binds a recipe's kinds of mirrors to hosts: the user's configuration first, then the host's apt, else the bootstrap
//! tool's own defaults. Commits no host name and asks no network.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::host_apt::HostSource;
use crate::recipe::{MirrorKind, Recipe, RecipeArchive};
use crate::word::{PackageName, SuiteName, Word};

/// Mirrors that the user has configured for one recipe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirrors {
    /// The main archive's mirror.
    #[serde(default)]
    pub archive: Option<Url>,
    /// The security archive's mirror.
    #[serde(default)]
    pub security: Option<Url>,
}

impl Mirrors {
    fn of(&self, kind: MirrorKind) -> Option<&Url> {
        match kind {
            MirrorKind::Archive => self.archive.as_ref(),
            MirrorKind::Security => self.security.as_ref(),
        }
    }
}

/// Who named the mirrors of a [`SourceSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MirrorChoice {
    /// The user's configuration, for one kind of mirror at least.
    Configuration,
    /// The host's apt sources.
    HostApt,
    /// mmdebstrap's defaults for the series.
    ToolDefault,
}

/// One line of apt sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveSource {
    /// The mirror as its owner wrote it, perhaps https.
    pub origin: Url,
    /// The same as a guest asks for it: always http, since a guest's requests are tunnelled and the daemon speaks TLS.
    pub uri: Url,
    /// Suites and pockets.
    pub suites: Vec<SuiteName>,
    /// Components.
    pub components: Vec<Word>,
}

/// Where an image's packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSet {
    /// Who chose.
    pub choice: MirrorChoice,
    /// Empty for [`MirrorChoice::ToolDefault`].
    pub sources: Vec<ArchiveSource>,
    /// Suites of the recipe for which no mirror is known.
    pub left_out: Vec<SuiteName>,
    /// The keyring on the host against which the archive is verified.
    pub keyring: PathBuf,
}

/// Why no sources can be made up.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// None of the recipe's keyrings is on this host.
    #[error(
        "no keyring for {recipe} is on this host (tried {tried}); install the package `{package}`, or name another file in the recipe"
    )]
    NoKeyring {
        /// The recipe's name.
        recipe: String,
        /// The files, with commas.
        tried: String,
        /// The package that brings one.
        package: PackageName,
    },
    /// A configured mirror cannot be used.
    #[error("the mirror {uri} of {recipe} is neither http nor https")]
    NotHttp {
        /// The recipe's name.
        recipe: String,
        /// The mirror.
        uri: Url,
    },
}

impl SourceSet {
    /// Chooses for each of the recipe's archives: configuration, the host's apt, the tool's defaults.
    ///
    /// # Errors
    /// [`MirrorError`]: without a keyring packages could not be trusted.
    pub fn resolve(recipe: &Recipe, configured: &Mirrors, host: &[HostSource]) -> Result<Self, MirrorError> {
        let keyring = recipe
            .keyrings
            .iter()
            .find(|file| file.is_file())
            .ok_or_else(|| MirrorError::NoKeyring {
                recipe: recipe.name().to_string(),
                tried: recipe
                    .keyrings
                    .iter()
                    .map(|file| file.display().to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
                package: recipe.keyring_package.clone(),
            })?;
        Self::bind(recipe, configured, host, keyring.clone())
    }

    /// The recipe's pockets that no image has, as sources beside the others. Those for whose mirror no host is known are left
    /// out.
    #[must_use]
    pub fn pockets(&self, recipe: &Recipe) -> Vec<ArchiveSource> {
        let usual = |suite: &SuiteName| recipe.archives.iter().any(|archive| archive.suites.contains(suite));
        let place = |kind: MirrorKind| {
            let mut archives = recipe.archives.iter().filter(|archive| archive.mirror == kind);
            archives.find_map(|archive| self.sources.iter().find(|source| source.suites == archive.suites))
        };
        recipe
            .pockets
            .iter()
            .filter(|(_, pocket)| !usual(&pocket.suite))
            .filter_map(|(_, pocket)| {
                let place = place(pocket.mirror)?;
                Some(ArchiveSource {
                    suites: vec![pocket.suite.clone()],
                    components: match pocket.components.is_empty() {
                        true => place.components.clone(),
                        false => pocket.components.clone(),
                    },
                    ..place.clone()
                })
            })
            .collect()
    }

    fn bind(recipe: &Recipe, configured: &Mirrors, host: &[HostSource], keyring: PathBuf) -> Result<Self, MirrorError> {
        let bind_kind = |kind| {
            configured
                .of(kind)
                .map(|uri| (uri, MirrorChoice::Configuration))
                .or_else(|| host_mirror(recipe, kind, host).map(|uri| (uri, MirrorChoice::HostApt)))
        };
        let mut set = Self {
            choice: MirrorChoice::ToolDefault,
            sources: Vec::new(),
            left_out: Vec::new(),
            keyring,
        };
        if bind_kind(MirrorKind::Archive).is_none() {
            return Ok(set);
        }
        set.choice = MirrorChoice::HostApt;
        for archive in &recipe.archives {
            let bound = bind_kind(archive.mirror).or_else(|| archive.else_mirror.and_then(bind_kind));
            let Some((uri, choice)) = bound else {
                set.left_out.extend(archive.suites.iter().cloned());
                continue;
            };
            if choice == MirrorChoice::Configuration {
                set.choice = choice;
            }
            set.sources.push(source(recipe, archive, uri)?);
        }
        Ok(set)
    }
}

fn source(recipe: &Recipe, archive: &RecipeArchive, origin: &Url) -> Result<ArchiveSource, MirrorError> {
    let not_http = || MirrorError::NotHttp {
        recipe: recipe.name().to_string(),
        uri: origin.clone(),
    };
    // A space or a bracket would end the word in sources.list; Url leaves neither in a parsed http address.
    let mut uri = origin.clone();
    match origin.scheme() {
        "http" => {}
        "https" => uri.set_scheme("http").map_err(|()| not_http())?,
        _ => return Err(not_http()),
    }
    Ok(ArchiveSource {
        origin: origin.clone(),
        uri,
        suites: archive.suites.clone(),
        components: archive.components.clone(),
    })
}

/// The host's mirror for a kind, from the same series where there is one, else from another of the distribution's.
fn host_mirror<'a>(recipe: &Recipe, kind: MirrorKind, host: &'a [HostSource]) -> Option<&'a Url> {
    let wanted = |source: &&HostSource| {
        let same_kind = source.suites.iter().any(|suite| kind_of(suite) == Some(kind));
        // Third parties call their suites by the series too: only the distribution's own key, or its components
        // where no key is named, tells its mirrors from theirs.
        let keyed = source.signed_by.iter().any(|file| recipe.keyrings.contains(file));
        let unkeyed = source.signed_by.is_empty() && !source.inline_key && is_of_series(recipe, source);
        let components = recipe.archives.iter().flat_map(|archive| &archive.components);
        let fits = components
            .into_iter()
            .any(|wanted| source.components.iter().any(|had| had == wanted.as_str()));
        same_kind && fits && (keyed || unkeyed)
    };
    let fitting = || host.iter().filter(wanted);
    fitting()
        .find(|source| is_of_series(recipe, source))
        .or_else(|| fitting().next())
        .map(|source| &source.uri)
}

fn is_of_series(recipe: &Recipe, source: &HostSource) -> bool {
    source.suites.iter().any(|suite| {
        let release = POCKETS
            .iter()
            .find_map(|pocket| suite.strip_suffix(pocket))
            .unwrap_or(suite);
        recipe.answers_to(release)
    })
}

/// How the archives of Debian and Ubuntu mark what stands beside a release.
const POCKETS: [&str; 5] = ["-updates", "-security", "-proposed", "-proposed-updates", "-backports"];

fn kind_of(suite: &str) -> Option<MirrorKind> {
    if suite.contains("-debug") {
        None
    } else if suite.ends_with("-security") || suite.ends_with("/updates") {
        Some(MirrorKind::Security)
    } else {
        Some(MirrorKind::Archive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use pretty_assertions::assert_eq;

    fn host(uri: &str, suites: &str, components: &str, key: Option<&str>) -> HostSource {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect();
        HostSource {
            uri: Url::parse(uri).unwrap(),
            suites: words(suites),
            components: words(components),
            signed_by: key.map(PathBuf::from).into_iter().collect(),
            inline_key: false,
        }
    }

    const DEBIAN: Option<&str> = Some("/usr/share/keyrings/debian-archive-keyring.gpg");

    fn bind(recipe: &str, configured: &Mirrors, host: &[HostSource]) -> (MirrorChoice, Vec<String>, Vec<String>) {
        let catalogue = Catalogue::load(None).unwrap();
        let set = SourceSet::bind(catalogue.find(recipe).unwrap(), configured, host, PathBuf::new()).unwrap();
        let uris = set.sources.iter().map(|source| source.uri.to_string()).collect();
        (set.choice, uris, set.left_out.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_hosts_mirrors_serve_all_series_of_their_distribution() {
        let sources = [
            host(
                "https://third.example/bookworm",
                "bookworm",
                "main",
                Some("/usr/share/keyrings/third.gpg"),
            ),
            host("https://docker.example/debian", "bookworm", "stable", None),
            host("http://debug.example/debian-debug", "bookworm-debug", "main", DEBIAN),
            host(
                "https://mirror.example/debian",
                "bookworm bookworm-updates",
                "main",
                DEBIAN,
            ),
            host("http://security.example/debian", "bookworm-security", "main", DEBIAN),
        ];
        let both = vec![
            "http://mirror.example/debian".to_owned(),
            "http://security.example/debian".to_owned(),
        ];
        let none = Mirrors::default();
        assert_eq!(
            bind("bookworm", &none, &sources),
            (MirrorChoice::HostApt, both.clone(), vec![])
        );
        assert_eq!(
            bind("trixie", &none, &sources),
            (MirrorChoice::HostApt, both.clone(), vec![])
        );
        assert_eq!(
            bind("sid", &none, &sources),
            (MirrorChoice::HostApt, both[..1].to_vec(), vec![])
        );
        assert_eq!(
            bind("noble", &none, &sources),
            (MirrorChoice::ToolDefault, vec![], vec![])
        );
        assert_eq!(
            bind("bookworm", &none, &sources[..4]),
            (
                MirrorChoice::HostApt,
                both[..1].to_vec(),
                vec!["bookworm-security".to_owned()]
            )
        );
    }

    #[test]
    fn pockets_that_no_image_has_are_sources_beside_the_others() {
        let mirrors = Mirrors {
            archive: Some(Url::parse("https://mirror.example/debian").unwrap()),
            security: Some(Url::parse("http://security.example/debian").unwrap()),
        };
        let catalogue = Catalogue::load(None).unwrap();
        let pockets = |name: &str| {
            let recipe = catalogue.find(name).unwrap();
            let set = SourceSet::bind(recipe, &mirrors, &[], PathBuf::new()).unwrap();
            assert!(
                set.sources
                    .iter()
                    .all(|source| source.suites.iter().all(|suite| !suite.as_str().contains("backports")))
            );
            let pockets = set.pockets(recipe).into_iter();
            pockets
                .map(|source| {
                    assert_eq!(source.components, recipe.archives[0].components);
                    format!("{} from {}", source.suites[0], source.uri)
                })
                .collect::<Vec<_>>()
        };
        let from = |suite: &str| format!("{suite} from http://mirror.example/debian");
        assert_eq!(
            pockets("bookworm"),
            [from("bookworm-proposed-updates"), from("bookworm-backports")]
        );
        assert_eq!(pockets("noble"), [from("noble-proposed"), from("noble-backports")]);
        assert_eq!(pockets("sid"), [from("experimental")]);
        let sid = catalogue.find("sid").unwrap();
        let nowhere = SourceSet::bind(sid, &Mirrors::default(), &[], PathBuf::new());
        assert_eq!(nowhere.unwrap().pockets(sid), []);
        // A recipe may say otherwise.
        let mut recipe = catalogue.find("bookworm").unwrap().clone();
        let proposed = recipe.pockets.proposed.as_mut().unwrap();
        proposed.mirror = MirrorKind::Security;
        proposed.components = vec!["contrib".to_owned().try_into().unwrap()];
        let set = SourceSet::bind(&recipe, &mirrors, &[], PathBuf::new()).unwrap();
        let found = set.pockets(&recipe);
        assert_eq!(found[0].uri.as_str(), "http://security.example/debian");
        assert_eq!(
            found[0].components,
            recipe.pockets.proposed.as_ref().unwrap().components
        );
    }

    #[test]
    fn configuration_wins_and_ubuntus_archive_has_its_security_pocket_too() {
        let archive = Some(Url::parse("https://mine.example/ubuntu").unwrap());
        let configured = Mirrors {
            archive,
            security: None,
        };
        let mine = "http://mine.example/ubuntu".to_owned();
        assert_eq!(
            bind("noble", &configured, &[]),
            (MirrorChoice::Configuration, vec![mine.clone(), mine], vec![])
        );
    }
}
