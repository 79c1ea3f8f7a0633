//! Taking, finding, comparing and pruning snapshots, against a mirror that moves and fails on demand; apt is the judge of
//! what a snapshot holds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::distribution::{publish, request, upload};
use crate::support::{self, Apt, GUEST_URL, TestMirror, guest};
use preflight_archive::{
    Archive, Change, KeptSnapshots, Network, RefusalKind, SessionOptions, Snapshot, SnapshotError, SnapshotProgress,
    SnapshotProgressCallback,
};
use preflight_debian::Sha256Digest;
use pretty_assertions::assert_eq;

const STABLE: &[(&str, &[&str])] = &[("stable", &["main"])];
const INRELEASE: &str = "dists/stable/InRelease";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

async fn take(mirror: &TestMirror, archive: &Archive, at: SystemTime) -> Snapshot {
    let taken = archive.take_snapshot(request(mirror, STABLE, at), None).await.unwrap();
    assert!(taken.is_new);
    taken.snapshot
}

/// Publishes another package in `stable`, and forgets all indices of before.
fn move_on(root: &Path, key: &preflight_archive::SigningKey, package: &str, date: SystemTime) {
    support::deb(&root.join("pool/main/d/demo"), package, "1", "", 10);
    let _ = fs::remove_dir_all(root.join("dists/stable"));
    support::write_suite(root, key, date, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn apt_finds_every_index_of_a_snapshot_without_network() {
    let mirror = TestMirror::start().await;
    let now = SystemTime::now();
    upload(&mirror.root(), "sid", "main", "one", "1.0");
    upload(&mirror.root(), "sid", "contrib", "two", "2.0");
    upload(&mirror.root(), "sid-updates", "main", "one", "1.1");
    publish(&mirror, "sid", &["main", "contrib"], now);
    publish(&mirror, "sid-updates", &["main"], now);
    let archive = mirror.archive();
    let seen = Arc::new(Mutex::new(Vec::<SnapshotProgress>::new()));
    let log = Arc::clone(&seen);
    let listener: SnapshotProgressCallback = Arc::new(move |progress| log.lock().unwrap().push(progress));
    let suites: &[(&str, &[&str])] = &[
        ("sid-updates", &["main"]),
        ("sid", &["main"]),
        // Named twice, as apt's sources may: one suite.
        ("sid", &["contrib"]),
    ];
    let (taking, wanted) = (archive.clone(), request(&mirror, suites, now));
    // As the daemon does it: in a task of its own.
    let taken = tokio::spawn(async move { taking.take_snapshot(wanted, Some(listener)).await });
    let taken = taken.await.unwrap().unwrap();
    let snapshot = taken.snapshot;
    assert!(taken.is_new && snapshot.series() == "debian-test");
    let paths: Vec<(&str, &str)> = snapshot
        .suites
        .iter()
        .flat_map(|suite| {
            suite
                .files
                .iter()
                .map(|file| (suite.suite.as_str(), file.path.as_str()))
        })
        .collect();
    assert_eq!(
        paths,
        [
            ("sid", "InRelease"),
            ("sid", "contrib/binary-amd64/Packages.xz"),
            ("sid", "contrib/source/Sources.xz"),
            ("sid", "main/binary-amd64/Packages.xz"),
            ("sid", "main/source/Sources.xz"),
            ("sid-updates", "InRelease"),
            ("sid-updates", "main/binary-amd64/Packages.xz"),
            ("sid-updates", "main/source/Sources.xz"),
        ]
    );
    for object in snapshot.objects() {
        assert!(archive.store().verify(object).unwrap());
    }
    let named = archive.named_by_snapshots().unwrap();
    assert_eq!(named, [(snapshot.name.clone(), snapshot.objects())]);
    // The whole is known before the first index comes, and is what comes in the end.
    let seen = seen.lock().unwrap().clone();
    let last = seen.last().unwrap();
    assert_eq!((last.total, last.files, last.of_files), (Some(last.bytes), 6, 6));
    assert!(
        seen.iter()
            .filter_map(|progress| progress.total)
            .all(|total| total == last.bytes)
    );
    assert!(seen.is_sorted_by_key(|progress| progress.bytes));

    // The mirror goes on; the snapshot does not.
    upload(&mirror.root(), "sid", "main", "one", "3.0");
    publish(&mirror, "sid", &["main", "contrib"], now + seconds(1));
    let asked = mirror.behaviour.lock().unwrap().asked.len();
    let session = archive
        .session(SessionOptions {
            state: Some(snapshot.state),
            ..mirror.options(Network::Forbidden)
        })
        .unwrap();
    let loopback = session.listen_loopback().await.unwrap();
    let key = mirror.keyring();
    let line = |kind: &str, what: &str| format!("{kind} [signed-by={}] {GUEST_URL} {what}\n", key.display());
    let sources: String = ["sid main contrib", "sid-updates main"]
        .iter()
        .map(|what| line("deb", what) + &line("deb-src", what))
        .collect();
    let apt = Apt::new(Some(&loopback.proxy_url()), &sources);
    apt.succeed(&["update", "-eany"]).await;
    let simulated = apt.succeed(&["install", "--simulate", "one", "two"]).await;
    assert!(
        simulated.contains("Inst one (1.1 ") && simulated.contains("Inst two (2.0 "),
        "{simulated}"
    );
    let uris = apt
        .succeed(&["source", "--print-uris", "--download-only", "one", "two"])
        .await;
    assert!(uris.contains("pool/sid-updates/main/one_1.1.dsc"), "{uris}");
    assert_eq!(session.refusals(), []);
    assert_eq!(mirror.behaviour.lock().unwrap().asked.len(), asked);
    assert_eq!(session.state().await.unwrap(), snapshot.state);
}

#[tokio::test]
async fn what_is_already_here_is_not_fetched_and_makes_no_second_snapshot() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let now = SystemTime::now();
    let first = take(&mirror, &archive, now).await;
    let again = archive
        .take_snapshot(request(&mirror, STABLE, now + seconds(60)), None)
        .await
        .unwrap();
    assert_eq!((again.snapshot, again.is_new), (first.clone(), false));
    assert_eq!(mirror.asked("Packages.xz").len(), 0);
    assert_eq!(
        mirror
            .asked(&support::by_hash(&mirror.root(), "main/binary-amd64/Packages.xz"))
            .len(),
        1
    );

    // What was lost is fetched again, and it is still the same snapshot.
    let index = &first.suites[0].files[1];
    archive.store().remove(index.sha256).unwrap();
    let mended = archive
        .take_snapshot(request(&mirror, STABLE, now), None)
        .await
        .unwrap();
    assert!(!mended.is_new && archive.store().verify(index.sha256).unwrap());

    move_on(&mirror.root(), &mirror.key, "newer", now + seconds(1));
    // In the same second: names differ nevertheless.
    let second = take(&mirror, &archive, now).await;
    assert_ne!(second.name, first.name);
    assert_eq!(
        archive
            .newest_snapshot("debian-test", "amd64")
            .unwrap()
            .unwrap()
            .name
            .series(),
        "debian-test"
    );
    assert_eq!(archive.newest_snapshot("debian-test", "arm64").unwrap(), None);
}

#[tokio::test]
async fn a_suite_that_moves_while_it_is_taken_is_taken_again_twice_at_most() {
    for (moves, good) in [(1, true), (2, true), (3, false)] {
        let mirror = TestMirror::start().await;
        let archive = mirror.archive();
        let now = SystemTime::now();
        let (root, key_folder) = (mirror.root(), mirror.folder.path().join("key"));
        let moved = Mutex::new(0);
        // Between release file and indices, this is who is called.
        let listener: SnapshotProgressCallback = Arc::new(move |progress| {
            let mut moved = moved.lock().unwrap();
            if progress.url.ends_with("InRelease") && *moved < moves {
                *moved += 1;
                let key = preflight_archive::SigningKey::load_or_create(&key_folder).unwrap();
                move_on(&root, &key, &format!("newer{moved}"), now + seconds(*moved));
            }
        });
        let taken = archive
            .take_snapshot(request(&mirror, STABLE, now), Some(listener))
            .await;
        assert_eq!(mirror.asked(INRELEASE).len(), usize::min(moves as usize + 1, 3));
        match taken {
            Ok(taken) => {
                assert!(good);
                let mut packages = Vec::new();
                archive
                    .snapshot_packages(&taken.snapshot, |package| packages.push(package.package.to_string()))
                    .unwrap();
                assert!(packages.contains(&format!("newer{moves}")), "{packages:?}");
            }
            Err(error) => {
                assert!(!good, "{error}");
                assert_eq!(archive.snapshots().unwrap(), []);
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_published_before_it_is_whole() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let now = SystemTime::now();
    let first = take(&mirror, &archive, now).await;
    move_on(&mirror.root(), &mirror.key, "newer", now + seconds(1));
    let folder = "dists/stable/main/binary-amd64";
    let gone = mirror.root().join(folder);
    let by_hash = support::by_hash(&mirror.root(), "main/binary-amd64/Packages.xz");
    for missing in [gone.join("Packages.xz"), mirror.root().join(&by_hash)] {
        fs::rename(&missing, missing.with_extension("away")).unwrap();
    }
    let failure = archive
        .take_snapshot(request(&mirror, STABLE, now), None)
        .await
        .unwrap_err();
    assert!(
        matches!(&failure, SnapshotError::Suite { kind: RefusalKind::NotFound, reason } if reason.contains(folder)),
        "{failure}"
    );
    // The release file still stood: it was looked at again once, which changed nothing.
    assert_eq!(mirror.asked(INRELEASE).len(), 3);
    assert_eq!(archive.snapshots().unwrap(), std::slice::from_ref(&first));
    // Who has no state is still served what is whole.
    let offline = archive.session(mirror.options(Network::Forbidden)).unwrap();
    assert_eq!(
        offline.get(&guest(INRELEASE)).await.unwrap().sha256,
        first.suites[0].files[0].sha256
    );

    for missing in [gone.join("Packages.xz"), mirror.root().join(&by_hash)] {
        fs::rename(missing.with_extension("away"), &missing).unwrap();
    }
    // Cut in the middle: what has come is not fetched again.
    mirror.tell(|told| {
        told.cut.insert(by_hash.clone(), 100);
    });
    take(&mirror, &archive, now).await;
    assert_eq!(mirror.asked(&by_hash).last().unwrap().as_deref(), Some("bytes=100-"));

    // A mirror that can't be reached is no snapshot of today, whatever is known of it.
    mirror.tell(|told| {
        told.status.insert("InRelease".to_owned(), 503);
    });
    let failure = archive
        .take_snapshot(request(&mirror, STABLE, now), None)
        .await
        .unwrap_err();
    assert!(
        matches!(
            failure,
            SnapshotError::Suite {
                kind: RefusalKind::Unreachable,
                ..
            }
        ),
        "{failure}"
    );
}

#[tokio::test]
async fn release_files_are_judged_and_must_list_what_is_asked_for() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let now = SystemTime::now();
    take(&mirror, &archive, now).await;
    let refusal = async |suites: &[(&str, &[&str])]| {
        let failure = archive.take_snapshot(request(&mirror, suites, now), None).await;
        failure.unwrap_err().to_string()
    };
    let told = refusal(&[("stable", &["main", "universe"])]).await;
    assert!(
        told.contains("no packages of component universe for amd64; it has main"),
        "{told}"
    );
    assert!(refusal(&[("stable", &[])]).await.contains("at least one suite"));
    assert!(refusal(&[]).await.contains("at least one suite"));
    assert!(refusal(&[("none", &["main"])]).await.contains("dists/none"));
    support::write_suite(&mirror.root(), &mirror.key, now - seconds(3600), None);
    assert!(refusal(STABLE).await.contains("older than the one taken before"));
    support::write_suite(&mirror.root(), &mirror.key, now, Some(now - seconds(60)));
    assert!(refusal(STABLE).await.contains("expired at"));
    let path = mirror.root().join(INRELEASE);
    fs::write(
        &path,
        fs::read_to_string(&path)
            .unwrap()
            .replace("Origin: Test", "Origin: Evil"),
    )
    .unwrap();
    assert!(refusal(STABLE).await.contains("signature is bad"));
    assert_eq!(archive.snapshots().unwrap().len(), 1);
}

#[tokio::test]
async fn a_flat_repository_is_a_suite_without_components() {
    let mirror = TestMirror::start().await;
    let (root, archive) = (mirror.root().join("flat"), mirror.archive());
    let now = SystemTime::now();
    fs::create_dir(&root).unwrap();
    support::deb(&root, "flat", "1", "", 10);
    let packages = support::run(Command::new("dpkg-scanpackages").arg(".").current_dir(&root)).stdout;
    fs::write(root.join("Packages"), &packages).unwrap();
    let (digest, size) = Sha256Digest::of_file(&root.join("Packages")).unwrap();
    let date = jiff::Timestamp::try_from(now)
        .unwrap()
        .strftime("%a, %d %b %Y %H:%M:%S UTC");
    let release = format!("Origin: Test\nDate: {date}\nSHA256:\n {digest} {size} Packages\n");
    fs::write(root.join("InRelease"), mirror.key.sign_inline(&release, now).unwrap()).unwrap();
    let taken = archive
        .take_snapshot(request(&mirror, &[("flat/", &[])], now), None)
        .await
        .unwrap();
    let mut seen = Vec::new();
    archive
        .snapshot_packages(&taken.snapshot, |package| {
            seen.push((package.component, package.package.to_string()))
        })
        .unwrap();
    assert_eq!(seen, [(String::new(), "flat".to_owned())]);
    let session = archive
        .session(SessionOptions {
            state: Some(taken.snapshot.state),
            ..mirror.options(Network::Forbidden)
        })
        .unwrap();
    session.get(&guest("flat/InRelease")).await.unwrap();
    session.get(&guest("flat/Packages")).await.unwrap();
}

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
