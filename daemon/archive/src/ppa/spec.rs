//! What `preflight ppa add` takes: `ppa:OWNER/NAME`, apt's `.sources` file, or URL, suite and components with a key
//! file. Reads the files that it is given, asks nobody over the network, and parts secrets from all else.

use std::path::{Path, PathBuf};

use preflight_debian::{AptSource, CertificateError, Fingerprint, Place, SignedBy, TextFile};
use url::Url;

use crate::ppa::auth_conf::GivenCredentials;
use crate::ppa::credentials::{Credentials, CredentialsError, may_be_sent_to};
use crate::ppa::definition::{Ppa, PpaFieldError, PpaName, PpaUri, PublicKeys, SuiteTemplate};
use crate::ppa::launchpad_name::LaunchpadName;
use crate::ppa::pins::{PinPriority, PinnedPackage};

/// The URIs and suites of one file, multiplied.
const MOST_REPOSITORIES: usize = 100;
/// Bytes; the keyring of all of Debian's archive keys has 60 KiB.
const LARGEST_KEY_FILE: usize = 4 * 1024 * 1024;

/// What is said beside the words.
#[derive(Debug, Clone, Default)]
pub struct SpecOptions {
    /// What to call it; otherwise Launchpad's name, the file's or the URL's.
    pub name: Option<PpaName>,
    /// A key file, binary or armored, in place of what the source itself says.
    pub key: Option<PathBuf>,
    /// The keys in the key file that count; all where it is empty.
    pub fingerprints: Vec<Fingerprint>,
    /// The subscription of a private PPA, in place of what the URL holds.
    pub credentials: Option<GivenCredentials>,
    /// apt's priority of all its packages.
    pub priority: Option<PinPriority>,
    /// Packages that come from it even where another archive has a newer version.
    pub packages: Vec<PinnedPackage>,
}

/// A PPA as it is to be added, and its secret beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPpa {
    /// The PPA.
    pub ppa: Ppa,
    /// What it wants to be told; for [`crate::SecretStore`] and [`crate::Archive::set_credentials`], for nothing else.
    pub credentials: Option<Credentials>,
}

/// A PPA of Launchpad's, which has to be asked for the rest.
#[derive(Debug, Clone)]
pub struct LaunchpadSpec {
    /// Whose and which.
    pub launchpad: LaunchpadName,
    /// What to call it.
    pub name: PpaName,
    /// Its keys, where the user gave them: a private PPA's can't be asked for.
    pub keys: Option<PublicKeys>,
    /// The subscription.
    pub credentials: Option<GivenCredentials>,
    /// As in [`SpecOptions`].
    pub priority: Option<PinPriority>,
    /// As in [`SpecOptions`].
    pub packages: Vec<PinnedPackage>,
}

/// What was given.
#[derive(Debug, Clone)]
pub enum PpaSpec {
    /// To be completed by [`crate::LaunchpadClient::complete`].
    Launchpad(Box<LaunchpadSpec>),
    /// Complete; one for each URI and suite.
    Repositories(Vec<NewPpa>),
}

/// What is wrong with it; no secret is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PpaSpecError {
    /// Nothing that is known.
    #[error("{0:?} is no PPA")]
    Unknown(String),
    /// Launchpad's short form.
    #[error("{0:?} is no PPA of Launchpad's")]
    Launchpad(String),
    /// The old one-line format.
    #[error("{}: one-line sources are not read", .0.display())]
    OneLine(PathBuf),
    /// More words than the form has.
    #[error("after {0:?} nothing more is expected")]
    TooManyWords(String),
    /// A URL without a suite.
    #[error("the URL is not followed by a suite")]
    NoSuite,
    /// Suite and components do not fit together.
    #[error("the suite {0} wants {1}")]
    Components(SuiteTemplate, &'static str),
    /// No key.
    #[error("{0}: it says not who may sign it")]
    NoKey(String),
    /// A key file can't be used.
    #[error("the key file {}: {error}", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: CertificateError,
    },
    /// The `.sources` file, or a key file, can't be read or parsed.
    #[error("{error}")]
    File {
        /// Where and what.
        #[source]
        error: preflight_debian::Error,
    },
    /// A field's value can't be used.
    #[error("{place}: {reason}")]
    Value {
        /// Where.
        place: Place,
        /// Why.
        reason: String,
    },
    /// A part of the definition.
    #[error(transparent)]
    Field(#[from] PpaFieldError),
    /// The credentials.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

impl PpaSpecError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Unknown(_) => {
                Some("write ppa:OWNER/NAME, the path of a .sources file, or URL SUITE COMPONENT… --key FILE")
            }
            Self::Launchpad(_) => Some("write ppa:OWNER/NAME, or ppa:OWNER/DISTRIBUTION/NAME"),
            Self::OneLine(_) => {
                Some("convert it with `apt modernize-sources`, or write URL SUITE COMPONENT… --key FILE")
            }
            Self::NoSuite => Some("write URL SUITE COMPONENT…, or URL ./ for a flat repository"),
            Self::NoKey(_) => Some("add --key FILE with the publisher's OpenPGP key"),
            Self::File { error } => error.hint(),
            _ => None,
        }
    }
}

impl From<preflight_debian::Error> for PpaSpecError {
    fn from(error: preflight_debian::Error) -> Self {
        Self::File { error }
    }
}

impl PpaSpec {
    /// Parses the words; paths among them and in `options` are used as they are.
    pub fn parse(words: &[String], options: &SpecOptions) -> Result<Self, PpaSpecError> {
        let (first, rest) = words
            .split_first()
            .ok_or_else(|| PpaSpecError::Unknown(String::new()))?;
        if let Some(short) = first.strip_prefix("ppa:") {
            if !rest.is_empty() {
                return Err(PpaSpecError::TooManyWords(shortened(first)));
            }
            return launchpad(short, options);
        }
        if first.contains("://") {
            return repository(first, rest, options).map(|ppa| Self::Repositories(vec![ppa]));
        }
        let path = Path::new(first);
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => return Err(PpaSpecError::OneLine(path.to_owned())),
            Some("sources") => {}
            _ if path.is_file() => {}
            _ => return Err(PpaSpecError::Unknown(shortened(first))),
        }
        match rest.is_empty() {
            true => sources_file(path, options).map(Self::Repositories),
            false => Err(PpaSpecError::TooManyWords(shortened(first))),
        }
    }
}

fn launchpad(short: &str, options: &SpecOptions) -> Result<PpaSpec, PpaSpecError> {
    let launchpad: LaunchpadName = short
        .parse()
        .map_err(|_| PpaSpecError::Launchpad(shortened(&format!("ppa:{short}"))))?;
    Ok(PpaSpec::Launchpad(Box::new(LaunchpadSpec {
        name: options.name.clone().map_or_else(|| launchpad.ppa_name(), Ok)?,
        launchpad,
        keys: key_option(options)?,
        credentials: options.credentials.clone(),
        priority: options.priority,
        packages: options.packages.clone(),
    })))
}

fn repository(url: &str, rest: &[String], options: &SpecOptions) -> Result<NewPpa, PpaSpecError> {
    let (uri, found) = split_uri(url)?;
    let (suite, components) = rest.split_first().ok_or(PpaSpecError::NoSuite)?;
    let suite: SuiteTemplate = suite.parse()?;
    check_components(&suite, components)?;
    let keys = key_option(options)?.ok_or_else(|| PpaSpecError::NoKey(uri.to_string()))?;
    let credentials = usable(&uri, options, found)?;
    Ok(NewPpa {
        ppa: Ppa {
            name: options.name.clone().map_or_else(|| name_of(&uri), Ok)?,
            private: credentials.is_some(),
            uri,
            suite,
            components: components.to_vec(),
            architectures: Vec::new(),
            keys,
            priority: options.priority,
            packages: options.packages.clone(),
        },
        credentials,
    })
}

fn sources_file(path: &Path, options: &SpecOptions) -> Result<Vec<NewPpa>, PpaSpecError> {
    let file = TextFile::read(path)?;
    let sources = AptSource::parse(path, file.text()?)?;
    let name = match &options.name {
        Some(name) => name.clone(),
        None => {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            PpaName::from_text(&stem).ok_or_else(|| PpaSpecError::Unknown(shortened(&stem)))?
        }
    };
    let given = key_option(options)?;
    let mut found: Vec<NewPpa> = Vec::new();
    for source in sources.iter().filter(|source| source.binaries) {
        let at = |field: &str, reason: String| PpaSpecError::Value {
            place: source.place(field),
            reason,
        };
        let keys = match &given {
            Some(keys) => keys.clone(),
            None => keys_of(source)?,
        };
        for uri in &source.uris {
            let (uri, credentials) = split_uri(uri).map_err(|error| at("URIs", error.to_string()))?;
            let credentials = usable(&uri, options, credentials).map_err(|error| at("URIs", error.to_string()))?;
            for suite in &source.suites {
                let suite: SuiteTemplate = suite
                    .parse()
                    .map_err(|error: PpaFieldError| at("Suites", error.to_string()))?;
                check_components(&suite, &source.components).map_err(|error| at("Components", error.to_string()))?;
                if found.len() == MOST_REPOSITORIES {
                    return Err(at("Suites", format!("more than {MOST_REPOSITORIES} repositories")));
                }
                found.push(NewPpa {
                    ppa: Ppa {
                        name: name.numbered(found.len() + 1),
                        uri: uri.clone(),
                        suite,
                        components: source.components.clone(),
                        architectures: source.architectures.clone(),
                        keys: keys.clone(),
                        priority: options.priority,
                        packages: options.packages.clone(),
                        private: credentials.is_some(),
                    },
                    credentials: credentials.clone(),
                });
            }
        }
    }
    if found.is_empty() {
        let place = sources.first().map(|source| source.place("Types")).unwrap_or_default();
        let reason = "no stanza has packages: Types: deb is wanted".to_owned();
        return Err(PpaSpecError::Value { place, reason });
    }
    Ok(found)
}

/// The keys that a stanza names.
fn keys_of(source: &AptSource) -> Result<PublicKeys, PpaSpecError> {
    let place = || source.place("Signed-By");
    let value = |error: CertificateError| PpaSpecError::Value {
        place: place(),
        reason: error.to_string(),
    };
    match &source.signed_by {
        None => Err(PpaSpecError::NoKey(source.place("URIs").to_string())),
        Some(SignedBy::Embedded(text)) => PublicKeys::parse(text.as_bytes(), &[]).map_err(value),
        Some(SignedBy::Files { files, .. }) if files.is_empty() => Err(PpaSpecError::NoKey(place().to_string())),
        Some(SignedBy::Files { files, fingerprints }) => {
            let mut armored = String::new();
            for file in files {
                armored.push_str(key_file(file, &[])?.armored());
            }
            PublicKeys::parse(armored.as_bytes(), fingerprints).map_err(value)
        }
    }
}

fn key_option(options: &SpecOptions) -> Result<Option<PublicKeys>, PpaSpecError> {
    let key = options.key.as_ref();
    key.map(|path| key_file(path, &options.fingerprints)).transpose()
}

fn key_file(path: &Path, wanted: &[Fingerprint]) -> Result<PublicKeys, PpaSpecError> {
    let file = TextFile::read(path)?;
    let bad = |error| PpaSpecError::Key {
        path: path.to_owned(),
        error,
    };
    if file.bytes.len() > LARGEST_KEY_FILE {
        return Err(bad(CertificateError::Unreadable("it is too large".to_owned())));
    }
    PublicKeys::parse(&file.bytes, wanted).map_err(bad)
}

/// The URL without its secret, and the secret.
fn split_uri(text: &str) -> Result<(PpaUri, Option<Credentials>), PpaSpecError> {
    match Url::parse(text) {
        Ok(url) => {
            let (url, credentials) = Credentials::split_from(url)?;
            Ok((PpaUri::from_url(url)?, credentials))
        }
        // Says what is wrong without the text.
        Err(_) => Ok((text.parse()?, None)),
    }
}

/// What is sent to a repository: what was given for it, else what its URL held.
fn usable(
    uri: &PpaUri,
    options: &SpecOptions,
    found: Option<Credentials>,
) -> Result<Option<Credentials>, PpaSpecError> {
    let given = options.credentials.as_ref().map(|given| given.of(uri)).transpose()?;
    let credentials = given.flatten().or(found);
    match credentials.is_some() && !may_be_sent_to(&uri.url()) {
        true => Err(CredentialsError::InClear.into()),
        false => Ok(credentials),
    }
}

fn check_components(suite: &SuiteTemplate, components: &[String]) -> Result<(), PpaSpecError> {
    let wants = |what| Err(PpaSpecError::Components(suite.clone(), what));
    let good = |name: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "+.-_/".contains(c);
        name.chars().all(allowed) && name.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
    };
    if suite.is_flat() && !components.is_empty() {
        return wants("no component: it is a flat repository");
    }
    if !suite.is_flat() && components.is_empty() {
        return wants("at least one component, such as main");
    }
    if !components.iter().all(|name| name.len() <= 100 && good(name)) {
        return wants("components of letters, digits and + . - _");
    }
    Ok(())
}

/// Host and path.
fn name_of(uri: &PpaUri) -> Result<PpaName, PpaSpecError> {
    let text = uri.guest_url().as_str().trim_start_matches("http://");
    PpaName::from_text(text).ok_or_else(|| PpaSpecError::Unknown(shortened(text)))
}

/// For messages. What is no URL may hold a password as well, as `user:token@host` does.
fn shortened(text: &str) -> String {
    let shown = match text.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => text.to_owned(),
    };
    shown.chars().take(200).collect()
}
