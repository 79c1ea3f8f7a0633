//! What is to be where in a testbed so that its apt knows a ticket's package sources: sources, keys and preferences. Pure.

use std::collections::BTreeMap;

use preflight_archive::{
    CanonicalUrl, PinError, PinPriority, PinnedPackage, PocketPins, PpaFieldError, PpaUri, SuiteLabels,
    mounted_preferences, mounted_source, pocket_preferences, ppa_preferences,
};
use preflight_core::{AptSuite, PackageSources};

use super::words::line;
use crate::executor::suite_folder;
use crate::mounted;

/// Where an image has its sources: all of them, as lines (sources.list(5)).
const SOURCES: &str = "/etc/apt/sources.list";
/// What is added, apart from the archive: apt can be told to read it alone.
pub(super) const ADDED_SOURCES: &str = "/etc/apt/sources.list.d/preflight-added.list";
/// The keys that the snapshot was judged by; apt goes by the suffix.
const KEYRING: &str = "/etc/apt/keyrings/preflight-archive";
const PPA_KEYRING: &str = "/etc/apt/keyrings/preflight-ppa";
const MOUNTED_KEYRING: &str = "/etc/apt/keyrings/preflight-mounted";
/// One file, since of two general pins that match apt takes the first.
pub(super) const PREFERENCES: &str = "/etc/apt/preferences.d/preflight-package-sources";

/// What there is to know of a ticket's package sources beside what its record says.
pub(super) struct Known {
    /// The keys of the archive, binary or armored; they are looked at where there is a snapshot.
    pub(super) archive_keys: Vec<u8>,
    /// What the suites call themselves, by the URL of their folder.
    pub(super) labels: BTreeMap<CanonicalUrl, SuiteLabels>,
    /// The key of each of the other tickets' repositories, in their order, armored.
    pub(super) repository_keys: Vec<String>,
}

/// Why there is no way to tell a testbed's apt.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FilesError {
    /// A pin that its ticket should never have had.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A URL that its ticket should never have had.
    #[error(transparent)]
    Uri(#[from] PpaFieldError),
    /// apt would take the pocket's packages for any archive's.
    #[error(
        "the release file of {suite} does not say which suite it is, and so apt cannot tell the pocket {pocket} from others"
    )]
    Nameless {
        /// The suite.
        suite: String,
        /// The pocket.
        pocket: String,
    },
}

/// Path and content of each file.
pub(super) fn files(sources: &PackageSources, known: &Known) -> Result<Vec<(String, Vec<u8>)>, FilesError> {
    let mut files = Vec::new();
    if let Some(snapshot) = &sources.snapshot {
        let is_text = known.archive_keys.starts_with(b"-----BEGIN");
        let keyring = format!("{KEYRING}.{}", if is_text { "asc" } else { "gpg" });
        // A pocket may be one of the suites that every image has.
        let mut suites: Vec<&AptSuite> = snapshot.suites.iter().collect();
        for used in &sources.pockets {
            if !suites.contains(&&used.suite) {
                suites.push(&used.suite);
            }
        }
        let lines = suites.into_iter().map(|suite| line(suite, Some(&keyring)));
        let text = text_of(lines);
        files.push((keyring, known.archive_keys.clone()));
        files.push((SOURCES.to_owned(), text));
    }
    let mut added = String::new();
    for (used, number) in sources.ppas.iter().zip(1..) {
        let keyring = format!("{PPA_KEYRING}-{number}.asc");
        added += &(line(&used.suite, Some(&keyring)) + "\n");
        files.push((keyring, used.keys.clone().into_bytes()));
    }
    for (used, key) in sources.repositories.iter().zip(&known.repository_keys) {
        let path = mounted::path(used);
        let keyring = format!("{MOUNTED_KEYRING}-{path}.asc");
        added += &mounted_source(&path, &keyring);
        files.push((keyring, key.clone().into_bytes()));
    }
    if !added.is_empty() {
        files.push((ADDED_SOURCES.to_owned(), added.into_bytes()));
    }
    let preferences = preferences(sources, known)?;
    if !preferences.is_empty() {
        files.push((PREFERENCES.to_owned(), preferences.into_bytes()));
    }
    Ok(files)
}

fn text_of(lines: impl Iterator<Item = String>) -> Vec<u8> {
    lines.map(|line| line + "\n").collect::<String>().into_bytes()
}

/// What apt is to prefer. Where a pocket gives only the packages that are named, all others come from the release, which has a
/// priority of its own for that; a PPA without one gets the same: it is added for its newer versions, whatever pocket is
/// there besides.
pub(super) fn preferences(sources: &PackageSources, known: &Known) -> Result<String, FilesError> {
    let labels = |suite: &AptSuite| suite_folder(suite).and_then(|folder| known.labels.get(&folder));
    let nameless = SuiteLabels::default();
    let is_strict = sources.pockets.iter().any(|used| !used.packages.is_empty());
    let mut stanzas = Vec::new();
    if !sources.repositories.is_empty() {
        stanzas.push(mounted_preferences());
    }
    for used in &sources.ppas {
        let own = used.priority.map(PinPriority::try_from).transpose()?;
        let priority = own.or_else(|| is_strict.then_some(PinPriority::OF_RELEASE));
        let uri: PpaUri = used.suite.uri.parse()?;
        let labels = labels(&used.suite).unwrap_or(&nameless);
        stanzas.push(ppa_preferences(&uri, labels, priority, &pinned(&used.packages)?));
    }
    let mut pockets = Vec::new();
    for used in &sources.pockets {
        match labels(&used.suite).filter(|labels| !labels.suite.is_empty()) {
            Some(labels) => pockets.push((labels, pinned(&used.packages)?)),
            None => {
                return Err(FilesError::Nameless {
                    suite: used.suite.suite.clone(),
                    pocket: used.pocket.to_string(),
                });
            }
        }
    }
    let pins: Vec<PocketPins<'_>> = pockets
        .iter()
        .map(|(suite, packages)| PocketPins { suite, packages })
        .collect();
    let usual = sources.snapshot.iter().flat_map(|snapshot| &snapshot.suites);
    let kept: Vec<SuiteLabels> = usual
        .filter(|suite| !sources.pockets.iter().any(|used| used.suite == **suite))
        .filter_map(|suite| labels(suite).cloned())
        .collect();
    if let Some((release, updates)) = kept.split_first() {
        stanzas.push(pocket_preferences(release, updates, &pins));
    }
    stanzas.retain(|text| !text.is_empty());
    Ok(stanzas.join("\n"))
}

fn pinned(packages: &[String]) -> Result<Vec<PinnedPackage>, PinError> {
    packages.iter().map(|name| name.parse()).collect()
}

#[cfg(test)]
mod tests {
    use preflight_core::{PinnedSnapshot, Pocket, PocketUse, PpaUse, RepositoryUse, Sha256, TicketId};

    use super::*;

    const MIRROR: &str = "http://mirror.example/debian";

    fn suite(uri: &str, name: &str) -> AptSuite {
        AptSuite {
            uri: uri.to_owned(),
            suite: name.to_owned(),
            components: vec!["main".to_owned()],
        }
    }

    fn snapshot() -> PinnedSnapshot {
        PinnedSnapshot {
            name: "debian-bookworm@2026-11-20T14:00:00Z-1f2e3d4c".to_owned(),
            state: Sha256([1; 32]),
            suites: vec![suite(MIRROR, "bookworm"), suite(MIRROR, "bookworm-updates")],
        }
    }

    fn pocket(pocket: Pocket, name: &str, packages: &[&str]) -> PocketUse {
        PocketUse {
            pocket,
            suite: suite(MIRROR, name),
            packages: packages.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn ppa(priority: Option<i16>, packages: &[&str]) -> PpaUse {
        PpaUse {
            name: "jane/tools".to_owned(),
            suite: suite("http://ppa.example/jane/tools", "bookworm"),
            upstream: "https://ppa.example/jane/tools".to_owned(),
            keys: "-----BEGIN jane".to_owned(),
            state: Sha256([2; 32]),
            priority,
            packages: packages.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn known() -> Known {
        let labels = |folder: &str, origin: &str, suite: &str| {
            let labels = SuiteLabels {
                origin: origin.to_owned(),
                suite: suite.to_owned(),
                ..SuiteLabels::default()
            };
            (folder.parse().unwrap(), labels)
        };
        let of_debian = |suite: &str, name: &str| labels(&format!("{MIRROR}/dists/{suite}"), "Debian", name);
        Known {
            archive_keys: b"binary".to_vec(),
            repository_keys: vec!["-----BEGIN ours".to_owned()],
            labels: [
                of_debian("bookworm", "oldstable"),
                of_debian("bookworm-updates", "oldstable-updates"),
                of_debian("bookworm-proposed-updates", "oldstable-proposed-updates"),
                of_debian("bookworm-backports", ""),
                labels(
                    "http://ppa.example/jane/tools/dists/bookworm",
                    "LP-PPA-jane-tools",
                    "bookworm",
                ),
            ]
            .into(),
        }
    }

    fn told(sources: &PackageSources) -> Vec<(String, String)> {
        let files = files(sources, &known()).unwrap().into_iter();
        files
            .map(|(path, content)| (path, String::from_utf8(content).unwrap()))
            .collect()
    }

    fn preferences_of(sources: &PackageSources) -> String {
        let found = told(sources).into_iter().find(|(path, _)| path == PREFERENCES);
        found.map(|(_, text)| text).unwrap_or_default()
    }

    #[test]
    fn a_snapshot_and_ppas_have_their_own_sources_and_keys() {
        let sources = PackageSources {
            snapshot: Some(snapshot()),
            ppas: vec![ppa(None, &[])],
            ..PackageSources::default()
        };
        let expected = [
            ("/etc/apt/keyrings/preflight-archive.gpg", "binary"),
            (
                "/etc/apt/sources.list",
                "deb [signed-by=/etc/apt/keyrings/preflight-archive.gpg] http://mirror.example/debian bookworm main\n\
                 deb [signed-by=/etc/apt/keyrings/preflight-archive.gpg] http://mirror.example/debian bookworm-updates main\n",
            ),
            ("/etc/apt/keyrings/preflight-ppa-1.asc", "-----BEGIN jane"),
            (
                "/etc/apt/sources.list.d/preflight-added.list",
                "deb [signed-by=/etc/apt/keyrings/preflight-ppa-1.asc] http://ppa.example/jane/tools bookworm main\n",
            ),
        ];
        let expected = expected.map(|(path, text)| (path.to_owned(), text.to_owned()));
        assert_eq!(told(&sources), expected);
        // Without a snapshot the image's own sources stay.
        let alone = PackageSources {
            ppas: vec![ppa(None, &[])],
            ..PackageSources::default()
        };
        assert_eq!(told(&alone), expected[2..]);
        assert!(told(&PackageSources::default()).is_empty());
    }

    #[test]
    fn pins_of_ppas_stand_before_those_of_pockets() {
        let proposed = |packages| pocket(Pocket::Proposed, "bookworm-proposed-updates", packages);
        let strict = PackageSources {
            snapshot: Some(snapshot()),
            pockets: vec![proposed(&["src:hello"])],
            ppas: vec![ppa(None, &["tool"])],
            ..PackageSources::default()
        };
        assert_eq!(
            preferences_of(&strict),
            "Package: tool\nPin: release o=LP-PPA-jane-tools,a=bookworm\nPin-Priority: 995\n\n\
             Package: *\nPin: release o=LP-PPA-jane-tools,a=bookworm\nPin-Priority: 990\n\n\
             Package: src:hello\nPin: release a=oldstable-proposed-updates\nPin-Priority: 995\n\n\
             Package: *\nPin: release a=oldstable-proposed-updates\nPin-Priority: 500\n\n\
             Package: *\nPin: release a=oldstable-updates\nPin-Priority: 990\n\n\
             Package: *\nPin: release a=oldstable\nPin-Priority: 990\n"
        );
        // What the owner of a PPA says of it holds.
        let own = PackageSources {
            ppas: vec![ppa(Some(100), &[])],
            ..strict.clone()
        };
        assert!(preferences_of(&own).contains("a=bookworm\nPin-Priority: 100\n"));
        let whole = PackageSources {
            pockets: vec![proposed(&[])],
            ppas: vec![ppa(None, &[])],
            ..strict
        };
        assert_eq!(
            preferences_of(&whole),
            "Package: *\nPin: release a=oldstable-proposed-updates\nPin-Priority: 500\n"
        );
    }

    #[test]
    fn what_another_ticket_has_built_is_added_above_ppas() {
        let sources = PackageSources {
            ppas: vec![ppa(Some(900), &[])],
            repositories: vec![RepositoryUse {
                ticket: TicketId(12),
                generation: Sha256([0xab; 32]),
                link: None,
            }],
            ..PackageSources::default()
        };
        let key = "/etc/apt/keyrings/preflight-mounted-abababababababab.asc";
        let told = told(&sources);
        assert!(
            told.contains(&(key.to_owned(), "-----BEGIN ours".to_owned())),
            "{told:?}"
        );
        let added = told.into_iter().find(|(path, _)| path == ADDED_SOURCES).unwrap().1;
        assert_eq!(
            added,
            format!(
                "deb [signed-by=/etc/apt/keyrings/preflight-ppa-1.asc] http://ppa.example/jane/tools bookworm main\n\
                 deb [signed-by={key}] http://mounted.preflight.invalid/abababababababab ./\n"
            )
        );
        assert_eq!(
            preferences_of(&sources),
            "Package: *\nPin: origin \"mounted.preflight.invalid\"\nPin-Priority: 1000\n\n\
             Package: *\nPin: release o=LP-PPA-jane-tools,a=bookworm\nPin-Priority: 900\n"
        );
    }

    #[test]
    fn a_pocket_that_every_image_has_is_named_once_and_pinned() {
        let sources = PackageSources {
            snapshot: Some(snapshot()),
            pockets: vec![pocket(Pocket::Updates, "bookworm-updates", &["hello"])],
            ..PackageSources::default()
        };
        let lines = told(&sources).into_iter().find(|(path, _)| path == SOURCES).unwrap().1;
        assert_eq!(lines.matches("bookworm-updates").count(), 1);
        assert_eq!(
            preferences_of(&sources),
            "Package: hello\nPin: release a=oldstable-updates\nPin-Priority: 995\n\n\
             Package: *\nPin: release a=oldstable-updates\nPin-Priority: 500\n\n\
             Package: *\nPin: release a=oldstable\nPin-Priority: 990\n"
        );
    }

    #[test]
    fn a_pocket_that_apt_could_not_tell_apart_is_an_error() {
        let sources = PackageSources {
            snapshot: Some(snapshot()),
            pockets: vec![pocket(Pocket::Backports, "bookworm-backports", &[])],
            ..PackageSources::default()
        };
        let error = files(&sources, &known()).unwrap_err().to_string();
        assert!(
            error.contains("bookworm-backports") && error.contains("pocket backports"),
            "{error}"
        );
    }
}
