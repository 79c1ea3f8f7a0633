//! Of which source package, version, release and architecture results are: what files say of themselves, and where that is
//! missing, what the place that they come from is called. Guesses, which the owner may overrule.

use preflight_debian::{SourceName, Version};

/// Of what results are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The source package.
    pub source: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// A series' name, as recipes are called: `debian-sid`, `ubuntu-noble`.
    pub series: Option<String>,
    /// Debian's name of the architecture.
    pub architecture: Option<String>,
}

impl Identity {
    /// Takes from another one what is missing in this one.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            source: self.source.or(other.source),
            version: self.version.or(other.version),
            series: self.series.or(other.series),
            architecture: self.architecture.or(other.architecture),
        }
    }

    /// Drops what can be none: names come from strangers.
    #[must_use]
    pub(crate) fn judged(self) -> Self {
        Self {
            source: self.source.filter(|source| source.parse::<SourceName>().is_ok()),
            version: self.version.filter(|version| version.parse::<Version>().is_ok()),
            series: self.series,
            architecture: self.architecture.filter(|name| ARCHITECTURES.contains(&name.as_str())),
        }
    }
}

/// The releases' names as results have them, whose they are, and how recipes call them.
const RELEASES: [(&str, &str); 31] = [
    ("buster", "debian-buster"),
    ("bullseye", "debian-bullseye"),
    ("bookworm", "debian-bookworm"),
    ("trixie", "debian-trixie"),
    ("forky", "debian-forky"),
    ("duke", "debian-duke"),
    ("sid", "debian-sid"),
    ("unstable", "debian-sid"),
    ("testing", "debian-testing"),
    ("stable", "debian-stable"),
    ("oldstable", "debian-oldstable"),
    ("experimental", "debian-experimental"),
    ("rc-buggy", "debian-experimental"),
    ("trusty", "ubuntu-trusty"),
    ("xenial", "ubuntu-xenial"),
    ("bionic", "ubuntu-bionic"),
    ("focal", "ubuntu-focal"),
    ("groovy", "ubuntu-groovy"),
    ("hirsute", "ubuntu-hirsute"),
    ("impish", "ubuntu-impish"),
    ("jammy", "ubuntu-jammy"),
    ("kinetic", "ubuntu-kinetic"),
    ("lunar", "ubuntu-lunar"),
    ("mantic", "ubuntu-mantic"),
    ("noble", "ubuntu-noble"),
    ("oracular", "ubuntu-oracular"),
    ("plucky", "ubuntu-plucky"),
    ("questing", "ubuntu-questing"),
    ("resolute", "ubuntu-resolute"),
    ("artful", "ubuntu-artful"),
    ("disco", "ubuntu-disco"),
];

const ARCHITECTURES: [&str; 13] = [
    "amd64", "arm64", "armel", "armhf", "i386", "loong64", "mips64el", "mipsel", "ppc64el", "riscv64", "s390x",
    "sparc64", "x32",
];

/// The series of a release's name.
pub(crate) fn series_of(release: &str) -> Option<String> {
    let mut found = RELEASES
        .iter()
        .filter(|(name, series)| *name == release || *series == release);
    found.next().map(|(_, series)| (*series).to_owned())
}

/// The series that a command or the name of a testbed speaks of.
pub(crate) fn series_within(text: &str) -> Option<String> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric())
        .find_map(series_of)
}

/// `SOURCE VERSION`, as `testpkg-version` has it.
pub(crate) fn of_package(text: &str) -> Identity {
    let mut words = text.split_whitespace();
    Identity {
        source: words.next().map(ToOwned::to_owned),
        version: words.next().map(ToOwned::to_owned),
        ..Identity::default()
    }
}

/// What a place is called: `…/noble/amd64/h/hello/20260102_030405_abcde@/…`, as Ubuntu's and Debian's infrastructure have
/// it.
pub(crate) fn of_place(place: &str) -> Identity {
    let place = place.split(['?', '#']).next().unwrap_or(place);
    let parts: Vec<&str> = place.split('/').filter(|part| !part.is_empty()).collect();
    for four in parts.windows(4) {
        let &[release, architecture, prefix, source] = four else {
            continue;
        };
        let Some(series) = series_of(release) else { continue };
        let is_prefix = source.starts_with(prefix) && (prefix.len() == 1 || prefix.starts_with("lib"));
        if ARCHITECTURES.contains(&architecture) && is_prefix && !prefix.is_empty() {
            return Identity {
                source: Some(source.to_owned()),
                version: None,
                series: Some(series),
                architecture: Some(architecture.to_owned()),
            }
            .judged();
        }
    }
    Identity::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_the_infrastructure() {
        for (place, expected) in [
            (
                "https://mirror.example/results/autopkgtest-noble/noble/amd64/h/hello/20260102_030405_abcde@/result.tar",
                Some(("hello", "ubuntu-noble", "amd64")),
            ),
            (
                "https://ci.example/data/autopkgtest/unstable/arm64/libx/libxml2/4711/log.gz",
                Some(("libxml2", "debian-sid", "arm64")),
            ),
            (
                "/var/tmp/testing/amd64/h/hello",
                Some(("hello", "debian-testing", "amd64")),
            ),
            ("/home/jane/noble/results", None),
            ("/noble/amd64/x/hello", None),
        ] {
            let found = of_place(place);
            let found = found
                .source
                .as_deref()
                .zip(found.series.as_deref())
                .zip(found.architecture.as_deref());
            let expected = expected.map(|(source, series, architecture)| ((source, series), architecture));
            assert_eq!(found, expected, "{place}");
        }
    }

    #[test]
    fn series_are_called_as_recipes_are() {
        for (text, expected) in [
            ("lxc -s -e autopkgtest-unstable-amd64", Some("debian-sid")),
            ("qemu /var/cache/noble.img", Some("ubuntu-noble")),
            ("null", None),
        ] {
            assert_eq!(series_within(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_can_be_no_name_is_none() {
        let judged = of_package("He\u{1b}llo 2 x").judged();
        assert_eq!((judged.source, judged.version.as_deref()), (None, Some("2")));
    }
}
