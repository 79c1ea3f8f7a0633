//! What a PPA is: where it is, what of it is used, and who may sign it. Plain, checked data: none of it is secret, and
//! all of it may stand in a file, a URL or a terminal as it is.

use std::fmt;
use std::str::FromStr;

use preflight_debian::{CertificateError, Fingerprint, Keyring};
use url::Url;

use crate::ppa::pins::{PinPriority, PinnedPackage};
use crate::session::Mirror;
use crate::url::CanonicalUrl;

/// A PPA by all that is needed to use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ppa {
    /// What it is called here.
    pub name: PpaName,
    /// Where it is fetched.
    pub uri: PpaUri,
    /// Its suite, which may depend on the series.
    pub suite: SuiteTemplate,
    /// Its components; none where it is flat.
    pub components: Vec<String>,
    /// The Debian architectures for which it may be used; all where it is empty.
    pub architectures: Vec<String>,
    /// Who may sign it.
    pub keys: PublicKeys,
    /// apt's priority of all its packages; without one, apt's own (500).
    pub priority: Option<PinPriority>,
    /// Packages that come from it even where another archive has a newer version.
    pub packages: Vec<PinnedPackage>,
    /// Whether it wants credentials.
    pub private: bool,
}

/// Why a part of a PPA's definition is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}: {rule}")]
pub struct PpaFieldError {
    text: String,
    what: &'static str,
    rule: &'static str,
}

impl PpaFieldError {
    fn new(text: &str, what: &'static str, rule: &'static str) -> Self {
        Self {
            text: text.chars().take(200).collect(),
            what,
            rule,
        }
    }
}

const LONGEST_NAME: usize = 100;

/// A PPA's name: `owner/name` for Launchpad's, otherwise what the user or the file's name says. Segments, parted by
/// slashes, of letters, digits, `+`, `.` and `-`, which begin with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PpaName(String);

impl PpaName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as part of a file name: only what apt accepts in `sources.list.d` (letters, digits, `_`, `-`, `.`). Two
    /// names never give the same, since a name has no `_` of its own.
    #[must_use]
    pub fn file_stem(&self) -> String {
        self.0.replace('+', "__").replace('/', "_")
    }

    /// The nearest name to any text; none where nothing of it can stand.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let kept: String = text
            .chars()
            .map(|c| if is_name_character(c) { c } else { '-' })
            .take(LONGEST_NAME)
            .collect();
        let segments: Vec<&str> = kept
            .split('/')
            .map(|segment| segment.trim_matches(|c: char| !c.is_ascii_alphanumeric()))
            .filter(|segment| !segment.is_empty())
            .collect();
        segments.join("/").parse().ok()
    }

    /// The same with a number, for the second and later repositories of one file.
    pub(crate) fn numbered(&self, number: usize) -> Self {
        match number {
            0 | 1 => self.clone(),
            _ => Self(format!("{}-{number}", self.0)),
        }
    }
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-' | '/')
}

impl fmt::Display for PpaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for PpaName {
    type Err = PpaFieldError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let segment = |segment: &str| segment.starts_with(|c: char| c.is_ascii_alphanumeric());
        if text.len() <= LONGEST_NAME && text.chars().all(is_name_character) && text.split('/').all(segment) {
            Ok(Self(text.to_owned()))
        } else {
            let rule = "letters, digits, +, . and - are wanted, in segments that begin with a letter or digit";
            Err(PpaFieldError::new(text, "name of a PPA", rule))
        }
    }
}

/// The URL of an apt repository, the folder that holds `dists/`: http or https, without user, password, query, fragment
/// and trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PpaUri {
    url: Url,
    text: String,
    guest: CanonicalUrl,
}

impl PpaUri {
    /// The URL as it is fetched.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL in the guest's sources; it is this one that locks and states name.
    #[must_use]
    pub fn guest_url(&self) -> &CanonicalUrl {
        &self.guest
    }

    /// The repository as a session knows it: the guest asks the plain http URL, the daemon fetches the real one.
    #[must_use]
    pub fn mirror(&self) -> Mirror {
        Mirror {
            upstream: Some(self.text.clone()),
            ..Mirror::new(self.guest.as_str())
        }
    }

    pub(crate) fn url(&self) -> Url {
        self.url.clone()
    }

    pub(crate) fn from_url(url: Url) -> Result<Self, PpaFieldError> {
        // Never quoted before it is known to hold no password.
        if !url.username().is_empty() || url.password().is_some() {
            let rule = "user and password do not belong into it: put USER:TOKEN into a file and give it with --token-file FILE";
            return Err(PpaFieldError::new("the URL", "URL of a repository", rule));
        }
        // Of what is no such URL nothing else is quoted: `user:password@host` parses as a URL, too.
        if !matches!(url.scheme(), "http" | "https") {
            let rule = "only http and https are; serve a folder with a web server";
            return Err(PpaFieldError::new(url.scheme(), "URL of a repository", rule));
        }
        let host = url.host_str().unwrap_or_default();
        let refuse = |rule| PpaFieldError::new(host, "URL of a repository", rule);
        let text = url.as_str().trim_end_matches('/').to_owned();
        let guest = text
            .parse()
            .map_err(|_| refuse("a host and a plain path are wanted, without a query"))?;
        Ok(Self { url, text, guest })
    }
}

impl fmt::Display for PpaUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for PpaUri {
    type Err = PpaFieldError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What can't be parsed may hold a password all the same.
        let no_url = |_| PpaFieldError::new("the text", "URL of a repository", "it can't be parsed as a URL");
        Self::from_url(Url::parse(text).map_err(no_url)?)
    }
}

const SERIES: &str = "{series}";

/// A suite in which `{series}` stands for the series' code name (`noble`, `bookworm`); one that ends in a slash is the
/// folder of a flat repository (sources.list(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuiteTemplate(String);

impl SuiteTemplate {
    /// The suite that has the series' own code name.
    #[must_use]
    pub fn of_series() -> Self {
        Self(SERIES.to_owned())
    }

    /// The template.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the repository is flat: no `dists/`, no components.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.0.ends_with('/')
    }

    /// The suite for a series.
    ///
    /// # Errors
    /// The code name is none.
    pub fn expand(&self, code_name: &str) -> Result<String, PpaFieldError> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-');
        if code_name.is_empty() || !code_name.chars().all(good) || code_name.contains("..") {
            return Err(PpaFieldError::new(
                code_name,
                "code name of a series",
                "letters, digits, +, . and - are wanted",
            ));
        }
        Ok(self.0.replace(SERIES, code_name))
    }
}

impl fmt::Display for SuiteTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for SuiteTemplate {
    type Err = PpaFieldError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |rule| Err(PpaFieldError::new(text, "suite", rule));
        if text.contains("$(ARCH)") {
            return refuse("the variable $(ARCH) is not supported; write the architecture itself");
        }
        let plain = text.replace(SERIES, "x");
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-' | '_' | '~' | '/');
        let segments = plain.trim_end_matches('/');
        let steps = segments.split('/').all(|segment| !matches!(segment, "" | ".."));
        if text.len() > 200 || !plain.chars().all(good) || !(steps || plain == "/") {
            return refuse(
                "letters, digits and + . - _ ~ are wanted, {series} for the series' code name, / at the end for a flat repository",
            );
        }
        Ok(Self(text.to_owned()))
    }
}

/// The certificates that may sign a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeys {
    armored: String,
    fingerprints: Vec<Fingerprint>,
}

impl PublicKeys {
    /// The certificates of a key file's content, binary or armored; only those with the `wanted` fingerprints where there
    /// are any.
    pub fn parse(content: &[u8], wanted: &[Fingerprint]) -> Result<Self, CertificateError> {
        let all = Keyring::parse(content)?;
        let keyring = if wanted.is_empty() {
            all
        } else {
            all.with_fingerprints(wanted)?
        };
        Ok(Self {
            armored: keyring.to_armored()?,
            fingerprints: keyring.fingerprints(),
        })
    }

    /// One armored text, for a file in the guest whose name ends in `.asc`.
    #[must_use]
    pub fn armored(&self) -> &str {
        &self.armored
    }

    /// The certificates' fingerprints.
    #[must_use]
    pub fn fingerprints(&self) -> &[Fingerprint] {
        &self.fingerprints
    }

    pub(crate) fn keyring(&self) -> Result<Keyring, CertificateError> {
        Keyring::parse(self.armored.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn names_and_their_file_names() {
        let names = ["owner/name", "owner/debian/name", "a+b", "a++b", "a+/b", "a.b-c", "A9"];
        let stems: BTreeSet<String> = names
            .iter()
            .map(|name| name.parse::<PpaName>().unwrap().file_stem())
            .collect();
        assert_eq!(stems.len(), names.len());
        assert!(
            stems
                .iter()
                .all(|stem| stem.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)))
        );
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            "a_b",
            "-a",
            "a/../b",
            "a b",
            "é",
            &"a".repeat(101),
        ] {
            assert!(bad.parse::<PpaName>().is_err(), "{bad:?}");
        }
        let near = |text: &str| PpaName::from_text(text).map(|name| name.0);
        assert_eq!(near("my_repo.sources").as_deref(), Some("my-repo.sources"));
        assert_eq!(near("mirror.example//x/_").as_deref(), Some("mirror.example/x"));
        assert_eq!(near("../_"), None);
    }

    #[test]
    fn urls_hold_no_secret_and_tell_none() {
        let uri: PpaUri = "https://Mirror.example:8443/owner/name/ubuntu/".parse().unwrap();
        assert_eq!(uri.as_str(), "https://mirror.example:8443/owner/name/ubuntu");
        assert_eq!(uri.guest_url().as_str(), "http://mirror.example:8443/owner/name/ubuntu");
        for bad in [
            "https://jane:hush@mirror.example/a",
            "jane:hush@mirror.example",
            "https://jane:hush@mirror.example:port/a",
            "file:/srv/x",
            "https://mirror.example/a?b",
            "mirror.example",
            "",
        ] {
            let told = bad.parse::<PpaUri>().unwrap_err().to_string();
            assert!(!told.contains("hush"), "{told}");
        }
    }

    #[test]
    fn suites_follow_the_series() {
        let suite = |text: &str| text.parse::<SuiteTemplate>();
        assert_eq!(SuiteTemplate::of_series().expand("noble").unwrap(), "noble");
        assert_eq!(
            suite("{series}-proposed").unwrap().expand("noble").unwrap(),
            "noble-proposed"
        );
        assert_eq!(
            suite("stable/updates").unwrap().expand("noble").unwrap(),
            "stable/updates"
        );
        for flat in ["./", "/", "{series}/x/"] {
            assert!(suite(flat).unwrap().is_flat(), "{flat}");
        }
        for bad in [
            "",
            "a b",
            "../x",
            "a/../b",
            "a//b",
            "binary-$(ARCH)/",
            "{codename}",
            "a\u{1b}",
        ] {
            assert!(suite(bad).is_err(), "{bad:?}");
        }
        assert!(SuiteTemplate::of_series().expand("../x").is_err());
    }
}
