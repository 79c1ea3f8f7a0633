//! Release files of archives (the "Debian repository format"): dates and the table of indices with their SHA-256.
//! Parses text whose signature somebody else has verified.

use std::collections::BTreeMap;
use std::time::SystemTime;

use deb822_fast::Deb822;
use jiff::Timestamp;
use preflight_debian::Sha256Digest;

/// The largest release file that is read, in bytes; Debian's have about 200 KiB.
pub(crate) const MAX_RELEASE_BYTES: u64 = 16 * 1024 * 1024;

/// What a release file says.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    /// `Date`.
    pub(crate) date: Option<Timestamp>,
    /// `Valid-Until`.
    pub(crate) valid_until: Option<Timestamp>,
    /// `Acquire-By-Hash`.
    pub(crate) by_hash: bool,
    /// Whether apt asks for the index of packages for all architectures: `all` is among `Architectures`, and there is no
    /// `No-Support-for-Architecture-all: Packages`. Otherwise the index of each architecture lists them too, and what is
    /// listed as `binary-all` may not even exist (as on Debian's security mirrors).
    all_apart: bool,
    /// Path below the release file's folder → digest and size.
    pub(crate) files: BTreeMap<String, Listed>,
}

/// A digest and a size that a signature vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) sha256: Sha256Digest,
    pub(crate) size: u64,
}

/// An index of files: `Packages` or `Sources`, in all the compressions that are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    /// The path without a compression's suffix.
    pub(crate) stem: String,
    /// Full path, digest and size; the smallest to fetch first.
    pub(crate) variants: Vec<(String, Listed)>,
}

impl Release {
    pub(crate) fn parse(signed: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(signed).map_err(|_| "it is not UTF-8")?;
        let document: Deb822 = text.parse().map_err(|error: deb822_fast::Error| error.to_string())?;
        let mut stanzas = document.iter();
        let (Some(stanza), None) = (stanzas.next(), stanzas.next()) else {
            return Err("it has not exactly one stanza".to_owned());
        };
        let date = |field| {
            stanza
                .get(field)
                .map(|value| parse_date(value).ok_or_else(|| format!("its {field} is no date")))
                .transpose()
        };
        let names = |field, word| {
            let value = stanza.get(field)?;
            Some(value.split_ascii_whitespace().any(|name| name == word))
        };
        let mut files = BTreeMap::new();
        for line in stanza
            .get("SHA256")
            .ok_or("it lists no SHA256 digests")?
            .lines()
            .filter(|line| !line.trim().is_empty())
        {
            let mut words = line.split_ascii_whitespace();
            let (Some(sha256), Some(size), Some(path), None) = (words.next(), words.next(), words.next(), words.next())
            else {
                return Err(format!("the SHA256 line {line:?} is malformed"));
            };
            let listed = Listed {
                sha256: sha256
                    .parse()
                    .map_err(|error: preflight_debian::DigestParseError| error.to_string())?,
                size: size.parse().map_err(|_| format!("the size in {line:?} is no number"))?,
            };
            files.insert(path.trim_start_matches("./").to_owned(), listed);
        }
        Ok(Self {
            date: date("Date")?,
            valid_until: date("Valid-Until")?,
            by_hash: stanza.get("Acquire-By-Hash").is_some_and(|value| value.trim() == "yes"),
            all_apart: names("Architectures", "all").unwrap_or(true)
                && !names("No-Support-for-Architecture-all", "Packages").unwrap_or(false),
            files,
        })
    }

    /// Whether `Valid-Until` has passed at `now`.
    pub(crate) fn is_expired(&self, now: SystemTime) -> bool {
        match (self.valid_until, Timestamp::try_from(now)) {
            (Some(until), Ok(now)) => now > until,
            _ => false,
        }
    }

    /// The listed file that a path below the release file's folder means, `by-hash` included.
    pub(crate) fn find(&self, path: &str) -> Option<Listed> {
        let by_hash = path
            .rsplit_once("by-hash/SHA256/")
            .and_then(|(folder, name)| Some((folder, name.parse().ok()?)));
        match by_hash {
            Some((folder, sha256)) => self
                .files
                .iter()
                .find(|(listed_path, listed)| {
                    let in_folder = listed_path.strip_prefix(folder).is_some_and(|name| !name.contains('/'));
                    listed.sha256 == sha256 && in_folder
                })
                .map(|(_, listed)| *listed),
            None => self.files.get(path).copied(),
        }
    }

    /// All indices that list packages or sources and that apt may ask for.
    pub(crate) fn indices(&self) -> Vec<Index> {
        // Without .zst and .bz2: every archive has one of these, and each decoder is one more attack surface.
        const SUFFIXES: [&str; 3] = [".xz", ".gz", ""];
        let mut stems: Vec<String> = self
            .files
            .keys()
            .filter_map(|path| SUFFIXES.iter().find_map(|suffix| path.strip_suffix(suffix)))
            .filter(|stem| matches!(stem.rsplit('/').next(), Some("Packages" | "Sources")))
            .filter(|stem| self.all_apart || !stem.ends_with("/binary-all/Packages"))
            .map(str::to_owned)
            .collect();
        stems.sort_unstable();
        stems.dedup();
        stems
            .into_iter()
            .map(|stem| {
                let variant = |suffix: &&str| {
                    let path = format!("{stem}{suffix}");
                    self.files.get(&path).map(|listed| (path, *listed))
                };
                let variants = SUFFIXES.iter().filter_map(variant).collect();
                Index { stem, variants }
            })
            .collect()
    }
}

/// Dates are RFC 2822 with the zone written `UTC`, which that format does not know.
fn parse_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let text = ["UTC", "GMT", "Z"]
        .iter()
        .find_map(|zone| text.strip_suffix(zone))
        .map_or(text.to_owned(), |t| format!("{}+0000", t));
    jiff::fmt::rfc2822::parse(&text).ok().map(|zoned| zoned.timestamp())
}

/// A date as release files have it.
pub(crate) fn format_date(at: SystemTime) -> String {
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RELEASE: &str = "Origin: X\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nValid-Until: Sat, 18 Jul 2026 10:16:37 UTC\nAcquire-By-Hash: yes\nSHA256:\n e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages\n ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 3 main/binary-amd64/Packages.xz\n ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 3 main/source/Sources.gz\n";

    #[test]
    fn dates_files_and_indices() {
        let release = Release::parse(RELEASE.as_bytes()).unwrap();
        let date = SystemTime::from(release.date.unwrap());
        assert_eq!(format_date(date), "Sat, 11 Jul 2026 10:16:37 UTC");
        assert!(!release.is_expired(date));
        for (fields, all_apart) in [
            ("", true),
            ("Architectures: all amd64\n", true),
            (
                "Architectures: all amd64\nNo-Support-for-Architecture-all: Packages\n",
                false,
            ),
            ("Architectures: amd64\n", false),
        ] {
            let text = format!(
                "{fields}{}",
                RELEASE.replace("main/source/Sources", "main/binary-all/Packages")
            );
            let indices = Release::parse(text.as_bytes()).unwrap().indices();
            let of_all = indices.iter().any(|index| index.stem == "main/binary-all/Packages");
            assert_eq!(of_all, all_apart, "{fields}");
        }
        assert!(release.is_expired(date + Duration::from_secs(8 * 86400)));
        let abc = Listed {
            sha256: Sha256Digest::of(b"abc"),
            size: 3,
        };
        assert_eq!(release.find("main/binary-amd64/Packages.xz"), Some(abc));
        assert_eq!(
            release.find(&format!("main/binary-amd64/by-hash/SHA256/{}", abc.sha256)),
            Some(abc)
        );
        assert_eq!(release.find(&format!("main/by-hash/SHA256/{}", abc.sha256)), None);
        assert_eq!(release.find("main/binary-amd64/by-hash/SHA256/zz"), None);
        let indices = release.indices();
        assert_eq!(
            indices.iter().map(|i| i.stem.as_str()).collect::<Vec<_>>(),
            ["main/binary-amd64/Packages", "main/source/Sources"]
        );
        assert_eq!(indices[0].variants[0].0, "main/binary-amd64/Packages.xz");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "([A-Za-z0-9-]{0,8}:? ?[ -~é]{0,20}\n){0,8}", path in "[ -~]{0,30}") {
            if let Ok(release) = Release::parse(format!("{text}SHA256:\n").as_bytes()) {
                let _ = (release.find(&path), release.indices());
            }
        }
    }

    #[test]
    fn what_is_not_a_release_is_refused() {
        for bad in [
            "",
            "Date: x\nSHA256:\n",
            "Origin: X\n",
            "Origin: X\nSHA256:\n zz 1 a\n",
            "Origin: X\n\nOrigin: Y\n",
        ] {
            assert!(Release::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
