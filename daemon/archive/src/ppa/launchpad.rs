//! Launchpad's public web service (API 1.0): which archive a `ppa:` name means, and the key that signs it, checked
//! against the fingerprint that Launchpad names. Nothing is sent but what is public; a private PPA's archive can't be
//! asked for anonymously, so its keys have to be given.

use std::collections::BTreeSet;

use preflight_debian::{CertificateError, Fingerprint};
use serde::Deserialize;

use crate::error::ArchiveError;
use crate::fetch::{FetchError, Fetcher, HttpTimeouts};
use crate::ppa::credentials::CredentialsError;
use crate::ppa::definition::{Ppa, PpaFieldError, PpaUri, PublicKeys, SuiteTemplate};
use crate::ppa::launchpad_name::LaunchpadName;
use crate::ppa::spec::{LaunchpadSpec, NewPpa};

/// An archive's entry has 2 KiB; a page of its publications a few hundred.
const LARGEST_ANSWER: u64 = 8 * 1024 * 1024;
/// The largest page that the service gives.
const PAGE: u32 = 300;

/// Where Launchpad is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchpadConfig {
    /// The web service, with its version.
    pub api: String,
    /// Where public PPAs are published, without `/OWNER/NAME/DISTRIBUTION`.
    pub content: String,
    /// Where private PPAs are published.
    pub private_content: String,
    /// Where a key is fetched that the web service does not give; `{fingerprint}` stands for its fingerprint.
    pub key_server: String,
}

impl Default for LaunchpadConfig {
    fn default() -> Self {
        Self {
            api: "https://api.launchpad.net/1.0".to_owned(),
            content: "https://ppa.launchpadcontent.net".to_owned(),
            private_content: "https://private-ppa.launchpadcontent.net".to_owned(),
            key_server: "https://keyserver.ubuntu.com/pks/lookup?op=get&options=mr&search=0x{fingerprint}".to_owned(),
        }
    }
}

/// A PPA as Launchpad describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PpaArchive {
    /// Whose and which.
    pub name: LaunchpadName,
    /// Its repository.
    pub uri: PpaUri,
    /// Its title, for people.
    pub display_name: String,
    /// The key that signs it; none before its first publication.
    pub signing_key_fingerprint: Option<Fingerprint>,
    /// Whether it wants a subscription.
    pub private: bool,
    /// Code names of series for which it has sources now, sorted: of its newest 300 publications, and none where
    /// Launchpad did not say.
    pub series: Vec<String>,
}

/// Launchpad did not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchpadError {
    /// There is no such PPA.
    #[error("Launchpad has no {name}")]
    NoSuchPpa {
        /// What was asked for.
        name: LaunchpadName,
    },
    /// It is not shown to everybody.
    #[error("Launchpad does not show {name} without a login: it is private or disabled")]
    Private {
        /// What was asked for.
        name: LaunchpadName,
    },
    /// It is being deleted, or was.
    #[error("{name} has been deleted on Launchpad")]
    Deleted {
        /// What was asked for.
        name: LaunchpadName,
    },
    /// It was never published.
    #[error("{name} has no signing key yet: nothing has been published in it")]
    NoKey {
        /// What was asked for.
        name: LaunchpadName,
    },
    /// The key that was got is not the one that signs.
    #[error("the key that was got for {name} is not its signing key: {error}")]
    WrongKey {
        /// What was asked for.
        name: LaunchpadName,
        /// What is wrong.
        #[source]
        error: CertificateError,
    },
    /// An answer is not what the service's description says.
    #[error("{url} answered something else than expected: {reason}")]
    Answer {
        /// What was asked.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// Launchpad or the key server can't be reached, or answers with an error.
    #[error("{url}: {reason}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why.
        reason: String,
    },
    /// Private, and the subscription is missing.
    #[error("{name} is private")]
    NoToken {
        /// What was asked for.
        name: LaunchpadName,
    },
    /// The subscription.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The configured addresses make no URL.
    #[error(transparent)]
    Configuration(#[from] PpaFieldError),
}

impl LaunchpadError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoSuchPpa { .. } => Some("check the owner and the name on the PPA's page"),
            Self::Private { .. } => Some(
                "for a private one give --token-file FILE with USER:TOKEN from your archive subscriptions, and --key FILE",
            ),
            Self::NoToken { .. } => {
                Some("give --token-file FILE with USER:TOKEN from your archive subscriptions on Launchpad")
            }
            Self::Unreachable { .. } => Some("try again later, or name the repository by its URL, with --key FILE"),
            _ => None,
        }
    }
}

/// An `archive` entry, as far as it is used.
#[derive(Deserialize)]
struct ArchiveEntry {
    name: String,
    #[serde(default)]
    displayname: String,
    #[serde(default)]
    private: bool,
    status: Option<String>,
    signing_key_fingerprint: Option<String>,
}

/// A page of a collection of `source_package_publishing_history` entries.
#[derive(Deserialize)]
struct Publications {
    entries: Vec<Publication>,
}

#[derive(Deserialize)]
struct Publication {
    distro_series_link: String,
}

/// A client without a login.
#[derive(Debug)]
pub struct LaunchpadClient {
    config: LaunchpadConfig,
    fetcher: Fetcher,
}

impl LaunchpadClient {
    /// Needs no network yet.
    pub fn new(config: LaunchpadConfig, http: HttpTimeouts) -> Result<Self, ArchiveError> {
        Ok(Self {
            config,
            fetcher: Fetcher::new(http)?,
        })
    }

    /// All that Launchpad says of a PPA.
    pub async fn resolve(&self, name: &LaunchpadName) -> Result<PpaArchive, LaunchpadError> {
        let url = self.archive_url(name);
        let bytes = self.get(&url).await.map_err(|error| of_fetch(name, &url, error))?;
        let entry: ArchiveEntry = parse(&url, &bytes)?;
        if entry.name != name.name {
            let reason = "it describes another archive".to_owned();
            return Err(LaunchpadError::Answer { url, reason });
        }
        if entry.status.is_some_and(|status| status != "Active") {
            return Err(LaunchpadError::Deleted { name: name.clone() });
        }
        let fingerprint = entry.signing_key_fingerprint.filter(|text| !text.is_empty());
        let fingerprint = fingerprint.map(|text| text.parse::<Fingerprint>()).transpose();
        let signing_key_fingerprint = fingerprint.map_err(|error| LaunchpadError::Answer {
            url,
            reason: error.to_string(),
        })?;
        let shown = entry
            .displayname
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        Ok(PpaArchive {
            uri: self.uri(name, entry.private)?,
            name: name.clone(),
            display_name: shown,
            signing_key_fingerprint,
            private: entry.private,
            series: self.series(name).await,
        })
    }

    /// The key with the fingerprint that Launchpad names, from Launchpad, or else from the key server.
    pub async fn signing_keys(&self, archive: &PpaArchive) -> Result<PublicKeys, LaunchpadError> {
        let name = &archive.name;
        let Some(wanted) = &archive.signing_key_fingerprint else {
            return Err(LaunchpadError::NoKey { name: name.clone() });
        };
        let url = format!("{}?ws.op=getSigningKeyData", self.archive_url(name));
        let given: Option<String> = match self.get(&url).await {
            Ok(bytes) => parse(&url, &bytes)?,
            Err(error) => {
                tracing::info!(%name, %error, "Launchpad does not give the signing key; the key server is asked");
                None
            }
        };
        let content = match given {
            Some(text) => text.into_bytes(),
            None => {
                let url = self.config.key_server.replace("{fingerprint}", wanted.as_str());
                self.get(&url).await.map_err(|error| match error {
                    FetchError::NotFound => LaunchpadError::Unreachable {
                        url,
                        reason: "the key server has no such key".to_owned(),
                    },
                    error => of_fetch(name, &url, error),
                })?
            }
        };
        PublicKeys::parse(&content, std::slice::from_ref(wanted)).map_err(|error| LaunchpadError::WrongKey {
            name: name.clone(),
            error,
        })
    }

    /// Makes a PPA of what the user gave and Launchpad says. Where the user gave keys and a token, Launchpad is not asked:
    /// it would not answer.
    pub async fn complete(&self, spec: &LaunchpadSpec) -> Result<NewPpa, LaunchpadError> {
        let name = &spec.launchpad;
        let private_uri = self.uri(name, true)?;
        let given = spec.credentials.as_ref().map(|given| given.of(&private_uri));
        let credentials = given.transpose()?.flatten();
        let (uri, private, keys) = match (&spec.keys, &credentials) {
            (Some(keys), Some(_)) => (private_uri, true, keys.clone()),
            (given, _) => {
                let archive = self.resolve(name).await?;
                if archive.private && credentials.is_none() {
                    return Err(LaunchpadError::NoToken { name: name.clone() });
                }
                let keys = match given {
                    Some(keys) => keys.clone(),
                    None => self.signing_keys(&archive).await?,
                };
                (archive.uri, archive.private, keys)
            }
        };
        Ok(NewPpa {
            ppa: Ppa {
                name: spec.name.clone(),
                uri,
                suite: SuiteTemplate::of_series(),
                components: vec!["main".to_owned()],
                architectures: Vec::new(),
                keys,
                priority: spec.priority,
                packages: spec.packages.clone(),
                private,
            },
            credentials: credentials.filter(|_| private),
        })
    }

    /// Only to be shown, and slow for a large PPA: that it can't be told is no failure.
    async fn series(&self, name: &LaunchpadName) -> Vec<String> {
        let url = format!(
            "{}?ws.op=getPublishedSources&status=Published&order_by_date=true&ws.size={PAGE}",
            self.archive_url(name)
        );
        let page: Result<Publications, String> = match self.get(&url).await {
            Ok(bytes) => parse(&url, &bytes).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match page {
            Ok(page) => {
                let good = |name: &&str| {
                    (1..=64).contains(&name.len())
                        && name.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
                };
                let names = page
                    .entries
                    .iter()
                    .filter_map(|entry| entry.distro_series_link.rsplit('/').next());
                let names: BTreeSet<&str> = names.filter(good).collect();
                names.into_iter().map(str::to_owned).collect()
            }
            Err(error) => {
                tracing::info!(%name, error, "Launchpad does not tell the PPA's series");
                Vec::new()
            }
        }
    }

    fn archive_url(&self, name: &LaunchpadName) -> String {
        let LaunchpadName {
            owner,
            distribution,
            name,
        } = name;
        format!(
            "{}/~{owner}/+archive/{distribution}/{name}",
            self.config.api.trim_end_matches('/')
        )
    }

    fn uri(&self, name: &LaunchpadName, private: bool) -> Result<PpaUri, PpaFieldError> {
        let LaunchpadName {
            owner,
            distribution,
            name,
        } = name;
        let base = match private {
            true => &self.config.private_content,
            false => &self.config.content,
        };
        format!("{}/{owner}/{name}/{distribution}", base.trim_end_matches('/')).parse()
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        self.fetcher.bytes(url, LARGEST_ANSWER, None).await
    }
}

fn parse<'a, T: Deserialize<'a>>(url: &str, bytes: &'a [u8]) -> Result<T, LaunchpadError> {
    serde_json::from_slice(bytes).map_err(|error| LaunchpadError::Answer {
        url: url.to_owned(),
        reason: error.to_string(),
    })
}

fn of_fetch(name: &LaunchpadName, url: &str, error: FetchError) -> LaunchpadError {
    let name = name.clone();
    match error {
        FetchError::NotFound => LaunchpadError::NoSuchPpa { name },
        FetchError::Status(401 | 403) => LaunchpadError::Private { name },
        error => LaunchpadError::Unreachable {
            url: url.to_owned(),
            reason: error.to_string(),
        },
    }
}
