//! A private PPA: nothing without the token, all with it, and the token nowhere but on the wire.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use preflight_archive::{Credentials, Network, PpaRefusalKind, Progress, SecretStore, SessionOptions};
use pretty_assertions::assert_eq;

use crate::ppa::repository::{Repository, archive};
use crate::ppa::server::Server;
use crate::support::Apt;

const TOKEN: &str = "s3cr3tT0ken";

#[tokio::test(flavor = "multi_thread")]
async fn the_token_opens_the_ppa_and_is_seen_nowhere() {
    let repository = Repository::new();
    repository.publish("noble", &[]);
    let server = Server::start(repository.folder.path()).await;
    let basic = BASE64.encode(format!("jane:{TOKEN}"));
    server.tell(|told| told.password = Some(format!("Basic {basic}")));
    let store = tempfile::tempdir().unwrap();
    let archive = archive(store.path());
    let mut ppa = repository.ppa(&server.url, "noble");
    ppa.private = true;

    let mut shown = String::new();
    let wrong = Credentials::new("jane", &TOKEN.to_lowercase()).unwrap();
    for credentials in [None, Some(wrong)] {
        archive.set_credentials(&ppa.uri, credentials).unwrap();
        let refusal = archive.refresh_ppa(&ppa, "noble", "amd64", None).await.unwrap_err();
        assert_eq!(refusal.kind, PpaRefusalKind::Unauthorised);
        assert!(refusal.kind.hint().unwrap().contains("--token"));
        shown.push_str(&format!("{refusal} {refusal:?}"));
    }

    let credentials = Credentials::new("jane", TOKEN).unwrap();
    archive.set_credentials(&ppa.uri, Some(credentials.clone())).unwrap();
    let told = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&told);
    let progress = Arc::new(move |progress: Progress| log.lock().unwrap().push_str(&format!("{progress:?}")));
    let taken = archive
        .refresh_ppa(&ppa, "noble", "amd64", Some(progress.clone()))
        .await
        .unwrap();
    let session = archive
        .session(SessionOptions {
            network: Network::Allowed,
            mirrors: vec![ppa.uri.mirror()],
            state: Some(taken.state),
            progress: Some(progress),
            ..SessionOptions::default()
        })
        .unwrap();
    let loopback = session.listen_loopback().await.unwrap();
    let line = format!(
        "deb [signed-by={}] {} noble main\n",
        repository.key_file().display(),
        ppa.uri.guest_url()
    );
    let apt = Apt::new(Some(&loopback.proxy_url()), &line);
    shown.push_str(&apt.succeed(&["update"]).await);
    shown.push_str(&apt.succeed(&["download", "demo"]).await);
    fs::remove_file(repository.folder.path().join("pool/main/demo_1.0-1_all.deb")).unwrap();
    repository.add("broken", "1.0-1", "");
    let refusal = session
        .get(&format!("{}/pool/main/broken_1.0-1_all.deb", ppa.uri))
        .await
        .unwrap_err();
    shown.push_str(&format!("{refusal:?} {:?} {:?}", session.refusals(), session.lock()));
    shown.push_str(&format!("{ppa:?} {credentials:?} {taken:?} {archive:?} {session:?}"));
    shown.push_str(&told.lock().unwrap());
    assert!(told.lock().unwrap().contains("demo_1.0-1_all.deb"));
    let authorised = server
        .asked()
        .iter()
        .filter(|(_, sent)| sent.as_deref() == Some(&format!("Basic {basic}")))
        .count();
    assert!(authorised >= 3, "release file, index and package: {authorised}");

    SecretStore::open(&store.path().join("secrets"))
        .unwrap()
        .put(&ppa.name, &credentials)
        .unwrap();
    let mut holding = Vec::new();
    search(store.path(), &[TOKEN, &basic], &mut holding);
    search(apt.folder.path(), &[TOKEN, &basic], &mut holding);
    assert_eq!(holding, ["ppa-test_ppa"]);
    for secret in [TOKEN, &basic] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// The names of files that hold one of the secrets.
fn search(folder: &Path, secrets: &[&str], found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            search(&entry.path(), secrets, found);
        } else {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if secrets.iter().any(|secret| text.contains(secret)) {
                found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
}
