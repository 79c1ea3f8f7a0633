//! Reads the host's own apt sources (sources.list(5): one-line and deb822 files), to learn which mirrors its owner
//! prefers. Must not judge them; what fits a recipe is `mirrors`' business.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::process::Command;
use url::Url;

/// Whether apt refuses an archive whose Release file has expired or lies in the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseDates {
    /// As apt does by itself.
    Judged,
    /// The archive is pinned, and whoever pinned it has judged.
    Ignored,
}

impl ReleaseDates {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Judged => "judged",
            Self::Ignored => "ignored",
        }
    }

    /// What the host's own apt does: its owner may have turned the check off for an archive of snapshots.
    pub async fn of_host() -> Self {
        let mut command = Command::new("apt-config");
        command
            .args(["shell", "VALUE", "Acquire::Check-Valid-Until/b"])
            .kill_on_drop(true);
        match command.output().await {
            Ok(output) if output.stdout == b"VALUE='false'\n" => Self::Ignored,
            _ => Self::Judged,
        }
    }
}

/// One binary source of the host's apt: a mirror and the suites that are read from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSource {
    /// The mirror; only http and https are kept.
    pub uri: Url,
    /// The suites.
    pub suites: Vec<String>,
    /// The components.
    pub components: Vec<String>,
    /// Key files that are named; empty where any trusted key counts or the key stands in the file itself.
    pub signed_by: Vec<PathBuf>,
    /// The key stands in the file itself.
    pub inline_key: bool,
}

/// All sources under an apt configuration folder (`/etc/apt`). What cannot be read or parsed is left out with a
/// debug message: it is the host's, and apt complains of it better.
#[must_use]
pub fn read_host_sources(folder: &Path) -> Vec<HostSource> {
    let mut files = vec![folder.join("sources.list")];
    if let Ok(entries) = std::fs::read_dir(folder.join("sources.list.d")) {
        let mut parts: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        parts.sort();
        files.extend(parts);
    }
    let mut sources = Vec::new();
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => sources.extend(text.lines().filter_map(parse_line)),
            Some("sources") => sources.extend(parse_deb822(&text)),
            _ => {}
        }
    }
    sources
}

/// One line of a `.list` file: `deb [option=value …] uri suite component…`.
fn parse_line(line: &str) -> Option<HostSource> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let mut rest = line.strip_prefix("deb")?;
    if !rest.starts_with(char::is_whitespace) {
        return None;
    }
    rest = rest.trim_start();
    let mut signed_by = Vec::new();
    if let Some(after) = rest.strip_prefix('[') {
        let (options, after) = after.split_once(']')?;
        for option in options.split_whitespace() {
            if let Some((key, value)) = option.split_once('=')
                && key.trim_end_matches(['+', '-']).eq_ignore_ascii_case("signed-by")
            {
                signed_by = key_files(value.split(','));
            }
        }
        rest = after;
    }
    let mut words = rest.split_whitespace();
    Some(HostSource {
        uri: mirror(words.next()?)?,
        suites: vec![words.next()?.to_owned()],
        components: words.map(str::to_owned).collect(),
        signed_by,
        inline_key: false,
    })
}

/// The stanzas of a `.sources` file.
fn parse_deb822(text: &str) -> Vec<HostSource> {
    // apt allows comments within a stanza; the parser takes them for the end of a field.
    let uncommented: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| [line, "\n"])
        .collect();
    let stanzas = match deb822_fast::Deb822::from_str(&uncommented) {
        Ok(stanzas) => stanzas,
        Err(error) => {
            tracing::debug!(%error, "a .sources file of the host cannot be parsed");
            return Vec::new();
        }
    };
    let mut sources = Vec::new();
    for stanza in stanzas.iter() {
        let words = |field: &str| -> Vec<String> {
            stanza
                .get(field)
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect()
        };
        let off = stanza
            .get("Enabled")
            .is_some_and(|value| matches!(value.trim(), "no" | "false" | "off" | "0"));
        if off || !words("Types").iter().any(|kind| kind == "deb") {
            continue;
        }
        let signed_by = stanza.get("Signed-By").unwrap_or_default();
        let inline_key = signed_by.contains("-----BEGIN");
        for uri in words("URIs").iter().filter_map(|word| mirror(word)) {
            sources.push(HostSource {
                uri,
                suites: words("Suites"),
                components: words("Components"),
                signed_by: if inline_key {
                    Vec::new()
                } else {
                    key_files(signed_by.split([',', ' ', '\n']))
                },
                inline_key,
            });
        }
    }
    sources
}

fn key_files<'a>(words: impl Iterator<Item = &'a str>) -> Vec<PathBuf> {
    words
        .map(str::trim)
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

fn mirror(word: &str) -> Option<Url> {
    Url::parse(word)
        .ok()
        .filter(|uri| matches!(uri.scheme(), "http" | "https") && uri.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    fn source(uri: &str, suites: &[&str], components: &[&str], signed_by: &[&str]) -> HostSource {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        HostSource {
            uri: Url::parse(uri).unwrap(),
            suites: owned(suites),
            components: owned(components),
            signed_by: signed_by.iter().map(PathBuf::from).collect(),
            inline_key: false,
        }
    }

    #[test]
    fn one_line_sources() {
        for (line, expected) in [
            (
                "deb http://mirror.example/debian bookworm main",
                Some(source("http://mirror.example/debian", &["bookworm"], &["main"], &[])),
            ),
            (
                "deb [arch=amd64 signed-by=/k/a.gpg,/k/b.gpg] https://mirror.example/d sid main contrib # mine",
                Some(source(
                    "https://mirror.example/d",
                    &["sid"],
                    &["main", "contrib"],
                    &["/k/a.gpg", "/k/b.gpg"],
                )),
            ),
            ("# deb http://mirror.example/debian bookworm main", None),
            ("deb-src http://mirror.example/debian bookworm main", None),
            ("deb cdrom:[Debian]/ bookworm main", None),
            ("deb file:/srv/mirror bookworm main", None),
            ("deb [broken http://mirror.example/ x", None),
            ("", None),
        ] {
            assert_eq!(parse_line(line), expected, "{line}");
        }
    }

    #[test]
    fn deb822_sources() {
        let text = "Types: deb\n# a comment within\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\
            Components: main\nSigned-By: /usr/share/keyrings/a.gpg\n\n# between\n\nTypes: deb deb-src\nURIs: https://one.example/ http://two.example/\n\
            Suites: bookworm-security\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n\n\
            Enabled: no\nTypes: deb\nURIs: http://off.example/\nSuites: x\n\nTypes: deb-src\nURIs: http://src.example/\nSuites: x\n";
        let mut inline = source("https://one.example/", &["bookworm-security"], &["main"], &[]);
        inline.inline_key = true;
        let second = HostSource {
            uri: Url::parse("http://two.example/").unwrap(),
            ..inline.clone()
        };
        let first = source(
            "http://mirror.example/debian",
            &["bookworm", "bookworm-updates"],
            &["main"],
            &["/usr/share/keyrings/a.gpg"],
        );
        assert_eq!(parse_deb822(text), [first, inline, second]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = parse_line(&text);
            let _ = parse_deb822(&text);
        }
    }
}
