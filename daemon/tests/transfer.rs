//! A ticket goes from one daemon to another in one file: all of it or nothing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails in a test's helper fails the test"
)]

use std::io;
use std::path::{Path, PathBuf};

use preflight_archive::ContentStore;
use preflight_core::{
    Artifact, Finding, FindingKind, JobKind, LockEntry, NetworkFinding, NetworkProtocol, Sha256, TestResult, TestStatus,
};
use preflight_debian::Sha256Digest;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids::TicketId;
use preflight_protocol::log::LogInfo;
use preflight_protocol::method::{LockShow, LogList, Method, ResultStream, TicketList};
use preflight_protocol::ticket::Ticket;
use preflight_protocol::transfer::{TicketExport, TicketImport, TicketImported};
use preflight_store::LogStream;
use preflightd::bootstrap::Daemon;
use preflightd::services::JobReport;
use preflightd::testing::Step;

#[expect(dead_code, reason = "other tests need more of it")]
mod support;
use support::{Client, House, within};

const PACKAGE: &[u8] = b"a package that was fetched";

fn sha256(content: &[u8]) -> Sha256 {
    Sha256(*Sha256Digest::of(content).as_bytes())
}

/// Builds fetch a package and make one; tests fail.
fn script(deb: PathBuf) -> impl Fn(JobKind, Option<&str>) -> Vec<Step> + Send + Sync + 'static {
    move |kind, source| match kind {
        JobKind::Build => vec![
            Step::Write(LogStream::Stdout, b"building \x1b[1mhello\n".to_vec()),
            Step::Report(JobReport::Lock(vec![LockEntry {
                url: "http://mirror.example/debian/pool/d/dep/dep_1_all.deb".into(),
                sha256: sha256(PACKAGE),
                size: PACKAGE.len() as u64,
                origin: Some("http://mirror.example/debian/dists/bookworm".into()),
            }])),
            Step::Report(JobReport::Artifact(Artifact {
                name: "hello_1.0-1_all.deb".into(),
                sha256: sha256(&std::fs::read(&deb).unwrap()),
                size: std::fs::metadata(&deb).unwrap().len(),
                path: deb.clone(),
            })),
        ],
        JobKind::Test => vec![
            Step::Write(LogStream::Stdout, b"testing\n".to_vec()),
            Step::Report(JobReport::Test(TestResult {
                source: source.unwrap_or_default().into(),
                name: "smoke".into(),
                status: TestStatus::Fail,
                reason: Some("non-zero exit status 1".into()),
                duration: std::time::Duration::from_millis(1500),
                log_line: Some(1),
            })),
            Step::Report(JobReport::Finding(Box::new(Finding {
                test: Some("smoke".into()),
                kind: FindingKind::Network(NetworkFinding {
                    protocol: NetworkProtocol::Other(47),
                    destination: [192, 0, 2, 1].into(),
                    name: None,
                    port: None,
                    process: None,
                }),
                declared: true,
                log_line: Some(1),
                count: 3,
            }))),
        ],
        _ => vec![],
    }
}

async fn ask<M: Method>(client: &Client, request: &M) -> Result<M::Answer, RpcError> {
    within(client.connection.request(request))
        .await
        .map_err(|error| match error {
            preflight_protocol::client::ClientError::Rpc(error) => error,
            other => panic!("{other}"),
        })
}

async fn stop(daemon: Daemon) {
    daemon.stopper().cancel();
    within(daemon.ended()).await.unwrap();
}

fn store(house: &House) -> ContentStore {
    ContentStore::open(&house.folders().state.join("archive")).unwrap()
}

/// A ticket that has ended, and a house with others before it.
async fn ended(house: &House, client: &mut Client) -> Ticket {
    client.subscribe(None).await;
    let source = house.source("hello", false);
    for _ in 0..2 {
        let created = client.create(vec![source.clone()]).await;
        client.until_ended(created.id).await;
    }
    let id = client.create(vec![source]).await.id;
    let folder = house.folders().state.join(format!("tickets/{id}"));
    for (path, text) in [
        ("sources/hello/package/hello_1.0-1.dsc", "Format: 3.0\n"),
        ("sources/hello/control", "Source: hello\n"),
        ("tests/hello/smoke/left", "left\n"),
    ] {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", folder.join("tests/hello/smoke/link")).unwrap();
    let ticket = client.until_ended(id).await;
    let test = ticket.jobs.last().unwrap().id;
    std::fs::write(folder.join(format!("results/{test}.subunit")), "stream").unwrap();
    ticket
}

/// A ticket's texts: what must be the same whatever its numbers are.
async fn evidence(client: &Client, id: TicketId, root: &Path) -> Vec<(String, Vec<u8>)> {
    let ticket = client.show(id).await;
    let logs: Vec<LogInfo> = ask(client, &LogList { ticket: id, job: None }).await.unwrap();
    let mut found = vec![];
    for (place, log) in logs.iter().enumerate() {
        found.push((format!("log {place}"), std::fs::read(&log.path).unwrap()));
        found.push((format!("index {place}"), std::fs::read(&log.index).unwrap()));
    }
    for stream in ask(client, &ResultStream { ticket: id }).await.unwrap() {
        found.push(("stream".into(), std::fs::read(&stream.path).unwrap()));
    }
    for lock in ask(client, &LockShow { ticket: id, job: None }).await.unwrap() {
        found.push(("lock".into(), serde_json::to_vec(&lock.entries).unwrap()));
    }
    for artifact in &ticket.artifacts {
        let text = format!("{} {} {}", artifact.name, artifact.sha256, artifact.size);
        found.push((text, std::fs::read(&artifact.path).unwrap()));
    }
    for test in &ticket.tests {
        found.push((
            format!("{} {} {:?} {:?}", test.source, test.name, test.status, test.reason),
            vec![],
        ));
    }
    for finding in &ticket.findings {
        found.push((finding.text.clone(), vec![]));
    }
    for job in &ticket.jobs {
        found.push((
            format!("{:?} {:?} {:?} {:?}", job.kind, job.source, job.state, job.outcome),
            vec![],
        ));
    }
    let folder = root.join(format!("tickets/{id}"));
    for path in [
        "sources/hello/package/hello_1.0-1.dsc",
        "sources/hello/control",
        "tests/hello/smoke/left",
    ] {
        found.push((path.into(), std::fs::read(folder.join(path)).unwrap()));
    }
    let summary = &ticket.summary;
    found.push((
        format!("{:?} {:?} {:?}", summary.status, summary.created_at, summary.reason),
        vec![],
    ));
    found
}

fn staged(house: &House) -> Vec<PathBuf> {
    match std::fs::read_dir(house.folders().state.join("tickets/staging")) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => vec![],
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_ticket_goes_to_another_machine_with_all_its_evidence() {
    let desk = tempfile::tempdir().unwrap();
    let deb = desk.path().join("made.deb");
    std::fs::write(&deb, "!<arch>\nhello").unwrap();
    let file = desk.path().join("hello.preflight");

    let here = House::new(script(deb));
    store(&here).put(PACKAGE).unwrap();
    let daemon = here.start().await;
    let mut client = here.client().await;
    let ticket = ended(&here, &mut client).await;
    let export = TicketExport {
        ticket: ticket.summary.id,
        file: file.clone(),
        with_packages: true,
    };
    let exported = ask(&client, &export).await.unwrap();
    assert_eq!(exported.size, std::fs::metadata(&file).unwrap().len());
    assert_eq!(exported.objects, 1);
    assert_eq!(exported.left_out.len(), 1, "the link alone: {:?}", exported.left_out);
    let expected = evidence(&client, ticket.summary.id, &here.folders().state).await;
    drop(client);
    stop(daemon).await;

    let there = House::new(|_, _| vec![]);
    let daemon = there.start().await;
    let mut client = there.client().await;
    client.subscribe(None).await;
    let own = client.create(vec![there.source("own", false)]).await.id;
    client.until_ended(own).await;
    let imported: TicketImported = ask(&client, &TicketImport { file: file.clone() }).await.unwrap();
    assert_eq!(imported.ticket, TicketId(own.0 + 1));
    assert_eq!(imported.origin.ticket, ticket.summary.id);
    assert_eq!(imported.objects, 1);
    let shown = client.show(imported.ticket).await;
    assert_eq!(shown.origin, Some(imported.origin.clone()));
    assert_eq!(
        evidence(&client, imported.ticket, &there.folders().state).await,
        expected
    );
    assert_eq!(store(&there).read(Sha256Digest::of(PACKAGE)).unwrap().unwrap(), PACKAGE);
    assert_eq!(staged(&there), Vec::<PathBuf>::new());

    // Once more is another ticket; and what was imported can be exported.
    let again: TicketImported = ask(&client, &TicketImport { file }).await.unwrap();
    assert_eq!(again.ticket, TicketId(own.0 + 2));
    let onward = desk.path().join("onward.preflight");
    let export = TicketExport {
        ticket: again.ticket,
        file: onward.clone(),
        with_packages: true,
    };
    let exported = ask(&client, &export).await.unwrap();
    assert_eq!((exported.objects, exported.left_out), (1, vec![]));

    // It is stored as it stands.
    let before = client.show(imported.ticket).await;
    drop(client);
    stop(daemon).await;
    let daemon = there.start().await;
    let client = there.client().await;
    assert_eq!(client.show(imported.ticket).await, before);
    assert_eq!(evidence(&client, again.ticket, &there.folders().state).await, expected);
    drop(client);
    stop(daemon).await;
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let desk = tempfile::tempdir().unwrap();
    let deb = desk.path().join("made.deb");
    std::fs::write(&deb, "!<arch>\nhello").unwrap();
    let file = desk.path().join("hello.preflight");
    let house = House::new(script(deb.clone()));
    store(&house).put(PACKAGE).unwrap();
    let daemon = house.start().await;
    let mut client = house.client().await;
    let ticket = ended(&house, &mut client).await;
    let export = |file: &Path, ticket| TicketExport {
        ticket,
        file: file.to_owned(),
        with_packages: true,
    };
    ask(&client, &export(&file, ticket.summary.id)).await.unwrap();
    let object = store(&house).path_of(Sha256Digest::of(PACKAGE));
    std::fs::remove_file(&object).unwrap();

    let whole = std::fs::read(&file).unwrap();
    let broken = desk.path().join("broken");
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 0x40;
    let text = b"no bundle at all".to_vec();
    for (what, bytes) in [
        ("cut off", &whole[..whole.len() - 5]),
        ("damaged", &damaged),
        ("a text", &text),
    ] {
        std::fs::write(&broken, bytes).unwrap();
        let error = ask(&client, &TicketImport { file: broken.clone() }).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidParams, "{what}: {error}");
        assert!(error.hint().is_some(), "{what}");
    }
    let missing = desk.path().join("missing");
    let error = ask(&client, &TicketImport { file: missing }).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
    let error = ask(
        &client,
        &TicketImport {
            file: desk.path().to_owned(),
        },
    )
    .await
    .unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidParams);
    assert_eq!(ask(&client, &TicketList::default()).await.unwrap().len(), 3);
    assert_eq!(staged(&house), Vec::<PathBuf>::new());
    assert!(!object.exists());

    // What was freed is named; what cannot be written leaves no file.
    std::fs::remove_file(&deb).unwrap();
    let again = desk.path().join("again.preflight");
    let exported = ask(&client, &export(&again, ticket.summary.id)).await.unwrap();
    assert_eq!(exported.objects, 0);
    for what in ["hello_1.0-1_all.deb", "dep_1_all.deb"] {
        assert!(
            exported.left_out.iter().any(|text| text.contains(what)),
            "{what}: {:?}",
            exported.left_out
        );
    }
    let imported = ask(&client, &TicketImport { file: again }).await.unwrap();
    assert_eq!(client.show(imported.ticket).await.artifacts.len(), 1);
    let nowhere = desk.path().join("no/such/folder");
    assert!(ask(&client, &export(&nowhere, ticket.summary.id)).await.is_err());
    let error = ask(&client, &export(&desk.path().join("x"), TicketId(99)))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
    drop(client);
    stop(daemon).await;
}
