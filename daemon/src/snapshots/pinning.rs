//! Which snapshot a ticket is pinned to, and which of its suites are the pockets that the ticket asks for. Pure: what
//! snapshots there are is told.

use std::collections::BTreeSet;

use preflight_archive::{PinnedPackage, Snapshot, SnapshotSuite};
use preflight_core::{PinnedSnapshot, Pocket, PocketUse, Series, Sha256, UnknownPocket};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::package_sources::AskedPocket;
use preflight_vm_images::{Recipe, SuiteName};

use super::apt_suite;

/// What a ticket is pinned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The snapshot.
    pub snapshot: PinnedSnapshot,
    /// The pockets that were asked for, in that order.
    pub pockets: Vec<PocketUse>,
}

/// A pocket that is asked for and that the series has.
pub(super) struct WantedPocket<'a> {
    pocket: Pocket,
    suite: &'a SuiteName,
    packages: Vec<String>,
}

/// The pockets, checked against those that the series has.
pub(super) fn wanted<'a>(recipe: &'a Recipe, asked: &[AskedPocket]) -> Result<Vec<WantedPocket<'a>>, RpcError> {
    let bad = |message: String| RpcError::new(ErrorCode::InvalidParams, message);
    let mut seen = BTreeSet::new();
    let mut wanted = Vec::new();
    for AskedPocket { pocket, packages } in asked {
        let pocket: Pocket = pocket.parse().map_err(|error: UnknownPocket| bad(error.to_string()))?;
        let Some(known) = recipe.pockets.get(pocket.name()) else {
            let known: Vec<&str> = recipe.pockets.iter().map(|(name, _)| name).collect();
            let known = match known.is_empty() {
                true => "none at all".to_owned(),
                false => known.join(", "),
            };
            return Err(bad(format!("{} has no pocket {pocket}, only {known}", recipe.name()))
                .with_hint("a recipe's table [pockets] names a series' pockets"));
        };
        if !seen.insert(pocket) {
            return Err(
                bad(format!("the pocket {pocket} is asked for twice")).with_hint(format!(
                    "name all its packages at once: --pocket {pocket}=NAME,src:NAME"
                )),
            );
        }
        for package in packages {
            package
                .parse::<PinnedPackage>()
                .map_err(|error| bad(format!("pocket {pocket}: {error}")))?;
        }
        wanted.push(WantedPocket {
            pocket,
            suite: &known.suite,
            packages: packages.clone(),
        });
    }
    Ok(wanted)
}

/// The newest of the snapshots, which are in the order of their age, that has all the pockets.
pub(super) fn newest<'s>(
    series: &Series,
    snapshots: &'s [Snapshot],
    pockets: &[WantedPocket<'_>],
) -> Result<&'s Snapshot, RpcError> {
    let mut of_series = snapshots
        .iter()
        .rev()
        .filter(|snapshot| snapshot.series() == series.as_str());
    let found = of_series.find(|snapshot| pockets.iter().all(|pocket| suite_of(snapshot, pocket.suite).is_some()));
    found.ok_or_else(|| {
        let suites: Vec<&str> = pockets.iter().map(|pocket| pocket.suite.as_str()).collect();
        let message = format!("no snapshot of {series} has {}", suites.join(" and "));
        RpcError::new(ErrorCode::NotFound, message).with_hint(update(series))
    })
}

/// A snapshot and its pockets, as a ticket keeps them.
pub(super) fn pin(recipe: &Recipe, snapshot: &Snapshot, pockets: Vec<WantedPocket<'_>>) -> Result<Pinned, RpcError> {
    let series = Series(recipe.name().to_string());
    if snapshot.series() != series.as_str() {
        let message = format!(
            "{} is a snapshot of {}, not of {series}",
            snapshot.name,
            snapshot.series()
        );
        return Err(RpcError::new(ErrorCode::InvalidParams, message)
            .with_hint(format!("`preflight archive list {series}` shows those of {series}")));
    }
    // What an image of the series has; a snapshot has more.
    let usual: Vec<&str> = recipe
        .archives
        .iter()
        .flat_map(|archive| archive.suites.iter().map(SuiteName::as_str))
        .collect();
    let pocket = |wanted: WantedPocket<'_>| {
        let suite = suite_of(snapshot, wanted.suite).ok_or_else(|| {
            let message = format!("{} has no suite {}", snapshot.name, wanted.suite);
            RpcError::new(ErrorCode::NotFound, message).with_hint(update(&series))
        })?;
        Ok(PocketUse {
            pocket: wanted.pocket,
            suite: apt_suite(suite),
            packages: wanted.packages,
        })
    };
    Ok(Pinned {
        pockets: pockets.into_iter().map(pocket).collect::<Result<_, RpcError>>()?,
        snapshot: PinnedSnapshot {
            name: snapshot.name.to_string(),
            state: Sha256(*snapshot.state.digest().as_bytes()),
            suites: snapshot
                .suites
                .iter()
                .filter(|suite| usual.contains(&suite.suite.as_str()))
                .map(apt_suite)
                .collect(),
        },
    })
}

fn suite_of<'s>(snapshot: &'s Snapshot, name: &SuiteName) -> Option<&'s SnapshotSuite> {
    snapshot.suites.iter().find(|suite| suite.suite == name.as_str())
}

fn update(series: &Series) -> String {
    format!("`preflight archive update {series}` takes one with all pockets that its mirror has")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use preflight_vm_images::Catalogue;

    use super::*;

    fn snapshot(series: &str, digit: char, suites: &[&str]) -> Snapshot {
        let digest = digit.to_string().repeat(64);
        Snapshot {
            name: format!("{series}@2026-11-20T14:00:0{digit}Z-{}", &digest[..8])
                .parse()
                .unwrap(),
            architecture: "amd64".to_owned(),
            taken_at: SystemTime::UNIX_EPOCH,
            state: digest.parse().unwrap(),
            suites: suites
                .iter()
                .map(|suite| SnapshotSuite {
                    folder: format!("http://mirror.example/debian/dists/{suite}").parse().unwrap(),
                    suite: (*suite).to_owned(),
                    components: vec!["main".to_owned()],
                    date: None,
                    files: vec![],
                })
                .collect(),
        }
    }

    fn asked(pockets: &[(&str, &[&str])]) -> Vec<AskedPocket> {
        let asked = |(pocket, packages): &(&str, &[&str])| AskedPocket {
            pocket: (*pocket).to_owned(),
            packages: packages.iter().map(|name| (*name).to_owned()).collect(),
        };
        pockets.iter().map(asked).collect()
    }

    #[test]
    fn pockets_come_from_the_newest_snapshot_that_has_them() {
        let catalogue = Catalogue::load(None).unwrap();
        let recipe = catalogue.find("bookworm").unwrap();
        let series = Series("debian-bookworm".to_owned());
        let all = [
            "bookworm",
            "bookworm-backports",
            "bookworm-proposed-updates",
            "bookworm-updates",
        ];
        let snapshots = [
            snapshot("debian-bookworm", '1', &all),
            snapshot("debian-bookworm", '2', &all),
            snapshot("debian-bookworm", '3', &["bookworm", "bookworm-backports"]),
            snapshot("debian-trixie", '4', &all),
        ];
        let newest_with = |pockets: &[(&str, &[&str])]| {
            let wanted = wanted(recipe, &asked(pockets)).unwrap();
            newest(&series, &snapshots, &wanted).map(|found| found.name.to_string().pop())
        };
        assert_eq!(newest_with(&[]).unwrap(), Some('3'));
        assert_eq!(newest_with(&[("backports", &[])]).unwrap(), Some('3'));
        assert_eq!(
            newest_with(&[("backports", &[]), ("proposed", &[])]).unwrap(),
            Some('2')
        );
        let error = newest_with(&[("proposed", &[]), ("security", &[])]).unwrap_err();
        assert!(
            error
                .message
                .contains("bookworm-proposed-updates and bookworm-security"),
            "{error:?}"
        );
        assert!(error.hint().unwrap().contains("archive update debian-bookworm"));

        let pockets = asked(&[("proposed", &["src:glibc", "gcc"])]);
        let pinned = pin(recipe, &snapshots[1], wanted(recipe, &pockets).unwrap()).unwrap();
        let suites: Vec<&str> = pinned
            .snapshot
            .suites
            .iter()
            .map(|suite| suite.suite.as_str())
            .collect();
        assert_eq!(suites, ["bookworm", "bookworm-updates"]);
        assert_eq!(pinned.pockets[0].suite.uri, "http://mirror.example/debian");
        assert_eq!(pinned.pockets[0].suite.suite, "bookworm-proposed-updates");
        assert_eq!(pinned.pockets[0].packages, ["src:glibc", "gcc"]);
        pin(recipe, &snapshots[2], wanted(recipe, &pockets).unwrap()).unwrap_err();
        let other = pin(recipe, &snapshots[3], vec![]).unwrap_err();
        assert!(
            other.message.contains("of debian-trixie, not of debian-bookworm"),
            "{other:?}"
        );
    }

    #[test]
    fn what_a_series_lacks_is_refused_with_what_it_has() {
        let catalogue = Catalogue::load(None).unwrap();
        for (series, pockets, expected) in [
            (
                "sid",
                asked(&[("proposed", &[])]),
                "debian-sid has no pocket proposed, only experimental",
            ),
            (
                "bookworm",
                asked(&[("experimental", &[])]),
                "only updates, security, proposed, backports",
            ),
            ("bookworm", asked(&[("propsed", &[])]), "there is no pocket \"propsed\""),
            (
                "bookworm",
                asked(&[("backports", &["hello"]), ("backports", &[])]),
                "asked for twice",
            ),
            (
                "bookworm",
                asked(&[("backports", &["src:a b"])]),
                "pocket backports: \"src:a b\" is no package",
            ),
        ] {
            let error = wanted(catalogue.find(series).unwrap(), &pockets).err().unwrap();
            assert!(error.message.contains(expected), "{error:?} lacks {expected:?}");
            assert_eq!(error.code, ErrorCode::InvalidParams);
        }
    }
}
