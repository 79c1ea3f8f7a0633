//! What a private PPA wants to be told before it answers: a user and a token, sent as basic authentication by the
//! fetcher and by nobody else. Nothing here can be printed, and no error quotes what it was made from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::percent_decode_str;
use reqwest::header::HeaderValue;
use url::{Host, Url};

use crate::archive::unpoisoned;
use crate::ppa::definition::PpaUri;

/// Longer ones exist nowhere.
const LONGEST: usize = 1024;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; for the wire and for the file that only the owner reads.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A user and a token; parsed from `USER:TOKEN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The subscriber's name; Launchpad's own.
    pub user: String,
    /// The password or subscription token.
    pub token: Secret,
}

/// Why a text or a URL is refused; without the text, since it is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// Not `USER:TOKEN`.
    #[error("credentials are written USER:TOKEN, both of printable characters without blanks")]
    Malformed,
    /// Anybody on the way could read it.
    #[error("a token is sent over https only; write the URL with https://")]
    InClear,
}

impl Credentials {
    /// Checks both parts.
    pub fn new(user: &str, token: &str) -> Result<Self, CredentialsError> {
        let good = |text: &str| (1..=LONGEST).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic());
        // Basic authentication (RFC 7617) parts user and password at the first colon.
        if good(user) && good(token) && !user.contains(':') {
            Ok(Self {
                user: user.to_owned(),
                token: Secret::new(token),
            })
        } else {
            Err(CredentialsError::Malformed)
        }
    }

    /// Takes user and password out of a URL; the URL comes back without them.
    pub(crate) fn split_from(mut url: Url) -> Result<(Url, Option<Self>), CredentialsError> {
        if url.username().is_empty() && url.password().is_none() {
            return Ok((url, None));
        }
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8();
            text.map(std::borrow::Cow::into_owned)
                .map_err(|_| CredentialsError::Malformed)
        };
        let credentials = Self::new(&decoded(url.username())?, &decoded(url.password().unwrap_or_default())?)?;
        if !may_be_sent_to(&url) {
            return Err(CredentialsError::InClear);
        }
        url.set_username("").map_err(|()| CredentialsError::Malformed)?;
        url.set_password(None).map_err(|()| CredentialsError::Malformed)?;
        Ok((url, Some(credentials)))
    }

    fn header(&self) -> Option<HeaderValue> {
        let pair = format!("{}:{}", self.user, self.token.expose());
        let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(pair))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl FromStr for Credentials {
    type Err = CredentialsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (user, token) = text.trim().split_once(':').ok_or(CredentialsError::Malformed)?;
        Self::new(user, token)
    }
}

/// Over https, or within this machine.
pub(crate) fn may_be_sent_to(url: &Url) -> bool {
    let within = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || within
}

/// Which repository wants which credentials, as apt's auth.conf(5) has it. Kept apart from mirrors and sessions, so that
/// whatever is made of those (locks, states, refusals, errors) can't hold a secret.
#[derive(Debug, Default)]
pub(crate) struct CredentialBook {
    entries: Mutex<Vec<(Url, Credentials)>>,
}

impl CredentialBook {
    /// What is sent from now on to the repository at `uri`; nothing for none.
    pub(crate) fn set(&self, uri: &PpaUri, credentials: Option<Credentials>) -> Result<(), CredentialsError> {
        let url = uri.url();
        if credentials.is_some() && !may_be_sent_to(&url) {
            return Err(CredentialsError::InClear);
        }
        let mut entries = unpoisoned(&self.entries);
        entries.retain(|(known, _)| *known != url);
        entries.extend(credentials.map(|credentials| (url, credentials)));
        // The longest first, so that a repository below another one's URL is found.
        entries.sort_by_key(|(known, _)| std::cmp::Reverse(known.path().len()));
        Ok(())
    }

    /// What to send with a request of this URL.
    pub(crate) fn header(&self, url: &str) -> Option<HeaderValue> {
        let entries = unpoisoned(&self.entries);
        if entries.is_empty() {
            return None;
        }
        let url = Url::parse(url).ok()?;
        entries
            .iter()
            .find(|(known, _)| covers(known, &url))
            .and_then(|(_, credentials)| credentials.header())
    }
}

/// The same scheme, host and port, and a path below.
fn covers(known: &Url, url: &Url) -> bool {
    let below = url
        .path()
        .strip_prefix(known.path().trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    known.origin() == url.origin() && below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_a_secret() {
        let credentials: Credentials = "jane:hush".parse().unwrap();
        let shown = format!(
            "{credentials:?} {credentials:#?} {} {:?}",
            credentials.token,
            credentials.header()
        );
        assert!(
            !shown.contains("hush") && !shown.contains(&BASE64.encode("jane:hush")),
            "{shown}"
        );
        for bad in ["", "hush", ":hush", "jane:", "jane:h ush", "jane:hüsh"] {
            let told = bad.parse::<Credentials>().unwrap_err();
            assert!(!format!("{told} {told:?}").contains("ush"));
        }
    }

    #[test]
    fn a_url_is_parted_from_its_secret() {
        let split = |text: &str| Credentials::split_from(Url::parse(text).unwrap());
        let (url, credentials) = split("https://jane:h%40sh@private.example/a/b").unwrap();
        assert_eq!(url.as_str(), "https://private.example/a/b");
        assert_eq!(credentials, Some(Credentials::new("jane", "h@sh").unwrap()));
        assert_eq!(split("https://private.example/a").unwrap().1, None);
        assert_eq!(
            split("http://jane:hush@private.example/a"),
            Err(CredentialsError::InClear)
        );
        assert_eq!(
            split("https://jane@private.example/a"),
            Err(CredentialsError::Malformed)
        );
        assert!(split("http://jane:hush@127.0.0.1:8080/a").is_ok());
    }

    #[test]
    fn they_are_sent_to_their_own_repository_only() {
        let book = CredentialBook::default();
        let uri = |text: &str| text.parse::<PpaUri>().unwrap();
        let jane = Credentials::new("jane", "hush").unwrap();
        let joe = Credentials::new("joe", "quiet").unwrap();
        book.set(&uri("https://private.example/a"), Some(jane.clone())).unwrap();
        book.set(&uri("https://private.example/a/deeper"), Some(joe.clone()))
            .unwrap();
        assert_eq!(
            book.header("https://private.example/a/dists/x/InRelease"),
            jane.header()
        );
        assert_eq!(
            book.header("https://private.example/a/deeper/dists/x/InRelease"),
            joe.header()
        );
        for other in [
            "http://private.example/a/x",
            "https://private.example/ab/x",
            "https://private.example:8443/a/x",
            "https://private.example.evil.example/a/x",
            "https://other.example/a/x",
            "nonsense",
        ] {
            assert_eq!(book.header(other), None, "{other}");
        }
        book.set(&uri("https://private.example/a"), None).unwrap();
        assert_eq!(book.header("https://private.example/a/x"), None);
        let in_clear = book.set(&uri("http://private.example/a"), Some(jane));
        assert_eq!(in_clear, Err(CredentialsError::InClear));
    }
}
