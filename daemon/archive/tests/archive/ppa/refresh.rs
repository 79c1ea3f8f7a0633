//! A PPA is taken whole or refused with the reason; where apt can see what is wrong, apt refuses it as well.

use std::fs;
use std::path::Path;

use preflight_archive::{Network, Ppa, PpaRefusalKind, SessionOptions};
use pretty_assertions::assert_eq;

use crate::ppa::repository::{Repository, archive};
use crate::ppa::server::Server;
use crate::support::Apt;

fn source(repository: &Repository, url: &str, suite: &str) -> String {
    let components = if suite.ends_with('/') { "" } else { "main" };
    format!(
        "deb [signed-by={}] {url} {suite} {components}\n",
        repository.key_file().display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ppa_is_taken_and_served_from_its_state_with_the_network_off() {
    let repository = Repository::new();
    repository.publish("noble", &["Origin=LP-PPA-test-ppa", "Label=Test"]);
    let server = Server::start(repository.folder.path()).await;
    let store = tempfile::tempdir().unwrap();
    let archive = archive(store.path());
    let ppa = repository.ppa(&server.url, "{series}");
    let taken = archive.refresh_ppa(&ppa, "noble", "amd64", None).await.unwrap();
    let packages: Vec<String> = taken
        .packages
        .iter()
        .map(|p| format!("{} {}", p.name, p.version))
        .collect();
    assert_eq!(packages, ["demo 1.0-1"]);
    assert_eq!(
        (taken.suite.as_str(), taken.labels.origin.as_str()),
        ("noble", "LP-PPA-test-ppa")
    );
    assert!(taken.date.is_some());
    let again = archive.refresh_ppa(&ppa, "noble", "amd64", None).await.unwrap();
    assert_eq!(again, taken);

    // A flat repository beside it, and a state of both.
    let flat = repository.folder.path().join("flat");
    fs::create_dir_all(&flat).unwrap();
    let packages = fs::read_to_string(repository.suite("noble").join("main/binary-amd64/Packages")).unwrap();
    fs::write(
        flat.join("Packages"),
        packages.replace("Filename: pool/main/", "Filename: ./"),
    )
    .unwrap();
    fs::copy(
        repository.folder.path().join("pool/main/demo_1.0-1_all.deb"),
        flat.join("demo_1.0-1_all.deb"),
    )
    .unwrap();
    repository.release(&flat, &["Suite=flat"]);
    repository.gpg.sign(&flat, &repository.key, &[]);
    let flat_ppa = repository.ppa(&format!("{}/flat", server.url), "./");
    let flat_taken = archive.refresh_ppa(&flat_ppa, "noble", "amd64", None).await.unwrap();
    assert_eq!(flat_taken.packages.len(), 1);
    let both = archive.join_states(&[taken.state, flat_taken.state]).unwrap();
    let labels = archive.suite_labels(both).unwrap();
    let suites: Vec<&str> = labels.values().map(|labels| labels.suite.as_str()).collect();
    assert_eq!(suites, ["noble", "flat"]);

    for (ppa, suite) in [(&ppa, "noble"), (&flat_ppa, "./")] {
        let session = |network| {
            let options = SessionOptions {
                network,
                mirrors: vec![ppa.uri.mirror()],
                state: Some(both),
                ..SessionOptions::default()
            };
            archive.session(options).unwrap()
        };
        let source = source(&repository, ppa.uri.guest_url().as_str(), suite);
        let with_network = session(Network::Allowed);
        let loopback = with_network.listen_loopback().await.unwrap();
        let apt = Apt::new(Some(&loopback.proxy_url()), &source);
        apt.succeed(&["update"]).await;
        apt.succeed(&["download", "demo"]).await;
        assert_eq!(with_network.refusals(), []);
        let before = server.asked().len();
        let without = session(Network::Forbidden);
        let loopback = without.listen_loopback().await.unwrap();
        let apt = Apt::new(Some(&loopback.proxy_url()), &source);
        apt.succeed(&["update"]).await;
        apt.succeed(&["download", "demo"]).await;
        assert_eq!(server.asked().len(), before);
    }
}

/// What is done to a suite that was indexed but not signed yet.
type Tamper = fn(&Repository, &Path);

fn signed(repository: &Repository, folder: &Path) {
    repository.gpg.sign(folder, &repository.key, &[]);
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

const TAMPERED: &[(&str, PpaRefusalKind, &str, Tamper)] = &[
    (
        "other-key",
        PpaRefusalKind::WrongKey,
        "which no keyring",
        |repository, folder| {
            let other = repository.gpg.key("other", &[]);
            repository.gpg.sign(folder, &other, &[]);
        },
    ),
    ("unsigned", PpaRefusalKind::Unsigned, "not signed", |_, _| {}),
    (
        "inline-unsigned",
        PpaRefusalKind::Unsigned,
        "not signed",
        |_, folder| {
            fs::rename(folder.join("Release"), folder.join("InRelease")).unwrap();
        },
    ),
    (
        "signature-expired",
        PpaRefusalKind::BadSignature,
        "xpired",
        |repository, folder| {
            let options = ["--faked-system-time", "20200201T000000", "--default-sig-expire", "1d"];
            repository.gpg.sign(folder, &repository.key, &options);
        },
    ),
    (
        "text-changed",
        PpaRefusalKind::BadSignature,
        "bad",
        |repository, folder| {
            signed(repository, folder);
            change(&folder.join("InRelease"), |bytes| {
                let at = bytes.windows(6).position(|window| window == b"Suite:").unwrap();
                bytes[at + 7] ^= 1;
            });
        },
    ),
    (
        "valid-until",
        PpaRefusalKind::Expired,
        "expired at 2020",
        |repository, folder| {
            change(&folder.join("Release"), |bytes| {
                bytes.splice(0..0, *b"Valid-Until: Wed, 01 Jan 2020 00:00:00 UTC\n");
            });
            signed(repository, folder);
        },
    ),
    (
        "index-changed",
        PpaRefusalKind::Contradiction,
        "signed index says",
        |repository, folder| {
            signed(repository, folder);
            change(&folder.join("main/binary-amd64/Packages.xz"), |bytes| {
                *bytes.last_mut().unwrap() ^= 1
            });
        },
    ),
    (
        "index-longer",
        PpaRefusalKind::Contradiction,
        "larger than",
        |repository, folder| {
            signed(repository, folder);
            change(&folder.join("main/binary-amd64/Packages.xz"), |bytes| {
                bytes.extend(*b"more")
            });
        },
    ),
    (
        "index-shorter",
        PpaRefusalKind::Contradiction,
        "bytes, but the signed index says",
        |repository, folder| {
            signed(repository, folder);
            change(&folder.join("main/binary-amd64/Packages.xz"), |bytes| {
                bytes.truncate(100)
            });
        },
    ),
    (
        "no-sha256",
        PpaRefusalKind::Malformed,
        "no SHA256",
        |repository, folder| {
            // MD5 and SHA-1 remain, which apt does not trust either.
            change(&folder.join("Release"), |bytes| {
                let text = String::from_utf8(bytes.clone()).unwrap();
                let at = text.find("SHA256:").unwrap();
                bytes.truncate(at);
            });
            signed(repository, folder);
        },
    ),
    (
        "index-missing",
        PpaRefusalKind::Upstream,
        "does not have",
        |repository, folder| {
            signed(repository, folder);
            for name in ["Packages", "Packages.xz"] {
                fs::remove_file(folder.join("main/binary-amd64").join(name)).unwrap();
            }
        },
    ),
    (
        "no-index",
        PpaRefusalKind::NoSuchComponent,
        "no component main, only none",
        |repository, folder| {
            for name in ["Packages", "Packages.xz"] {
                fs::remove_file(folder.join("main/binary-amd64").join(name)).unwrap();
            }
            repository.release(folder, &["Suite=no-index"]);
            signed(repository, folder);
        },
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_tampered_with_is_refused_with_the_reason_and_by_apt_too() {
    let repository = Repository::new();
    let server = Server::start(repository.folder.path()).await;
    let store = tempfile::tempdir().unwrap();
    let archive = archive(store.path());
    for (suite, kind, words, tamper) in TAMPERED {
        let folder = repository.index(suite, &[]);
        tamper(&repository, &folder);
        let ppa = repository.ppa(&server.url, suite);
        let refusal = archive.refresh_ppa(&ppa, "noble", "amd64", None).await.unwrap_err();
        assert_eq!(refusal.kind, *kind, "{suite}: {refusal}");
        let told = refusal.to_string();
        assert!(
            told.contains(words) && told.contains("test/ppa") && told.contains(suite),
            "{suite}: {told}"
        );
        let apt = Apt::new(None, &source(&repository, &server.url, suite));
        let output = apt.run(&["update", "-eany"]).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Of a suite without an index apt says that there is nothing, and goes on.
        let content = *suite == "no-index" && said.contains("doesn't have the component");
        assert!(!output.status.success() || content, "apt accepts {suite}: {said}");
    }
    // The same repository untouched is good, and so is it to apt.
    repository.publish("untouched", &[]);
    let ppa = repository.ppa(&server.url, "untouched");
    archive.refresh_ppa(&ppa, "noble", "amd64", None).await.unwrap();
    Apt::new(None, &source(&repository, &server.url, "untouched"))
        .succeed(&["update", "-eany"])
        .await;

    let refuse = async |ppa: &Ppa, architecture: &str| {
        archive
            .refresh_ppa(ppa, "noble", architecture, None)
            .await
            .unwrap_err()
            .kind
    };
    assert_eq!(refuse(&ppa, "arm64").await, PpaRefusalKind::NoSuchArchitecture);
    let mut other = ppa.clone();
    other.architectures = vec!["arm64".to_owned()];
    assert_eq!(refuse(&other, "amd64").await, PpaRefusalKind::NoSuchArchitecture);
    other = repository.ppa(&server.url, "nowhere");
    assert_eq!(refuse(&other, "amd64").await, PpaRefusalKind::NoSuchSuite);
    other = ppa.clone();
    other.components = vec!["main".to_owned(), "extra".to_owned()];
    assert_eq!(refuse(&other, "amd64").await, PpaRefusalKind::NoSuchComponent);
    // What is known of it is no answer when it can't be asked.
    drop(server);
    assert_eq!(refuse(&ppa, "amd64").await, PpaRefusalKind::Unreachable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ppa_that_is_rolled_back_is_refused_and_apt_keeps_what_it_has() {
    let repository = Repository::new();
    let server = Server::start(repository.folder.path()).await;
    let store = tempfile::tempdir().unwrap();
    let archive = archive(store.path());
    let ppa = repository.ppa(&server.url, "noble");
    repository.publish("noble", &["Date=Sat, 02 Nov 2024 00:00:00 UTC"]);
    let old = fs::read(repository.suite("noble").join("InRelease")).unwrap();
    let old_index = fs::read(repository.suite("noble").join("main/binary-amd64/Packages.xz")).unwrap();
    repository.add("later", "2.0-1", "");
    repository.publish("noble", &["Date=Sun, 03 Nov 2024 00:00:00 UTC"]);
    let newer = archive.refresh_ppa(&ppa, "noble", "amd64", None).await.unwrap();
    assert_eq!(newer.packages.len(), 2);
    let apt = Apt::new(None, &source(&repository, &server.url, "noble"));
    apt.succeed(&["update", "-eany"]).await;

    fs::write(repository.suite("noble").join("InRelease"), old).unwrap();
    fs::write(
        repository.suite("noble").join("main/binary-amd64/Packages.xz"),
        old_index,
    )
    .unwrap();
    let refusal = archive.refresh_ppa(&ppa, "noble", "amd64", None).await.unwrap_err();
    assert_eq!(refusal.kind, PpaRefusalKind::RolledBack, "{refusal}");
    assert!(refusal.kind.hint().unwrap().contains("withholds updates"));
    apt.run(&["update"]).await;
    let known = apt.succeed(&["install", "--simulate", "later"]).await;
    assert!(known.contains("Inst later (2.0-1"), "{known}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ppa_that_moves_on_while_it_is_taken_is_taken_again() {
    let repository = Repository::new();
    let server = Server::start(repository.folder.path()).await;
    let store = tempfile::tempdir().unwrap();
    repository.publish("noble", &["Date=Sat, 02 Nov 2024 00:00:00 UTC"]);
    let old = fs::read(repository.suite("noble").join("InRelease")).unwrap();
    repository.add("later", "2.0-1", "");
    repository.publish("noble", &["Date=Sun, 03 Nov 2024 00:00:00 UTC"]);
    server.tell(|told| {
        told.once
            .entry("/dists/noble/InRelease".to_owned())
            .or_default()
            .push_back(old)
    });
    let ppa = repository.ppa(&server.url, "noble");
    let taken = archive(store.path())
        .refresh_ppa(&ppa, "noble", "amd64", None)
        .await
        .unwrap();
    assert_eq!(taken.packages.len(), 2);
}
