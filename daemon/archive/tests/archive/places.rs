//! Where else content is found than on the mirror: the host's own package caches before it, snapshot services after it.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::distribution;
use crate::support::{self, TestMirror, guest};
use preflight_archive::{Archive, CanonicalUrl, HostCache, Network, Places, RefusalKind, Session};
use preflight_debian::Sha256Digest;
use pretty_assertions::assert_eq;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

const DEMO: &str = "pool/main/d/demo/demo_1.0+b1-1_all.deb";
const DATA: &str = "pool/main/d/demo/demo-data_1.0-1_all.deb";
const INRELEASE: &str = "dists/stable/InRelease";

/// An archive that finds content in these places beside the mirror.
fn archive(mirror: &TestMirror, places: Places) -> Archive {
    let store = mirror.folder.path().join("store");
    mirror.archive_beside(&store, places).unwrap()
}

fn services<const N: usize>(mirror: &TestMirror, templates: [String; N]) -> Places {
    let of_guest: CanonicalUrl = guest("").parse().unwrap();
    // The mirror's own URL is as good a name of the archive as the guests' is.
    let of_mirror: CanonicalUrl = mirror.url.parse().unwrap();
    let names = [of_guest, of_mirror].into_iter().cycle();
    Places {
        snapshot_services: names
            .zip(templates)
            .map(|(name, template)| (name, template.parse().unwrap()))
            .collect(),
        ..Places::default()
    }
}

async fn session(mirror: &TestMirror, archive: &Archive) -> Session {
    let session = archive.session(mirror.options(Network::Allowed)).unwrap();
    session.get(&guest(INRELEASE)).await.unwrap();
    session
}

fn digest(mirror: &TestMirror, path: &str) -> Sha256Digest {
    Sha256Digest::of_file(&mirror.root().join(path)).unwrap().0
}

/// The file with another content of the same size.
fn damaged(mirror: &TestMirror, path: &str) -> Vec<u8> {
    let mut content = fs::read(mirror.root().join(path)).unwrap();
    content[100] ^= 1;
    content
}

#[tokio::test]
async fn what_the_mirror_no_longer_has_comes_from_a_snapshot_service_or_is_named() {
    let mirror = TestMirror::start().await;
    let server = mirror.url.trim_end_matches("/debian").to_owned();
    let date = SystemTime::now();
    support::write_suite(&mirror.root(), &mirror.key, date, None);
    let moment = |days: u64| {
        let at = jiff::Timestamp::try_from(date + Duration::from_secs(86_400 * days)).unwrap();
        at.strftime("%Y%m%dT%H%M%SZ").to_string()
    };
    let templates = ["first", "second"].map(|name| format!("{server}/{name}/{{timestamp}}/{{path}}"));
    let session = session(&mirror, &archive(&mirror, services(&mirror, templates))).await;
    session.get(&guest(DATA)).await.unwrap();
    // Gone from the mirror; one service has it since a day later, another one something else.
    let kept = mirror.folder.path().join("second").join(moment(1)).join(DEMO);
    let wrong = mirror.folder.path().join("first").join(moment(0)).join(DEMO);
    for path in [&kept, &wrong] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
    let wanted = digest(&mirror, DEMO);
    fs::write(&wrong, damaged(&mirror, DEMO)).unwrap();
    fs::rename(mirror.root().join(DEMO), mirror.folder.path().join("away")).unwrap();
    let refusal = session.get(&guest(DEMO)).await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Gone);
    assert!(
        refusal.reason.contains(&guest(DEMO)) && refusal.reason.contains("nor has the snapshot service"),
        "{}",
        refusal.reason
    );
    fs::rename(mirror.folder.path().join("away"), &kept).unwrap();
    let before = mirror.behaviour.lock().unwrap().asked.len();
    assert_eq!(session.get(&guest(DEMO)).await.unwrap().sha256, wanted);
    let asked: Vec<String> = mirror.behaviour.lock().unwrap().asked[before..]
        .iter()
        .map(|(path, _)| path.clone())
        .collect();
    let at = |service: &str, days| format!("{service}/{}/{DEMO}", moment(days));
    assert_eq!(
        asked,
        [
            format!("debian/{DEMO}"),
            at("first", 0),
            at("first", 1),
            at("second", 0),
            at("second", 1),
        ]
    );
    // What no index lists has no digest, so nobody else is asked.
    let unknown = session.get(&guest("pool/main/x/x_1_all.deb")).await.unwrap_err();
    assert_eq!(
        (unknown.kind, mirror.asked("x_1_all.deb").len()),
        (RefusalKind::NotFound, 0)
    );
}

#[tokio::test]
async fn a_service_of_another_archive_is_not_asked_and_the_missing_setting_is_named() {
    let mirror = TestMirror::start().await;
    let server = mirror.url.trim_end_matches("/debian").to_owned();
    let places = Places {
        snapshot_services: vec![(
            "http://mirror.example/other".parse().unwrap(),
            format!("{server}/service/{{timestamp}}/{{path}}").parse().unwrap(),
        )],
        ..Places::default()
    };
    let session = session(&mirror, &archive(&mirror, places)).await;
    fs::remove_file(mirror.root().join(DEMO)).unwrap();
    let refusal = session.get(&guest(DEMO)).await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Gone);
    for part in ["archive.snapshot_services", support::GUEST_URL, &guest(DEMO)] {
        assert!(refusal.reason.contains(part), "{}", refusal.reason);
    }
    let behaviour = mirror.behaviour.lock().unwrap();
    assert!(!behaviour.asked.iter().any(|(path, _)| path.starts_with("service/")));
}

#[tokio::test]
async fn a_snapshot_service_is_not_asked_while_the_mirror_answers_otherwise() {
    let mirror = TestMirror::start().await;
    let server = mirror.url.trim_end_matches("/debian");
    let template = format!("{server}/service/{{timestamp}}/{{path}}");
    let session = session(&mirror, &archive(&mirror, services(&mirror, [template]))).await;
    mirror.tell(|told| {
        told.status.insert(format!("debian/{DATA}"), 503);
    });
    assert_eq!(
        session.get(&guest(DATA)).await.unwrap_err().kind,
        RefusalKind::Unreachable
    );
    session.get(&guest(DEMO)).await.unwrap();
    let behaviour = mirror.behaviour.lock().unwrap();
    assert!(!behaviour.asked.iter().any(|(path, _)| path.starts_with("service/")));
}

#[tokio::test]
async fn apts_own_archives_are_used_before_the_network_and_without_one() {
    let mirror = TestMirror::start().await;
    let pool = mirror.root().join("pool/main/d/demo");
    support::deb(&pool, "epoch", "2:1.0-1", "", 10);
    // The archive's name has no epoch.
    fs::rename(pool.join("epoch_2:1.0-1_all.deb"), pool.join("epoch_1.0-1_all.deb")).unwrap();
    support::write_suite(&mirror.root(), &mirror.key, SystemTime::now(), None);
    let cache = mirror.folder.path().join("archives");
    fs::create_dir(&cache).unwrap();
    fs::copy(pool.join("epoch_1.0-1_all.deb"), cache.join("epoch_2%3a1.0-1_all.deb")).unwrap();
    fs::copy(
        pool.join("demo-data_1.0-1_all.deb"),
        cache.join("demo-data_1.0-1_all.deb"),
    )
    .unwrap();
    fs::write(cache.join("demo_1.0+b1-1_all.deb"), damaged(&mirror, DEMO)).unwrap();
    let places = Places {
        host_caches: vec![
            HostCache::AptArchives(PathBuf::from("/nonexistent")),
            HostCache::AptArchives(cache.clone()),
        ],
        ..Places::default()
    };
    let archive = archive(&mirror, places);
    let online = session(&mirror, &archive).await;
    for (path, requests) in [("pool/main/d/demo/epoch_1.0-1_all.deb", 0), (DEMO, 1)] {
        let object = online.get(&guest(path)).await.unwrap();
        assert_eq!(object.sha256, digest(&mirror, path));
        assert_eq!(mirror.asked(path).len(), requests, "{path}");
    }
    let offline = archive.session(mirror.options(Network::Forbidden)).unwrap();
    assert_eq!(offline.get(&guest(DATA)).await.unwrap().sha256, digest(&mirror, DATA));
    assert_eq!(mirror.asked(DATA).len(), 0);
}

/// A caching proxy that has these files (by the end of their URLs); what it was asked is noted.
async fn proxy(files: Vec<(&'static str, Vec<u8>)>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let (mut request, mut line) = (String::new(), String::new());
            while stream.read_line(&mut line).await.unwrap_or(0) > 2 {
                if request.is_empty() {
                    request = line.split(' ').nth(1).unwrap().replace("%2B", "+");
                }
                line.clear();
            }
            noted.lock().unwrap().push(request.clone());
            let found = files.iter().find(|(path, _)| request.ends_with(path));
            let (status, body) = found.map_or(("502 No", &[][..]), |(_, body)| ("200 OK", body));
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(body).await;
            let _ = stream.into_inner().shutdown().await;
        }
    });
    (url, asked)
}

#[tokio::test]
async fn a_caching_proxy_is_asked_before_the_mirror_and_believed_by_digest_only() {
    let mirror = TestMirror::start().await;
    let read = |path: &str| fs::read(mirror.root().join(path)).unwrap();
    let (url, asked) = proxy(vec![(DATA, read(DATA)), (DEMO, damaged(&mirror, DEMO))]).await;
    let beside = |proxy: &str| Places {
        host_caches: vec![HostCache::Proxy(proxy.to_owned())],
        ..Places::default()
    };
    let through = session(&mirror, &archive(&mirror, beside(&url))).await;
    for (path, at_mirror) in [(DATA, 0), (DEMO, 1)] {
        assert_eq!(through.get(&guest(path)).await.unwrap().sha256, digest(&mirror, path));
        assert_eq!(mirror.asked(path).len(), at_mirror, "{path}");
        assert_eq!(asked.lock().unwrap().last().unwrap(), &format!("{}/{path}", mirror.url));
    }
    // It was asked for the index as well, and could not help.
    assert!(asked.lock().unwrap()[0].contains("by-hash"));
    assert_eq!(through.refusals(), []);

    // One that is not there costs nothing but a line in the journal.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let other = mirror.folder.path().join("other");
    let archive = mirror
        .archive_beside(&other, beside(&format!("http://{closed}")))
        .unwrap();
    let without = archive.session(mirror.options(Network::Allowed)).unwrap();
    without.get(&guest(INRELEASE)).await.unwrap();
    without.get(&guest(DATA)).await.unwrap();
    assert_eq!(mirror.asked(DATA).len(), 1);
    assert!(mirror.archive_beside(&other, beside("no url at all")).is_err());
}

#[tokio::test]
async fn a_snapshots_indices_come_through_the_proxy_and_what_needs_a_password_does_not() {
    let mirror = TestMirror::start().await;
    let (url, asked) = proxy(Vec::new()).await;
    let places = Places {
        host_caches: vec![HostCache::Proxy(url)],
        ..Places::default()
    };
    let archive = archive(&mirror, places);
    distribution::take(&mirror, &archive, SystemTime::now()).await;
    let index = support::by_hash(&mirror.root(), "main/binary-amd64/Packages.xz");
    let before = asked.lock().unwrap().clone();
    assert!(before.iter().any(|url| url.ends_with(&index)), "{before:?}");

    let private = "user:token".parse().unwrap();
    archive
        .set_credentials(&mirror.url.parse().unwrap(), Some(private))
        .unwrap();
    let session = session(&mirror, &archive).await;
    session.get(&guest(DATA)).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), before);
}
