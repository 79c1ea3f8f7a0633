//! The words that name what a testbed's apt is told. They leave nothing out: what two tickets share under the same words has
//! to be the same.

use preflight_core::{AptSuite, PackageSources, PocketUse, PpaUse, RepositoryUse};
use preflight_debian::Sha256Digest;

use crate::mounted;

/// All that decides what a testbed's apt knows: two tickets with the same words see the same archive. None where there is
/// nothing to tell.
pub(in crate::pipeline) fn words(sources: &PackageSources) -> Vec<String> {
    let snapshot = sources.snapshot.iter();
    let mut words: Vec<String> = snapshot.clone().map(|one| format!("snapshot {}", one.state)).collect();
    words.extend(snapshot.flat_map(|one| &one.suites).map(|suite| line(suite, None)));
    words.extend(sources.pockets.iter().map(pocket));
    words.extend(sources.ppas.iter().map(ppa));
    words.extend(sources.repositories.iter().map(repository));
    words
}

fn pocket(used: &PocketUse) -> String {
    format!(
        "pocket {} packages {}",
        line(&used.suite, None),
        used.packages.join(" ")
    )
}

fn ppa(used: &PpaUse) -> String {
    let PpaUse {
        // What it is called, and from where its owner has it fetched, no testbed is told.
        name: _,
        upstream: _,
        suite,
        keys,
        state,
        priority,
        packages,
    } = used;
    let priority = priority.map_or_else(String::new, |priority| format!(" priority {priority}"));
    format!(
        "PPA {} state {state} keys {}{priority} packages {}",
        line(suite, None),
        Sha256Digest::of(keys.as_bytes()),
        packages.join(" ")
    )
}

fn repository(used: &RepositoryUse) -> String {
    let RepositoryUse {
        // Whose it was, and by which name it was found, no testbed is told.
        ticket: _,
        link: _,
        generation,
    } = used;
    format!("repository {generation} at {}", mounted::path(used))
}

/// A line of sources.list(5).
pub(super) fn line(suite: &AptSuite, signed_by: Option<&str>) -> String {
    let options = signed_by.map_or_else(String::new, |key| format!("[signed-by={key}] "));
    let AptSuite { uri, suite, components } = suite;
    let components = components.join(" ");
    format!("deb {options}{uri} {suite} {components}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use preflight_core::{PinnedSnapshot, Pocket, Sha256, TicketId};

    use super::*;

    fn suite(name: &str) -> AptSuite {
        AptSuite {
            uri: "http://mirror.example/debian".into(),
            suite: name.into(),
            components: vec!["main".into(), "contrib".into()],
        }
    }

    #[test]
    fn lines_are_apts() {
        let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
        assert_eq!(
            line(&suite("bookworm"), Some(key)),
            format!("deb [signed-by={key}] http://mirror.example/debian bookworm main contrib")
        );
        let flat = AptSuite {
            components: vec![],
            ..suite("./")
        };
        assert_eq!(line(&flat, None), "deb http://mirror.example/debian ./");
    }

    #[test]
    fn whatever_differs_has_other_words() {
        let plain = PackageSources::default();
        assert!(words(&plain).is_empty());
        let snapshot = |state| PackageSources {
            snapshot: Some(PinnedSnapshot {
                name: String::new(),
                state: Sha256([state; 32]),
                suites: vec![],
            }),
            ..PackageSources::default()
        };
        let pocket = |name: &str, packages: &[&str]| PackageSources {
            pockets: vec![PocketUse {
                pocket: Pocket::Proposed,
                suite: suite(name),
                packages: packages.iter().map(|name| (*name).to_owned()).collect(),
            }],
            ..snapshot(1)
        };
        let used = PpaUse {
            name: "jane/tools".into(),
            suite: suite("noble"),
            upstream: "https://ppa.example".into(),
            keys: "key".into(),
            state: Sha256([3; 32]),
            priority: None,
            packages: vec![],
        };
        let ppa = |change: &dyn Fn(&mut PpaUse)| {
            let mut used = used.clone();
            change(&mut used);
            PackageSources {
                ppas: vec![used],
                ..PackageSources::default()
            }
        };
        let built = |ticket, state| RepositoryUse {
            ticket: TicketId(ticket),
            generation: Sha256([state; 32]),
            link: None,
        };
        let repositories = |uses: &[RepositoryUse]| PackageSources {
            repositories: uses.to_vec(),
            ..PackageSources::default()
        };
        let all = [
            plain,
            snapshot(1),
            snapshot(2),
            pocket("bookworm-proposed-updates", &[]),
            pocket("bookworm-proposed-updates", &["src:a"]),
            pocket("bookworm-backports", &["src:a"]),
            ppa(&|_| {}),
            ppa(&|used| used.suite = suite("jammy")),
            ppa(&|used| used.keys = "another".into()),
            ppa(&|used| used.state = Sha256([4; 32])),
            ppa(&|used| used.priority = Some(100)),
            ppa(&|used| used.packages = vec!["priority".into(), "100".into()]),
            repositories(&[built(1, 1)]),
            repositories(&[built(1, 2)]),
            repositories(&[built(1, 1), built(1, 2)]),
        ];
        for (at, one) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                assert_ne!(words(one), words(other));
            }
        }
        // It is the same repository under another name.
        assert_eq!(words(&ppa(&|used| used.name = "joe/tools".into())), words(&all[6]));
        assert_eq!(words(&repositories(&[built(2, 1)])), words(&all[12]));
    }
}
