//! The part of the configuration that says where packages come from. What is no URL, path or template is refused while
//! it is read, so that the place in the file is told; whether anybody answers there is the doctor's matter.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;

use preflight_archive::{CanonicalUrl, SnapshotService};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

/// Where packages come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArchiveConfig {
    /// Whether anything may be fetched.
    pub network: NetworkPolicy,
    /// The folder of packages that the host's apt has downloaded, from which they are copied instead of being fetched:
    /// `true` for apt's own, `false` for none, or another folder, absolute.
    pub apt_archives: OfApt<Folder>,
    /// A caching proxy, asked before the mirrors: `true` for the one that the host's apt uses, if it does, `false` for
    /// none, or a URL such as `http://localhost:3142`.
    pub proxy: OfApt<ProxyUrl>,
    /// An archive's URL in the place of the one that the host's apt knows, by recipe, such as
    /// `debian-bookworm = "http://mirror.example/debian"`; `debian-bookworm-security` for its security archive.
    pub mirrors: BTreeMap<String, String>,
    /// Who is asked for what an archive no longer has, by the archive's URL as guests' sources or `mirrors` have it:
    /// `"http://mirror.example/debian" = "https://snapshot.example/archive/debian/{timestamp}/{path}"`, where
    /// `{timestamp}` stands for a moment as `YYYYMMDDTHHMMSSZ` and `{path}` for what follows the archive's URL.
    pub snapshot_services: BTreeMap<ArchiveUrl, ServiceTemplate>,
}

/// Whether anything may be fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkPolicy {
    /// What is missing in the content store is fetched.
    #[default]
    Online,
    /// Nothing is fetched.
    Offline,
}

/// Something that the host's apt is configured with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OfApt<T> {
    /// As apt has it (`true`).
    #[default]
    Same,
    /// None at all (`false`).
    Without,
    /// This one.
    Own(T),
}

/// A kind of value that [`OfApt`] can hold.
pub trait Named {
    /// What a value of it is, in words.
    const WORDS: &'static str;
}

impl<T: fmt::Display> Serialize for OfApt<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Same => serializer.serialize_bool(true),
            Self::Without => serializer.serialize_bool(false),
            Self::Own(own) => serializer.collect_str(own),
        }
    }
}

impl<'de, T: FromStr<Err: fmt::Display> + Named> Deserialize<'de> for OfApt<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoolOrText<T>(PhantomData<T>);

        impl<T: FromStr<Err: fmt::Display> + Named> Visitor<'_> for BoolOrText<T> {
            type Value = OfApt<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "true (as the host's apt has it), false, or {}", T::WORDS)
            }

            fn visit_bool<E: Error>(self, same: bool) -> Result<OfApt<T>, E> {
                Ok(if same { OfApt::Same } else { OfApt::Without })
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OfApt<T>, E> {
                text.parse().map(OfApt::Own).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(BoolOrText(PhantomData))
    }
}

/// A folder, by its absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(pub PathBuf);

impl Named for Folder {
    const WORDS: &'static str = "a folder's absolute path";
}

impl FromStr for Folder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = PathBuf::from(text);
        if path.is_absolute() {
            Ok(Self(path))
        } else {
            Err(format!("{text:?} is no absolute path"))
        }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// A proxy's URL, which may hold a password: it is written to the configuration only.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(Url);

impl ProxyUrl {
    /// The whole URL.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// Its host and port.
    #[must_use]
    pub fn address(&self) -> (&str, u16) {
        (
            self.0.host_str().unwrap_or_default(),
            self.0.port_or_known_default().unwrap_or(80),
        )
    }
}

impl Named for ProxyUrl {
    const WORDS: &'static str = "a proxy's URL, such as http://localhost:3142";
}

impl FromStr for ProxyUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The text is not repeated: it may hold a password.
        let wrong = |what: &str| format!("{what}; wanted is {}", Self::WORDS);
        let url = Url::parse(text).map_err(|error| wrong(&format!("it is no URL ({error})")))?;
        if url.scheme() != "http" || url.host_str().is_none_or(str::is_empty) {
            return Err(wrong("only http proxies are known"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("a proxy has no path"));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for ProxyUrl {
    /// As the configuration has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expose())
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = self.address();
        write!(f, "ProxyUrl({host}:{port})")
    }
}

/// An archive's URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArchiveUrl(pub CanonicalUrl);

impl TryFrom<String> for ArchiveUrl {
    type Error = preflight_archive::UrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<ArchiveUrl> for String {
    fn from(url: ArchiveUrl) -> Self {
        url.0.as_str().to_owned()
    }
}

/// A snapshot service's template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceTemplate(pub SnapshotService);

impl TryFrom<String> for ServiceTemplate {
    type Error = preflight_archive::TemplateError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<ServiceTemplate> for String {
    fn from(template: ServiceTemplate) -> Self {
        template.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("/c.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn places_are_read_and_printed() {
        for text in [
            "apt_archives = false\nproxy = false\n",
            "apt_archives = \"/srv/debs\"\nproxy = \"http://u:secret@cache.example:3142\"\n",
            "[archive.snapshot_services]\n\"http://mirror.example/debian\" = \"https://snapshot.example/{timestamp}/{path}\"\n",
        ] {
            let config = parse(&format!("[archive]\n{text}")).unwrap();
            assert_ne!(config, Config::default(), "{text}");
            assert_eq!(parse(&config.to_toml()).unwrap(), config, "{text}");
            assert!(!format!("{config:?}").contains("secret"));
        }
        let same = parse("[archive]\napt_archives = true\nproxy = true\n").unwrap();
        assert_eq!(same, Config::default());
    }

    #[test]
    fn what_is_no_place_is_named_with_its_own() {
        for (line, place, parts) in [
            ("apt_archives = 1", "2:16", &["absolute path", "true"][..]),
            ("apt_archives = \"debs\"", "2:16", &["\"debs\"", "absolute"]),
            ("proxy = \"localhost:3142\"", "2:9", &["http://localhost:3142"]),
            ("proxy = \"https://u:hidden@cache.example\"", "2:9", &["only http"]),
            ("proxy = \"http://cache.example/debian\"", "2:9", &["no path"]),
            ("proxy = [\"http://cache.example\"]", "2:9", &["proxy's URL"]),
            (
                "snapshot_services = { \"mirror\" = \"https://s.example/{timestamp}/{path}\" }",
                "2:23",
                &["\"mirror\""],
            ),
            (
                "snapshot_services = { \"http://m.example/d\" = \"https://s.example/{path}\" }",
                "2:46",
                &["{timestamp}", "an example"],
            ),
        ] {
            let message = parse(&format!("[archive]\n{line}\n")).unwrap_err();
            assert!(message.starts_with(&format!("/c.toml:{place}: ")), "{line}: {message}");
            for part in parts {
                assert!(message.contains(part), "{message:?} lacks {part:?}");
            }
            assert!(!message.contains("hidden"), "{message}");
        }
    }
}
