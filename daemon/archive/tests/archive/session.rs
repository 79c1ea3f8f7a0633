//! What sessions serve, fetch, refuse and remember, against a mirror that misbehaves on demand.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::support::{self, GUEST_URL, TestMirror, guest};
use preflight_archive::{
    Archive, Lock, LockKind, Mirror, Network, Progress, RefusalKind, Session, SessionOptions, SigningKey, ValidUntil,
};
use preflight_debian::Sha256Digest;
use pretty_assertions::assert_eq;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const DEMO: &str = "pool/main/d/demo/demo_1.0+b1-1_all.deb";
const DATA: &str = "pool/main/d/demo/demo-data_1.0-1_all.deb";
const INRELEASE: &str = "dists/stable/InRelease";
const HOUR: Duration = Duration::from_secs(3600);

fn online(mirror: &TestMirror, archive: &Archive) -> Session {
    archive.session(mirror.options(Network::Allowed)).unwrap()
}

fn offline(mirror: &TestMirror, archive: &Archive) -> Session {
    archive.session(mirror.options(Network::Forbidden)).unwrap()
}

async fn kind_of_refusal(session: &Session, path: &str) -> RefusalKind {
    session.get(&guest(path)).await.unwrap_err().kind
}

/// Sends raw HTTP on a stream of the session's and returns all that comes back.
async fn raw(session: &Session, request: &str) -> String {
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let session = session.clone();
    let serving = tokio::spawn(async move { session.serve(server).await });
    client.write_all(request.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    let _ = serving.await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_cut_connection_is_resumed_where_it_was_cut() {
    let mirror = TestMirror::start().await;
    mirror.tell(|told| {
        told.cut.insert(DEMO.to_owned(), 70_000);
    });
    let seen = Arc::new(Mutex::new(Vec::<Progress>::new()));
    let log = Arc::clone(&seen);
    let session = mirror
        .archive()
        .session(SessionOptions {
            progress: Some(Arc::new(move |progress| log.lock().unwrap().push(progress))),
            ..mirror.options(Network::Allowed)
        })
        .unwrap();
    session.get(&guest(INRELEASE)).await.unwrap();
    let object = session.get(&guest(DEMO)).await.unwrap();
    assert_eq!(
        (object.sha256, object.size),
        Sha256Digest::of_file(&mirror.root().join(DEMO)).unwrap()
    );
    assert_eq!(
        mirror.asked("demo_1.0+b1-1_all.deb"),
        [None, Some("bytes=70000-".to_owned())]
    );
    let seen = seen.lock().unwrap();
    let last = seen.last().unwrap();
    assert!(last.finished && last.total == Some(object.size) && last.bytes == object.size);
}

#[tokio::test]
async fn a_mirror_without_ranges_and_a_stale_piece_still_give_the_right_file() {
    let mirror = TestMirror::start().await;
    mirror.tell(|told| {
        told.no_ranges = true;
        told.cut.insert(DEMO.to_owned(), 70_000);
    });
    let archive = mirror.archive();
    let session = online(&mirror, &archive);
    session.get(&guest(INRELEASE)).await.unwrap();
    // A piece of something else, as a killed daemon may leave.
    let (digest, _) = Sha256Digest::of_file(&mirror.root().join(DATA)).unwrap();
    fs::write(mirror.folder.path().join(format!("store/partial/{digest}")), b"rubbish").unwrap();
    session.get(&guest(DEMO)).await.unwrap();
    mirror.tell(|told| told.no_ranges = false);
    let object = session.get(&guest(DATA)).await.unwrap();
    assert_eq!(object.sha256, digest);
    assert_eq!(
        mirror.asked("demo-data_1.0-1_all.deb"),
        [Some("bytes=7-".to_owned()), None]
    );
}

#[tokio::test]
async fn what_contradicts_the_signed_index_is_never_served() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let session = online(&mirror, &archive);
    session.get(&guest(INRELEASE)).await.unwrap();
    let mut wrong = fs::read(mirror.root().join(DEMO)).unwrap();
    wrong[1000] ^= 1;
    mirror.tell(|told| {
        told.replaced.insert(DEMO.to_owned(), wrong.clone());
    });
    let answer = raw(
        &session,
        &format!("GET {} HTTP/1.1\r\nHost: mirror.example\r\n\r\n", guest(DEMO)),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert!(answer.contains("but the signed index says"), "{answer}");
    wrong.push(0);
    mirror.tell(|told| {
        told.replaced.insert(DEMO.to_owned(), wrong);
    });
    assert_eq!(kind_of_refusal(&session, DEMO).await, RefusalKind::Unverified);
    assert_eq!(session.refusals().len(), 2);
    assert!(session.lock().get(&guest(DEMO).parse().unwrap()).is_none());
    mirror.tell(|told| told.replaced.clear());
    session.get(&guest(DEMO)).await.unwrap();
}

#[tokio::test]
async fn release_files_are_judged_by_signature_validity_and_date() {
    let mirror = TestMirror::start().await;
    let folder = tempfile::tempdir().unwrap();
    let other = SigningKey::load_or_create(folder.path()).unwrap();
    let now = SystemTime::now();
    let refusal = async |name: &str, archive: Archive| {
        let refusal = online(&mirror, &archive).get(&guest(INRELEASE)).await.unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Unverified, "{name}");
        refusal.reason
    };
    let fresh = |name: &str| mirror.archive_in(&folder.path().join(name));

    support::write_suite(&mirror.root(), &other, now, None);
    assert!(
        refusal("unknown key", fresh("a"))
            .await
            .contains("which no keyring of this mirror has")
    );

    support::write_suite(&mirror.root(), &mirror.key, now, None);
    let path = mirror.root().join(INRELEASE);
    let tampered = fs::read_to_string(&path)
        .unwrap()
        .replace("Origin: Test", "Origin: Evil");
    fs::write(&path, tampered).unwrap();
    assert!(refusal("tampered", fresh("b")).await.contains("signature is bad"));

    fs::write(&path, fs::read(mirror.root().join("dists/stable/Release")).unwrap()).unwrap();
    assert!(refusal("unsigned", fresh("c")).await.contains("is not signed"));

    support::write_suite(&mirror.root(), &mirror.key, now - 2 * HOUR, Some(now - HOUR));
    assert!(refusal("expired", fresh("d")).await.contains("expired at"));
    let lenient = mirror.archive_with(&folder.path().join("e"), vec![mirror.keyring()], ValidUntil::Ignore);
    online(&mirror, &lenient).get(&guest(INRELEASE)).await.unwrap();

    support::write_suite(&mirror.root(), &mirror.key, now, None);
    let archive = fresh("f");
    online(&mirror, &archive).get(&guest(INRELEASE)).await.unwrap();
    support::write_suite(&mirror.root(), &mirror.key, now - HOUR, None);
    assert!(
        refusal("rollback", archive)
            .await
            .contains("older than the one taken before")
    );
}

#[tokio::test]
async fn an_archive_without_inrelease_is_taken_by_its_detached_signature() {
    let mirror = TestMirror::start().await;
    fs::remove_file(mirror.root().join(INRELEASE)).unwrap();
    let archive = mirror.archive();
    let session = online(&mirror, &archive);
    assert_eq!(kind_of_refusal(&session, INRELEASE).await, RefusalKind::NotFound);
    assert_eq!(session.refusals(), []);
    session.get(&guest("dists/stable/Release")).await.unwrap();
    session.get(&guest("dists/stable/Release.gpg")).await.unwrap();
    session.get(&guest(DATA)).await.unwrap();

    fs::write(mirror.root().join("dists/stable/Release.gpg"), b"nonsense").unwrap();
    let archive = mirror.archive_in(&mirror.folder.path().join("other"));
    assert_eq!(
        kind_of_refusal(&online(&mirror, &archive), "dists/stable/Release").await,
        RefusalKind::Unverified
    );
}

#[tokio::test]
async fn a_seal_lets_through_what_was_fetched_and_nothing_else() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let session = online(&mirror, &archive);
    for path in [INRELEASE, DATA] {
        session.get(&guest(path)).await.unwrap();
    }
    session.seal();
    session
        .get(&guest("pool/main/d/./demo/demo-data_1.0-1_all.deb"))
        .await
        .unwrap();
    let refusal = session.get(&guest(DEMO)).await.unwrap_err();
    assert_eq!((refusal.kind, refusal.kind.status()), (RefusalKind::Sealed, 403));
    assert!(refusal.reason.contains(&guest(DEMO)), "{}", refusal.reason);
    assert_eq!(mirror.asked("demo_1.0+b1-1_all.deb").len(), 0);

    // The lock alone replays it, and only it.
    let lock = Lock::from_json(&session.lock().to_json()).unwrap();
    let replay = archive
        .session(SessionOptions {
            replay: Some(lock.clone()),
            ..mirror.options(Network::Forbidden)
        })
        .unwrap();
    for entry in lock.entries() {
        replay.get(entry.url.as_str()).await.unwrap();
    }
    assert_eq!(replay.lock(), lock);
    assert_eq!(kind_of_refusal(&replay, DEMO).await, RefusalKind::Sealed);
    assert_eq!(
        kind_of_refusal(&replay, "pool/main/n/never/never_1_all.deb").await,
        RefusalKind::NotFound,
        "what was not there is not there"
    );
    // Sealed, it serves what it has fetched: no file of the lock comes before its time.
    let early = archive
        .session(SessionOptions {
            replay: Some(lock.clone()),
            ..mirror.options(Network::Forbidden)
        })
        .unwrap();
    early.get(&guest(INRELEASE)).await.unwrap();
    early.seal();
    early.get(&guest(INRELEASE)).await.unwrap();
    assert_eq!(kind_of_refusal(&early, DATA).await, RefusalKind::Sealed);

    // So does a session that was another one before.
    let later = archive.session(mirror.options(Network::Forbidden)).unwrap();
    later.seal_to(lock.clone());
    for entry in lock.entries() {
        later.get(entry.url.as_str()).await.unwrap();
    }
    assert_eq!(later.lock(), lock);
    assert_eq!(kind_of_refusal(&later, DEMO).await, RefusalKind::Sealed);
}

#[tokio::test]
async fn one_fetch_serves_all_who_wait_for_it() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let first = online(&mirror, &archive);
    first.get(&guest(INRELEASE)).await.unwrap();
    first.get(&guest(DATA)).await.unwrap();
    mirror.tell(|told| {
        told.held.insert(DEMO.to_owned());
    });
    let second = online(&mirror, &archive);
    let url = guest(DEMO);
    let (a, b, ()) = tokio::join!(first.get(&url), second.get(&url), async {
        while mirror.asked("demo_1.0+b1-1_all.deb").is_empty() {
            tokio::task::yield_now().await;
        }
        mirror.release_held.notify_one();
    });
    assert_eq!(a.unwrap(), b.unwrap());
    assert_eq!(mirror.asked("demo_1.0+b1-1_all.deb").len(), 1);
}

#[tokio::test]
async fn a_state_pins_the_suites_whatever_the_mirror_has_now() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let base = online(&mirror, &archive);
    let old = base.get(&guest(INRELEASE)).await.unwrap();
    base.get(&guest(DATA)).await.unwrap();
    let state = base.state().await.unwrap();

    support::deb(&mirror.root().join("pool/main/d/demo"), "newer", "1", "", 10);
    support::write_suite(
        &mirror.root(),
        &mirror.key,
        SystemTime::now() + Duration::from_secs(1),
        None,
    );
    let pinned = archive
        .session(SessionOptions {
            state: Some(state),
            ..mirror.options(Network::Allowed)
        })
        .unwrap();
    // No index was asked for in this session: the guest's apt has its lists from the image.
    pinned.get(&guest(DEMO)).await.unwrap();
    assert_eq!(
        kind_of_refusal(&pinned, "pool/main/d/demo/newer_1_all.deb").await,
        RefusalKind::NotFound
    );
    assert_eq!(pinned.get(&guest(INRELEASE)).await.unwrap(), old);
    assert_eq!(pinned.state().await.unwrap(), state);

    let unpinned = online(&mirror, &archive);
    assert!(unpinned.get(&guest(INRELEASE)).await.unwrap() != old);
    unpinned.get(&guest("pool/main/d/demo/newer_1_all.deb")).await.unwrap();
    assert!(unpinned.state().await.unwrap() != state);

    let unknown = "0".repeat(64).parse().unwrap();
    assert!(
        archive
            .session(SessionOptions {
                state: Some(unknown),
                ..SessionOptions::default()
            })
            .is_err()
    );
}

#[tokio::test]
async fn without_network_the_store_answers_and_says_what_it_lacks() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let refusal = offline(&mirror, &archive).get(&guest(INRELEASE)).await.unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.kind.status()),
        (RefusalKind::NetworkForbidden, 503)
    );
    let session = online(&mirror, &archive);
    session.get(&guest(INRELEASE)).await.unwrap();
    session.get(&guest(DATA)).await.unwrap();

    let asked = mirror.behaviour.lock().unwrap().asked.len();
    let cut = offline(&mirror, &archive);
    cut.get(&guest(DATA)).await.unwrap();
    let refusal = cut.get(&guest(DEMO)).await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::NetworkForbidden);
    assert!(
        refusal.reason.contains(&guest(DEMO)) && refusal.reason.contains("network on"),
        "{}",
        refusal.reason
    );
    assert_eq!(mirror.behaviour.lock().unwrap().asked.len(), asked);

    // Allowed but not to be reached is the same, told apart.
    mirror.tell(|told| {
        told.status.insert("deb".to_owned(), 503);
        told.status.insert("InRelease".to_owned(), 503);
    });
    let unreachable = online(&mirror, &archive);
    unreachable.get(&guest(INRELEASE)).await.unwrap();
    unreachable.get(&guest(DATA)).await.unwrap();
    assert_eq!(kind_of_refusal(&unreachable, DEMO).await, RefusalKind::Unreachable);
    mirror.tell(|told| {
        told.status.insert("deb".to_owned(), 403);
    });
    assert_eq!(kind_of_refusal(&unreachable, DEMO).await, RefusalKind::Upstream);
}

#[tokio::test]
async fn only_package_sources_are_served_and_other_attempts_are_kept() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let session = online(&mirror, &archive);
    for (request, status) in [
        ("GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", 403),
        (
            "GET http://mirror.example.evil/debian/x HTTP/1.1\r\nHost: x\r\n\r\n",
            403,
        ),
        (
            "GET http://mirror.example/debian-other/x HTTP/1.1\r\nHost: x\r\n\r\n",
            403,
        ),
        ("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", 403),
        (
            "POST http://mirror.example/debian/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
            405,
        ),
        ("GET /debian/x HTTP/1.1\r\nHost: mirror.example\r\n\r\n", 405),
        (
            "GET http://mirror.example/debian/%2e%2e/x?y HTTP/1.1\r\nHost: x\r\n\r\n",
            400,
        ),
    ] {
        let answer = raw(&session, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {answer}"
        );
    }
    let urls: Vec<String> = session.refusals().into_iter().map(|refusal| refusal.url).collect();
    assert_eq!(urls[0], "http://example.com");
    assert_eq!(urls[3], "example.com:443");
    assert_eq!(session.refusal_count(), 7);
    assert!(session.lock().is_empty());
}

#[tokio::test]
async fn answers_are_conditional_partial_and_pipelined() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let session = online(&mirror, &archive);
    let get = |extra: &str| {
        format!(
            "GET {} HTTP/1.1\r\nHost: mirror.example\r\n{extra}\r\n",
            guest(INRELEASE)
        )
    };
    let answer = raw(&session, &get("")).await;
    let header = |name: &str| {
        let line = answer
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(name))
            .unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    let modified = header("last-modified");
    let size: usize = header("content-length").parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body.len(), size);
    assert!(
        raw(&session, &get(&format!("If-Modified-Since: {modified}\r\n")))
            .await
            .starts_with("HTTP/1.1 304 ")
    );
    let earlier = "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT\r\n";
    assert!(
        raw(&session, &get(earlier)).await.starts_with("HTTP/1.1 200 "),
        "a newer date is another file"
    );
    let part = raw(
        &session,
        &get(&format!("Range: bytes=10-19\r\nIf-Range: {modified}\r\n")),
    )
    .await;
    assert!(
        part.starts_with("HTTP/1.1 206 ") && part.contains(&format!("bytes 10-19/{size}")),
        "{part}"
    );
    assert_eq!(part.split_once("\r\n\r\n").unwrap().1, &body[10..20]);
    let stale = "Range: bytes=10-\r\nIf-Range: Thu, 01 Jan 2009 00:00:00 GMT\r\n";
    assert!(raw(&session, &get(stale)).await.starts_with("HTTP/1.1 200 "));
    assert!(
        raw(&session, &get(&format!("Range: bytes={size}-\r\n")))
            .await
            .starts_with("HTTP/1.1 416 ")
    );
    let head = raw(&session, &get("").replace("GET", "HEAD")).await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n") && head.contains(&size.to_string()),
        "{head}"
    );
    let many = raw(&session, &get("").repeat(5)).await;
    assert_eq!(many.matches(&body).count(), 5);
    assert!(session.transferred().served_bytes >= 7 * size as u64);
}

#[tokio::test]
async fn the_loopback_wants_its_password_and_ends_when_dropped() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let session = online(&mirror, &archive);
    let loopback = session.listen_loopback().await.unwrap();
    let address = loopback.address();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        guest(INRELEASE)
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 407 "), "{answer}");
    assert!(session.lock().is_empty() && session.refusals().is_empty());
    let mut idle = tokio::net::TcpStream::connect(address).await.unwrap();
    drop(loopback);
    assert_eq!(idle.read(&mut [0]).await.unwrap_or(0), 0);
    // The listener is gone once its task has been dropped.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_mirrors_own_keyring_replaces_the_archives() {
    let mirror = TestMirror::start().await;
    let folder = tempfile::tempdir().unwrap();
    let archive = mirror.archive_with(folder.path(), Vec::new(), ValidUntil::Enforce);
    assert_eq!(
        kind_of_refusal(&online(&mirror, &archive), INRELEASE).await,
        RefusalKind::Unverified
    );
    let own = Mirror {
        upstream: Some(mirror.url.clone()),
        ..Mirror::new(GUEST_URL)
    };
    let by_file = Mirror {
        keyrings: vec![mirror.keyring()],
        ..own.clone()
    };
    let by_text = Mirror {
        keys: Some(mirror.key.public_armored().unwrap()),
        // Not asked where there are keys.
        keyrings: vec!["/nonexistent".into()],
        ..own
    };
    for ppa in [by_file, by_text] {
        let options = SessionOptions {
            network: Network::Allowed,
            mirrors: vec![ppa],
            ..SessionOptions::default()
        };
        let session = archive.session(options).unwrap();
        session.get(&guest(INRELEASE)).await.unwrap();
        let entry_kinds: Vec<LockKind> = session.lock().entries().map(|entry| entry.kind).collect();
        assert_eq!(entry_kinds, [LockKind::Release]);
    }
}

#[tokio::test]
async fn a_package_comes_from_the_preferred_suite_that_lists_it() {
    let mirror = TestMirror::start().await;
    let archive = mirror.archive();
    let dists = mirror.root().join("dists");
    support::run(
        std::process::Command::new("cp")
            .arg("-a")
            .arg(dists.join("stable"))
            .arg(dists.join("proposed")),
    );
    let suite = |name: &str| guest(&format!("dists/{name}"));
    for (preferred, expected) in [
        (vec!["stable", "proposed"], "stable"),
        (vec!["proposed", "stable"], "proposed"),
        (vec!["stable"], "stable"),
        // In the order of their URLs, where nobody says.
        (vec![], "proposed"),
    ] {
        let options = SessionOptions {
            preferred: preferred.iter().map(|name| suite(name).parse().unwrap()).collect(),
            ..mirror.options(Network::Allowed)
        };
        let session = archive.session(options).unwrap();
        for name in ["stable", "proposed"] {
            session.get(&format!("{}/InRelease", suite(name))).await.unwrap();
        }
        session.get(&guest(DEMO)).await.unwrap();
        let origin = |session: &Session| {
            let lock = session.lock();
            let entry = lock.entries().find(|entry| entry.kind == LockKind::Package).unwrap();
            entry.origin.as_ref().unwrap().to_string()
        };
        assert_eq!(origin(&session), suite(expected));
        // What is asked for again, sealed, is from where it was.
        session.seal();
        session.get(&guest(DEMO)).await.unwrap();
        assert_eq!(origin(&session), suite(expected));
    }
}
