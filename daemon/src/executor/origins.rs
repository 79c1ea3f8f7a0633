//! Which packages came from a ticket's pockets and PPAs, in words for its logs. What the release gave is nothing to tell of.

use preflight_archive::{CanonicalUrl, LockEntry};
use preflight_core::PackageSources;

use super::session::suite_folder;

/// How many packages a line names.
const MOST: usize = 30;

/// A line for each pocket and PPA from which something was fetched.
pub(super) fn lines<'a>(sources: &PackageSources, fetched: impl Iterator<Item = &'a LockEntry>) -> Vec<String> {
    let pockets = sources
        .pockets
        .iter()
        .map(|used| (suite_folder(&used.suite), used.pocket.to_string()));
    let ppas = sources
        .ppas
        .iter()
        .map(|used| (suite_folder(&used.suite), format!("PPA {}", used.name)));
    let mut found: Vec<(Option<CanonicalUrl>, String, Vec<String>)> = pockets
        .chain(ppas)
        .map(|(folder, name)| (folder, name, Vec::new()))
        .collect();
    for entry in fetched.filter(|entry| entry.origin.is_some()) {
        let from = found.iter_mut().find(|(folder, ..)| *folder == entry.origin);
        if let (Some((_, _, packages)), Some(package)) = (from, package(&entry.url)) {
            packages.push(package);
        }
    }
    found
        .into_iter()
        .filter(|(_, _, packages)| !packages.is_empty())
        .map(|(_, name, packages)| {
            let more = packages.len().saturating_sub(MOST);
            let named = packages.into_iter().take(MOST).collect::<Vec<_>>().join(", ");
            match more {
                0 => format!("preflight: from {name}: {named}"),
                _ => format!("preflight: from {name}: {named}, and {more} more"),
            }
        })
        .collect()
}

/// Name and version by the file's name: `NAME_VERSION_ARCHITECTURE.deb`. Its version lacks the epoch, as in every archive.
fn package(url: &CanonicalUrl) -> Option<String> {
    let file = url.as_str().rsplit('/').next()?.strip_suffix(".deb")?;
    let mut parts = file.split('_');
    Some(format!("{} {}", parts.next()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use preflight_archive::LockKind;
    use preflight_core::{AptSuite, Pocket, PocketUse, PpaUse, Sha256};
    use preflight_debian::Sha256Digest;

    use super::*;

    fn suite(uri: &str, suite: &str) -> AptSuite {
        AptSuite {
            uri: uri.to_owned(),
            suite: suite.to_owned(),
            components: vec![],
        }
    }

    #[test]
    fn what_came_from_pockets_and_ppas_is_named() {
        let sources = PackageSources {
            snapshot: None,
            pockets: vec![PocketUse {
                pocket: Pocket::Proposed,
                suite: suite("http://mirror.example/debian/", "bookworm-proposed-updates"),
                packages: vec![],
            }],
            ppas: vec![PpaUse {
                name: "jane/tools".to_owned(),
                suite: suite("http://ppa.example/jane", "./"),
                upstream: String::new(),
                keys: String::new(),
                state: Sha256([0; 32]),
                priority: None,
                packages: vec![],
            }],
            ..PackageSources::default()
        };
        let entry = |url: &str, origin: Option<&str>| LockEntry {
            url: url.parse().unwrap(),
            sha256: Sha256Digest::of(b""),
            size: 0,
            kind: LockKind::Package,
            origin: origin.map(|origin| origin.parse().unwrap()),
        };
        let proposed = Some("http://mirror.example/debian/dists/bookworm-proposed-updates");
        let mut fetched = vec![
            entry("http://mirror.example/debian/pool/libb_2-1_amd64.deb", proposed),
            entry("http://mirror.example/debian/pool/libc_3-1_all.deb", proposed),
            entry(
                "http://mirror.example/debian/pool/a_1_all.deb",
                Some("http://mirror.example/debian/dists/bookworm"),
            ),
            entry(
                "http://ppa.example/jane/tool_1%7Ex_all.deb",
                Some("http://ppa.example/jane"),
            ),
            entry("http://mirror.example/debian/pool/old_1_all.deb", None),
        ];
        assert_eq!(
            lines(&sources, fetched.iter()),
            [
                "preflight: from proposed: libb 2-1, libc 3-1",
                "preflight: from PPA jane/tools: tool 1~x"
            ]
        );
        assert!(lines(&PackageSources::default(), fetched.iter()).is_empty());
        fetched.extend((0..40).map(|n| entry(&format!("http://mirror.example/debian/pool/n{n}_1_all.deb"), proposed)));
        let many = lines(&sources, fetched.iter());
        assert!(many[0].ends_with(", and 12 more"), "{}", many[0]);
    }
}
