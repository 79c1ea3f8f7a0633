//! Canonical URLs: one spelling for one file, so that a lock and a store lookup do not depend on how a client wrote
//! it. The scheme is always `http`, since guests speak nothing else and it says nothing about the file.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stays as it is in a path: everything that file names of archives hold.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'~')
    .remove(b'+')
    .remove(b':')
    .remove(b'@')
    .remove(b'=')
    .remove(b',');

const LONGEST: usize = 4096;

/// A URL with lower-case host, no default port, no user, query or fragment, and a path without empty, `.` or `..`
/// segments in which only what must be is percent-encoded (`+` never is).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanonicalUrl(String);

/// Why a text is not such a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is not accepted: {reason}")]
pub struct UrlError {
    url: String,
    reason: &'static str,
}

impl CanonicalUrl {
    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and, where it is not the default one, port.
    #[must_use]
    pub fn authority(&self) -> &str {
        let rest = &self.0["http://".len()..];
        rest.split_once('/').map_or(rest, |(authority, _)| authority)
    }

    /// The path below `base`, without a leading slash; none when it is not below it.
    #[must_use]
    pub fn below(&self, base: &Self) -> Option<&str> {
        let rest = self.0.strip_prefix(base.0.as_str())?;
        if rest.is_empty() {
            Some("")
        } else {
            rest.strip_prefix('/')
        }
    }

    /// The folder and the last segment.
    pub(crate) fn split_last(&self) -> Option<(Self, &str)> {
        let (folder, name) = self.0.rsplit_once('/')?;
        (folder.len() > "http:/".len()).then(|| (Self(folder.to_owned()), name))
    }

    /// `path`, percent-decoded as signed indices have it, below this URL.
    pub(crate) fn join(&self, path: &str) -> Self {
        let mut joined = self.0.clone();
        for segment in path.split('/').filter(|segment| !matches!(*segment, "" | "." | "..")) {
            joined.push('/');
            joined.extend(utf8_percent_encode(segment, ENCODED));
        }
        Self(joined)
    }
}

/// The path as the signed indices spell it.
pub(crate) fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

impl FromStr for CanonicalUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| UrlError {
            url: text.chars().take(512).collect(),
            reason,
        };
        if text.len() > LONGEST {
            return Err(refuse("it is too long"));
        }
        let parsed = url::Url::parse(text).map_err(|_| refuse("it is no URL"))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(refuse("only http and https are"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(refuse("it holds a user name or password"));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(refuse(
                "it holds a query or fragment, which no file of an archive needs",
            ));
        }
        let host = parsed
            .host_str()
            .map(|host| host.trim_end_matches('.'))
            .filter(|host| !host.is_empty())
            .ok_or_else(|| refuse("it has no host"))?;
        let mut canonical = format!("http://{}", host.to_ascii_lowercase());
        if let Some(port) = parsed.port().filter(|&port| port != 80) {
            canonical.push_str(&format!(":{port}"));
        }
        let path = percent_decode_str(parsed.path())
            .decode_utf8()
            .map_err(|_| refuse("its path is not UTF-8"))?;
        if path.chars().any(char::is_control) {
            return Err(refuse("its path holds control characters"));
        }
        if path.split('/').any(|segment| segment == "..") {
            return Err(refuse("its path leads upwards"));
        }
        Ok(Self(canonical).join(&path))
    }
}

impl fmt::Display for CanonicalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_spelling_for_one_file() {
        let wanted = "http://mirror.example/debian/pool/main/g/g++/g++_1.0~rc1+b1_amd64.deb";
        for spelling in [
            wanted,
            "HTTP://Mirror.Example:80/debian/pool/main/g/g++/g++_1.0~rc1+b1_amd64.deb",
            "http://mirror.example//debian/./pool/main/g/g%2b%2B/g%2b+_1.0%7Erc1%2bb1_amd64.deb",
            "https://mirror.example/debian/pool/x/../main/g/g++/g++_1.0~rc1+b1_amd64.deb",
        ] {
            assert_eq!(spelling.parse::<CanonicalUrl>().unwrap().as_str(), wanted);
        }
        let port: CanonicalUrl = "http://mirror.example:8080/a%20b%25".parse().unwrap();
        assert_eq!(
            (port.as_str(), port.authority()),
            ("http://mirror.example:8080/a%20b%25", "mirror.example:8080")
        );
        for bad in [
            "",
            "ftp://x/",
            "http://u:p@x/",
            "http://x/?q",
            "http://x/#f",
            "http://x/a%00b",
            "http://x/a%2f..%2f..%2fb",
            "/x",
            "http://x/%ff",
            "http://.",
        ] {
            assert!(bad.parse::<CanonicalUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn below_stops_at_segments() {
        let base: CanonicalUrl = "http://x/debian/".parse().unwrap();
        let below = |text: &str| text.parse::<CanonicalUrl>().unwrap().below(&base).map(str::to_owned);
        assert_eq!(below("http://x/debian/pool/a"), Some("pool/a".to_owned()));
        assert_eq!(below("http://x/debian-security/pool/a"), None);
        assert_eq!(below("http://x.evil/debian/pool/a"), None);
    }

    proptest! {
        #[test]
        fn canonical_is_a_fixed_point(text in "https?://[A-Za-z.]{1,8}(:[0-9]{1,4})?(/[ -~]{0,10}){0,4}") {
            if let Ok(url) = text.parse::<CanonicalUrl>() {
                prop_assert_eq!(url.as_str().parse::<CanonicalUrl>().unwrap(), url);
            }
        }
    }
}
