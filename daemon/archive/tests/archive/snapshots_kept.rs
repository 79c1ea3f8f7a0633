//! Snapshots that stand: found by name, compared, pruned, and what a damaged one does.

use std::collections::BTreeSet;
use std::fs;
use std::time::SystemTime;

use crate::distribution::{move_on, publish, request, seconds, take, upload};
use crate::support::TestMirror;
use preflight_archive::{Change, KeptSnapshots, Snapshot, SnapshotError};
use pretty_assertions::assert_eq;

#[tokio::test]
async fn the_difference_of_two_snapshots_is_by_package_architecture_and_suite() {
    let mirror = TestMirror::start().await;
    let (root, archive) = (mirror.root(), mirror.archive());
    let now = SystemTime::now();
    let suites: &[(&str, &[&str])] = &[("sid", &["main"]), ("calm", &["main"])];
    for (package, version) in [
        ("gone", "1"),
        ("up", "1:0.9"),
        ("down", "2.0"),
        ("same", "1"),
        ("both", "1"),
    ] {
        upload(&root, "sid", "main", package, version);
    }
    upload(&root, "calm", "main", "calm", "1");
    publish(&mirror, "sid", &["main"], now);
    publish(&mirror, "calm", &["main"], now);
    let before = archive
        .take_snapshot(request(&mirror, suites, now), None)
        .await
        .unwrap()
        .snapshot;
    let pool = root.join("pool/sid/main");
    for entry in fs::read_dir(&pool).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if ["gone_", "up_", "down_"].iter().any(|prefix| name.starts_with(prefix)) {
            fs::remove_file(path).unwrap();
        }
    }
    for (package, version) in [("new", "1"), ("up", "1:1.0~rc1"), ("down", "1.9"), ("both", "2")] {
        upload(&root, "sid", "main", package, version);
    }
    publish(&mirror, "sid", &["main"], now + seconds(1));
    let after = archive
        .take_snapshot(request(&mirror, suites, now + seconds(1)), None)
        .await
        .unwrap()
        .snapshot;

    let lines = |from: &Snapshot, to: &Snapshot| -> Vec<String> {
        let diff = archive.diff_snapshots(from, to).unwrap();
        assert_eq!((&diff.from, &diff.to), (&from.name, &to.name));
        let texts = |versions: &[preflight_debian::Version]| {
            versions
                .iter()
                .map(preflight_debian::Version::as_str)
                .collect::<Vec<_>>()
                .join(",")
        };
        let line = |change: &preflight_archive::PackageChange| {
            format!(
                "{} {} {} {:?} {}>{}",
                change.suite,
                change.package,
                change.architecture,
                change.change(),
                texts(&change.before),
                texts(&change.after)
            )
        };
        diff.changes.iter().map(line).collect()
    };
    let changes = [
        ("both", Change::Upgraded, "1>1,2"),
        ("down", Change::Downgraded, "2.0>1.9"),
        ("gone", Change::Removed, "1>"),
        ("new", Change::Added, ">1"),
        ("up", Change::Upgraded, "1:0.9>1:1.0~rc1"),
    ];
    let wanted: Vec<String> = changes
        .iter()
        .flat_map(|(package, change, versions)| {
            ["all", "source"].map(|architecture| format!("sid {package} {architecture} {change:?} {versions}"))
        })
        .collect();
    assert_eq!(lines(&before, &after), wanted);
    assert_eq!(lines(&after, &after), Vec::<String>::new());

    // What both share is not read: only what differs can be missed.
    let missing = |snapshot: &Snapshot, suite: usize| {
        let file = snapshot.suites[suite]
            .files
            .iter()
            .find(|file| file.path.contains("Packages"));
        archive.store().remove(file.unwrap().sha256).unwrap();
    };
    missing(&before, 0);
    assert_eq!(lines(&before, &after).len(), wanted.len());
    missing(&before, 1);
    let failure = archive.diff_snapshots(&before, &after).unwrap_err().to_string();
    assert!(failure.contains("main/binary-amd64/Packages.xz of sid"), "{failure}");
}

#[tokio::test]
async fn snapshots_are_found_by_the_beginning_of_their_names_and_pruned_unless_named() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let now = SystemTime::now();
    // The time of the name is the caller's: a day each.
    let day = |days: u64| SystemTime::UNIX_EPOCH + seconds(1_790_000_000 + 86_400 * days);
    let mut taken = Vec::new();
    for count in 0..4 {
        move_on(
            &mirror.root(),
            &mirror.key,
            &format!("newer{count}"),
            now + seconds(count),
        );
        taken.push(take(&mirror, &archive, day(count)).await);
    }
    let names: Vec<_> = taken.iter().map(|snapshot| snapshot.name.clone()).collect();
    // Another daemon reads the same.
    let archive = mirror.archive();
    assert_eq!(archive.snapshots().unwrap(), taken);
    assert_eq!(archive.snapshot(names[2].as_str()).unwrap(), taken[2]);
    let of_day = &names[1].as_str()[.."debian-test@2026-09-22".len()];
    assert_eq!(archive.snapshot(of_day).unwrap(), taken[1]);
    let several = archive.snapshot("debian-test@").unwrap_err();
    assert!(
        matches!(&several, SnapshotError::Ambiguous { matching, .. } if *matching == names),
        "{several}"
    );
    for unknown in ["", "debian-test@1999", "../x", "debian-other"] {
        let none = archive.snapshot(unknown).unwrap_err();
        assert!(none.to_string().contains(names[3].as_str()), "{none}");
    }

    let kept = KeptSnapshots {
        named: BTreeSet::from([names[0].clone()]),
        newest: 1,
    };
    let going = archive.prunable_snapshots(&kept).unwrap();
    assert_eq!(going, taken[1..3]);
    assert_eq!(archive.prune_snapshots(&kept).unwrap(), going);
    assert_eq!(archive.snapshots().unwrap(), [taken[0].clone(), taken[3].clone()]);
    assert_eq!(archive.prune_snapshots(&kept).unwrap(), []);
    // Their objects are still there, for whoever asks before the disk is short; and nobody's any more.
    let named: BTreeSet<_> = archive
        .named_by_snapshots()
        .unwrap()
        .into_iter()
        .flat_map(|(_, objects)| objects)
        .collect();
    assert!(!named.contains(&taken[1].state.digest()) && named.contains(&taken[0].state.digest()));
    assert!(archive.store().get(taken[1].state.digest()).unwrap().is_some());
}

#[tokio::test]
async fn a_damaged_file_hides_itself_only_but_stops_whoever_wants_to_remove_objects() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let good = take(&mirror, &archive, SystemTime::now()).await;
    let folder = mirror.folder.path().join("store/snapshots");
    let other = "debian-test@2020-01-01T00:00:00Z-00000000";
    fs::copy(
        folder.join(format!("{}.json", good.name)),
        folder.join(format!("{other}.json")),
    )
    .unwrap();
    fs::write(folder.join("aside-x"), b"half").unwrap();
    fs::write(folder.join("readme"), b"nothing").unwrap();
    let archive = mirror.archive();
    assert!(!folder.join("aside-x").exists());
    assert_eq!(archive.snapshots().unwrap(), [good]);
    for failure in [
        archive.snapshot(other).unwrap_err(),
        archive.named_by_snapshots().unwrap_err(),
    ] {
        assert!(failure.to_string().contains(other), "{failure}");
    }
}
