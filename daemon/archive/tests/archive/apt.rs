//! The host's own apt, gpgv and sqv as judges: what they accept through a session or from a published repository is
//! right.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::support::{self, Apt, GUEST_URL, TestMirror, run};
use preflight_archive::{
    LockKind, Network, Publication, Published, RepositoryLabels, SessionOptions, SigningKey, TicketMount,
    TicketRepository,
};
use preflight_debian::Sha256Digest;
use pretty_assertions::assert_eq;

fn labels() -> RepositoryLabels {
    RepositoryLabels {
        origin: "Preflight".to_owned(),
        label: "ticket-7".to_owned(),
    }
}

fn publish(folder: &Path, debs: &[PathBuf], key: &SigningKey, at: SystemTime) -> Published {
    let publication = Publication {
        debs,
        labels: &labels(),
        key,
        at,
        by: "a test",
    };
    TicketRepository::at(folder)
        .writer()
        .unwrap()
        .publish(&publication)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn apt_updates_and_downloads_and_does_it_again_without_network() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let source = format!(
        "deb [signed-by={}] {GUEST_URL} stable main\n",
        mirror.keyring().display()
    );

    let session = archive.session(mirror.options(Network::Allowed)).unwrap();
    let loopback = session.listen_loopback().await.unwrap();
    let apt = Apt::new(Some(&loopback.proxy_url()), &source);
    apt.succeed(&["update"]).await;
    apt.succeed(&["update"]).await;
    apt.succeed(&["download", "demo", "demo-data"]).await;
    let deb = apt.folder.path().join("work/demo_1.0+b1-1_all.deb");
    let original = mirror.root().join("pool/main/d/demo/demo_1.0+b1-1_all.deb");
    assert_eq!(
        Sha256Digest::of_file(&deb).unwrap(),
        Sha256Digest::of_file(&original).unwrap()
    );
    let lock = session.lock();
    let kinds: Vec<LockKind> = lock.entries().map(|entry| entry.kind).collect();
    assert_eq!(
        kinds,
        [LockKind::Release, LockKind::Index, LockKind::Package, LockKind::Package]
    );
    assert_eq!(session.refusals(), []);

    let asked_before = mirror.behaviour.lock().unwrap().asked.len();
    let offline = archive.session(mirror.options(Network::Forbidden)).unwrap();
    let loopback = offline.listen_loopback().await.unwrap();
    let apt = Apt::new(Some(&loopback.proxy_url()), &source);
    apt.succeed(&["update"]).await;
    apt.succeed(&["download", "demo", "demo-data"]).await;
    assert_eq!(mirror.behaviour.lock().unwrap().asked.len(), asked_before);
    assert_eq!(offline.lock(), lock);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_apts_at_once_make_each_fetch_once() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let source = format!(
        "deb [signed-by={}] {GUEST_URL} stable main\n",
        mirror.keyring().display()
    );
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let session = archive.session(mirror.options(Network::Allowed)).unwrap();
        let source = source.clone();
        runs.spawn(async move {
            let loopback = session.listen_loopback().await.unwrap();
            let apt = Apt::new(Some(&loopback.proxy_url()), &source);
            apt.succeed(&["update"]).await;
            apt.succeed(&["download", "demo"]).await;
            session.lock()
        });
    }
    let locks = runs.join_all().await;
    assert!(locks.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(mirror.asked("demo_1.0+b1-1_all.deb").len(), 1);
    assert_eq!(
        mirror.asked("Packages.xz").len()
            + mirror
                .asked(&support::by_hash(&mirror.root(), "main/binary-amd64/Packages.xz"))
                .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn apt_installs_from_a_ticket_repository_and_shows_a_refusal() {
    let mirror = TestMirror::start().await;
    let debs = tempfile::tempdir().unwrap();
    let deb = support::deb(debs.path(), "mine", "2:1.0-1", "Provides: thing\n", 100);
    let folder = debs.path().join("repository");
    let published = publish(&folder, &[deb], &mirror.key, SystemTime::now());
    assert!(published.packages[0].path.ends_with("/mine_1.0-1_all.deb"));

    let archive = mirror.archive();
    let session = archive
        .session(SessionOptions {
            repositories: vec![TicketMount {
                path: "7".to_owned(),
                folder: folder.clone(),
                generation: None,
            }],
            ..mirror.options(Network::Forbidden)
        })
        .unwrap();
    let loopback = session.listen_loopback().await.unwrap();
    let key = mirror.keyring();
    let source = format!(
        "deb [signed-by={}] http://ticket.preflight.invalid/7 ./\n",
        key.display()
    );
    let apt = Apt::new(Some(&loopback.proxy_url()), &source);
    apt.succeed(&["update"]).await;
    apt.succeed(&["download", "mine"]).await;
    assert!(session.lock().entries().all(|entry| entry.kind == LockKind::Ticket));
    assert!(session.lock().from_archives().is_empty());
    // A rebuild under the archive's own version number: the pin decides.
    let rebuilt = support::deb(debs.path(), "demo-data", "1.0-1", "Provides: rebuilt\n", 100);
    let pinned = debs.path().join("pinned");
    publish(&pinned, &[rebuilt], &mirror.key, SystemTime::now());
    let both = archive
        .session(SessionOptions {
            repositories: vec![TicketMount {
                path: "8".to_owned(),
                folder: pinned,
                generation: None,
            }],
            ..mirror.options(Network::Allowed)
        })
        .unwrap();
    let loopback_both = both.listen_loopback().await.unwrap();
    let ticket = preflight_archive::ticket_source("8", key.to_str().unwrap());
    let source = format!("deb [signed-by={}] {GUEST_URL} stable main\n{ticket}", key.display());
    let apt_both = Apt::new(Some(&loopback_both.proxy_url()), &source);
    std::fs::write(
        apt_both.folder.path().join("etc/preferences"),
        preflight_archive::ticket_preferences(&labels()),
    )
    .unwrap();
    apt_both.succeed(&["update"]).await;
    let simulated = apt_both.succeed(&["install", "--simulate", "demo"]).await;
    assert!(simulated.contains("Inst demo-data (1.0-1 ticket-7:"), "{simulated}");
    assert!(simulated.contains("Inst demo (1.0+b1-1 stable"), "{simulated}");

    // The same as files, without our server.
    let source = format!(
        "deb [signed-by={}] file:{}/current ./\n",
        key.display(),
        folder.display()
    );
    let apt_files = Apt::new(None, &source);
    apt_files.succeed(&["update"]).await;
    let simulated = apt_files.succeed(&["install", "--simulate", "thing"]).await;
    assert!(simulated.contains("Inst mine (2:1.0-1 ticket-7:"), "{simulated}");

    let elsewhere = Apt::new(
        Some(&loopback.proxy_url()),
        "deb [trusted=yes] http://elsewhere.example/debian stable main\n",
    );
    let output = elsewhere.run(&["update", "-eany"]).await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("no network in a testbed: elsewhere.example is none of this image's package sources"),
        "{text}"
    );
    assert_eq!(
        session.refusals()[0].url,
        "http://elsewhere.example/debian/dists/stable/InRelease"
    );
}

#[test]
fn gpgv_and_sqv_accept_the_signatures_and_the_repository_is_deterministic() {
    let folder = tempfile::tempdir().unwrap();
    let key = preflight_archive::SigningKey::load_or_create(&folder.path().join("key")).unwrap();
    let again = preflight_archive::SigningKey::load_or_create(&folder.path().join("key")).unwrap();
    assert_eq!(key.fingerprint(), again.fingerprint());
    let deb = support::deb(folder.path(), "mine", "1.0-1", "", 10);
    let date = SystemTime::now();
    let published = |name: &str| publish(&folder.path().join(name), std::slice::from_ref(&deb), &key, date).folder;
    let (one, two) = (published("one"), published("two"));
    for name in ["Release", "Packages", "Packages.gz", "Packages.xz"] {
        assert_eq!(
            std::fs::read(one.join(name)).unwrap(),
            std::fs::read(two.join(name)).unwrap(),
            "{name}"
        );
    }
    let armored = folder.path().join("public.asc");
    std::fs::write(&armored, key.public_armored().unwrap()).unwrap();
    let binary = folder.path().join("public.gpg");
    run(Command::new("gpg")
        .arg("--homedir")
        .arg(folder.path())
        .arg("--yes")
        .arg("-o")
        .arg(&binary)
        .arg("--dearmor")
        .arg(&armored));
    let gpgv = |args: &[&Path]| run(Command::new("gpgv").arg("--keyring").arg(&binary).args(args));
    gpgv(&[&one.join("InRelease")]);
    gpgv(&[&one.join("Release.gpg"), &one.join("Release")]);
    // apt of trixie and later asks sqv; older distributions do not have it.
    if Command::new("sqv").arg("--version").output().is_ok() {
        run(Command::new("sqv")
            .arg("--keyring")
            .arg(&binary)
            .arg(one.join("Release.gpg"))
            .arg(one.join("Release")));
    }
    let scanned = run(Command::new("dpkg-scanpackages")
        .args(["--hash", "sha256", "pool"])
        .current_dir(&one))
    .stdout;
    let sorted = |text: &[u8]| {
        let mut lines: Vec<String> = String::from_utf8_lossy(text)
            .lines()
            .filter(|l| !l.is_empty())
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&scanned), sorted(&std::fs::read(one.join("Packages")).unwrap()));

    let empty = publish(&folder.path().join("one"), &[], &key, date);
    assert!(one.exists() && empty.folder.exists() && empty.folder != one);
}
