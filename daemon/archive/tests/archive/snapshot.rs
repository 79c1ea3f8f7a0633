//! Taking snapshots, against a mirror that moves and fails on demand; apt is the judge of what a snapshot holds.

use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use crate::distribution::{STABLE, move_on, publish, request, seconds, take, upload};
use crate::support::{self, Apt, GUEST_URL, TestMirror, guest};
use preflight_archive::{
    Network, RefusalKind, SessionOptions, SnapshotError, SnapshotProgress, SnapshotProgressCallback,
};
use preflight_debian::Sha256Digest;
use pretty_assertions::assert_eq;

const INRELEASE: &str = "dists/stable/InRelease";

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
async fn a_pocket_may_be_missing_but_not_wrong() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let now = SystemTime::now();
    let mut wanted = request(&mirror, &[("stable", &["main"]), ("stable-proposed", &["main"])], now);
    let missing = archive.take_snapshot(wanted.clone(), None).await.unwrap_err();
    assert!(missing.to_string().contains("stable-proposed"), "{missing}");
    wanted.suites[1].optional = true;
    let taken = archive.take_snapshot(wanted.clone(), None).await.unwrap();
    let absent: Vec<&str> = taken.absent.iter().map(|folder| folder.as_str()).collect();
    assert_eq!(absent, [guest("dists/stable-proposed")]);
    assert_eq!(taken.snapshot.suites.len(), 1);
    // A release file that is there has to be good, and one that nobody can be asked for is not missing.
    let folder = mirror.root().join("dists/stable-proposed");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("InRelease"), "nothing signed").unwrap();
    archive.take_snapshot(wanted.clone(), None).await.unwrap_err();
    fs::remove_file(folder.join("InRelease")).unwrap();
    fs::write(folder.join("Release"), "not signed either").unwrap();
    archive.take_snapshot(wanted.clone(), None).await.unwrap_err();
    wanted.suites[1].mirror.upstream = Some("http://127.0.0.1:1/debian".to_owned());
    wanted.suites[1].mirror.guest_url = "http://elsewhere.example/debian".to_owned();
    let unreachable = archive.take_snapshot(wanted, None).await.unwrap_err();
    assert!(
        matches!(
            &unreachable,
            SnapshotError::Suite {
                kind: RefusalKind::Unreachable,
                ..
            }
        ),
        "{unreachable}"
    );
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
