//! Results that others have become a ticket that is browsed like any other, or nothing at all.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails in a test's helper fails the test"
)]

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids::TicketId;
use preflight_protocol::method::{LockShow, LogList, Method, ResultStream, TicketList, TicketReplay, TicketRerun};
use preflight_protocol::result::TestStatus;
use preflight_protocol::results::{ResultsImport, ResultsImported};
use preflight_protocol::ticket::TicketStatus;
use preflightd::bootstrap::Daemon;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[expect(dead_code, reason = "other tests need more of it")]
mod support;
use support::{Client, House, within};

/// The output directory of a run of autopkgtest 5.28's.
fn output() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results/tests/data/autopkgtest")
}

fn request(place: &str) -> ResultsImport {
    ResultsImport {
        place: place.to_owned(),
        format: None,
        source: None,
        version: None,
        series: None,
        title: None,
        owner: None,
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

async fn import(client: &Client, place: &Path) -> Result<ResultsImported, RpcError> {
    ask(client, &request(place.to_str().unwrap())).await
}

async fn stop(daemon: Daemon) {
    daemon.stopper().cancel();
    within(daemon.ended()).await.unwrap();
}

fn staged(house: &House) -> Vec<PathBuf> {
    match std::fs::read_dir(house.folders().state.join("tickets/staging")) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => vec![],
        Err(error) => panic!("{error}"),
    }
}

/// The files of a ticket's tests, sorted.
fn files(house: &House, ticket: TicketId) -> Vec<String> {
    let folder = house.folders().state.join(format!("tickets/{ticket}/tests"));
    let entries = walkdir::WalkDir::new(&folder).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    let mut names: Vec<String> = files
        .map(|entry| entry.path().strip_prefix(&folder).unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_run_of_autopkgtests_becomes_a_ticket() {
    let house = House::new(|_, _| vec![]);
    let daemon = house.start().await;
    let client = house.client().await;
    let imported = import(&client, &output()).await.unwrap();
    assert_eq!((imported.source.as_str(), imported.version.as_str()), ("dsc0t", "0.4"));
    assert_eq!((imported.tests, imported.exit_code), (9, 6));
    assert_eq!(imported.warnings, ["the results do not tell the series"]);
    let ticket = client.show(imported.ticket).await;
    assert_eq!(ticket.summary.status, TicketStatus::Failed);
    assert_eq!(ticket.summary.title, "dsc0t 0.4: results of autopkgtest");
    assert_eq!(ticket.summary.reason.as_deref(), Some("units: non-zero exit status 3"));
    assert_eq!(ticket.summary.exit_code, Some(6));
    assert_eq!(ticket.results_origin, Some(imported.origin.clone()));
    assert_eq!(imported.origin.format, "autopkgtest");
    let test = |name: &str| ticket.tests.iter().find(|test| test.name == name).unwrap();
    assert_eq!(test("sometimes").status, TestStatus::Flaky);
    assert_eq!(test("light").reason.as_deref(), Some("superficial"));

    // The log, the line that says why, each test's place in it.
    let logs = ask(
        &client,
        &LogList {
            ticket: imported.ticket,
            job: None,
        },
    )
    .await
    .unwrap();
    assert_eq!(logs.len(), 1);
    let log = std::fs::read_to_string(&logs[0].path).unwrap();
    assert_eq!(log, std::fs::read_to_string(output().join("log")).unwrap());
    assert!(std::fs::metadata(&logs[0].index).unwrap().len() > 0);
    let line = |number: u64| log.lines().nth(usize::try_from(number).unwrap() - 1);
    assert_eq!(line(test("units").log_line.unwrap()), Some("running 2 tests"));
    let error = ticket.jobs[0].first_error.clone().unwrap();
    assert_eq!(error.text, "units.c:12:3: error: expected 1 and got 2");
    assert_eq!(line(error.line), Some(error.text.as_str()));

    // What the tests have left, each its own.
    let files = files(&house, imported.ticket);
    for name in [
        "artifacts/made.txt",
        "units/stdout",
        "noisy/stderr",
        "build/packages",
        "testbed-packages",
        "summary",
    ] {
        assert!(files.contains(&format!("dsc0t/{name}")), "{name}: {files:?}");
    }

    // The stream says the same.
    let streams = ask(
        &client,
        &ResultStream {
            ticket: imported.ticket,
        },
    )
    .await
    .unwrap();
    let stream = preflight_results::parse_subunit2(&std::fs::read(&streams[0].path).unwrap()).unwrap();
    assert_eq!(stream.cases.len(), 9);
    let noisy = stream.cases.iter().find(|case| case.name == "dsc0t-noisy").unwrap();
    assert_eq!(noisy.reason.as_deref(), Some("stderr: oh no"));
    assert!(
        noisy
            .attachments
            .iter()
            .any(|file| file.name == "stderr" && file.content == b"oh no\n")
    );

    // It is stored as it stands, and nothing is left beside it.
    drop(client);
    stop(daemon).await;
    let daemon = house.start().await;
    let client = house.client().await;
    assert_eq!(client.show(imported.ticket).await, ticket);
    assert_eq!(staged(&house), Vec::<PathBuf>::new());
    drop(client);
    stop(daemon).await;
}

#[tokio::test]
async fn nothing_of_it_can_be_run() {
    let house = House::new(|_, _| vec![]);
    let daemon = house.start().await;
    let client = house.client().await;
    let ticket = import(&client, &output()).await.unwrap().ticket;
    let rerun = TicketRerun {
        ticket,
        test: "units".into(),
        with: None,
    };
    let replay = TicketReplay {
        ticket,
        job: None,
        owner: None,
    };
    let refused = [
        ask(&client, &rerun).await.map(drop),
        ask(&client, &replay).await.map(drop),
        ask(&client, &LockShow { ticket, job: None }).await.map(drop),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert_eq!(error.code, ErrorCode::Conflict);
        assert!(error.message.contains("made of results that others have"), "{error:?}");
    }
    drop(client);
    stop(daemon).await;
}

#[tokio::test]
async fn streams_and_documents_need_a_source() {
    let house = House::new(|_, _| vec![]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stream");
    let long = "../".repeat(20);
    let stream = format!(
        "test: so-a\nfailure: so-a [ multipart\nContent-Type: text/plain\nlog\n5\r\nwhy?\n0\r\n]\ntest: {long}\nsuccess: {long}\n\
         test: so-\u{1b}[2J\nskip: so-\u{1b}[2J [\nno\n]\n"
    );
    std::fs::write(&path, stream).unwrap();
    let daemon = house.start().await;
    let client = house.client().await;
    let error = import(&client, &path).await.unwrap_err();
    assert!(
        error.message.contains("do not say of which source package"),
        "{error:?}"
    );
    let asked = ResultsImport {
        source: Some("so".into()),
        version: Some("1-1".into()),
        series: Some(preflight_protocol::ids::Series("debian-sid".into())),
        title: Some("theirs".into()),
        owner: Some("jane".into()),
        ..request(path.to_str().unwrap())
    };
    let imported = ask(&client, &asked).await.unwrap();
    assert_eq!(imported.warnings, Vec::<String>::new());
    let ticket = client.show(imported.ticket).await;
    assert_eq!(
        (ticket.summary.title.as_str(), ticket.summary.owner.as_str()),
        ("theirs", "jane")
    );
    let names: Vec<&str> = ticket.tests.iter().map(|test| test.name.as_str()).collect();
    assert_eq!(
        names,
        ["a", long.as_str(), "\\u{1b}[2J"],
        "in words that no terminal obeys"
    );
    // Only what can be a file's name is one.
    assert_eq!(files(&house, imported.ticket), ["so/a/log"]);
    for (field, bad) in [
        ("source", "A b"),
        ("version", "1:2:3 4"),
        ("series", "../x"),
        ("format", "yaml"),
    ] {
        let mut asked = asked.clone();
        match field {
            "source" => asked.source = Some(bad.into()),
            "version" => asked.version = Some(bad.into()),
            "series" => asked.series = Some(preflight_protocol::ids::Series(bad.into())),
            _ => asked.format = Some(bad.into()),
        }
        let error = ask(&client, &asked).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidParams, "{field}: {error:?}");
    }
    drop(client);
    stop(daemon).await;
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let house = House::new(|_, _| vec![]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("prose"), "once upon a time").unwrap();
    std::fs::write(folder.path().join("result.tar"), "no archive").unwrap();
    let daemon = house.start().await;
    let client = house.client().await;
    let refused = |error: RpcError| (error.code, error.hint().is_some());
    for (place, code) in [
        (folder.path().join("prose"), ErrorCode::InvalidParams),
        (folder.path().join("missing"), ErrorCode::NotFound),
        (folder.path().to_owned(), ErrorCode::InvalidParams),
    ] {
        let error = import(&client, &place).await.unwrap_err();
        assert_eq!(refused(error), (code, true), "{}", place.display());
    }
    for place in [
        "prose",
        "ftp://mirror.example/x",
        "file:///etc/passwd",
        "https://jane:secret@mirror.example/",
    ] {
        let error = ask(&client, &request(place)).await.unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error:?}");
        assert_eq!(refused(error), (ErrorCode::InvalidParams, true), "{place}");
    }
    assert_eq!(ask(&client, &TicketList { open: false }).await.unwrap(), vec![]);
    assert_eq!(staged(&house), Vec::<PathBuf>::new());
    drop(client);
    stop(daemon).await;
}

/// A server of files by path; `Err` is a redirection to there.
type Files = BTreeMap<&'static str, Result<Vec<u8>, &'static str>>;

/// Serves, and notes which paths were asked for.
async fn serve(files: Files) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read_exact(&mut byte).await.is_err() {
                    break;
                }
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let (status, header, body): (&str, String, &[u8]) = match files.get(path.as_str()) {
                Some(Ok(body)) => ("200 OK", String::new(), body),
                Some(Err(there)) => ("302 Found", format!("Location: {there}\r\n"), b""),
                None => ("404 Not Found", String::new(), b""),
            };
            seen.lock().unwrap().push(path);
            let head = format!(
                "HTTP/1.1 {status}\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(body).await;
        }
    });
    (address, asked)
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(content).unwrap();
    out.finish().unwrap()
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[tokio::test]
async fn results_are_fetched() {
    let log = std::fs::read(output().join("log")).unwrap();
    let files = Files::from([
        (
            "/noble/amd64/d/dsc0t/2026@/result.tar",
            Ok(tar(&[("exitcode", b"4\n"), ("testpkg-version", b"dsc0t 0.4\n")])),
        ),
        ("/noble/amd64/d/dsc0t/2026@/log.gz", Err("/elsewhere")),
        ("/elsewhere", Ok(gz(&log))),
        (
            "/noble/amd64/d/dsc0t/2026@/artifacts.tar.gz",
            Ok(gz(&tar(&[("units-stdout", b"theirs\n")]))),
        ),
        (
            "/junit.xml",
            Ok(b"<testsuite><testcase name='a'/></testsuite>".to_vec()),
        ),
        ("/round", Err("/round")),
        ("/away", Err("ftp://mirror.example/x")),
    ]);
    let (address, asked) = serve(files).await;
    let house = House::new(|_, _| vec![]);
    let daemon = house.start().await;
    let client = house.client().await;
    for path in ["", "result.tar", "log.gz"] {
        let place = format!("{address}/noble/amd64/d/dsc0t/2026@/{path}");
        let imported = ask(&client, &request(&place)).await.unwrap();
        assert_eq!((imported.origin.format.as_str(), imported.exit_code), ("result-tar", 4));
        assert_eq!(imported.origin.place, place);
        assert_eq!(
            (imported.source.as_str(), imported.series.0.as_str()),
            ("dsc0t", "ubuntu-noble")
        );
        assert_eq!(imported.warnings, Vec::<String>::new());
        let stdout = format!("tickets/{}/tests/dsc0t/units/stdout", imported.ticket);
        assert_eq!(std::fs::read(house.folders().state.join(stdout)).unwrap(), b"theirs\n");
    }
    let junit = ResultsImport {
        source: Some("hello".into()),
        ..request(&format!("{address}/junit.xml"))
    };
    assert_eq!(ask(&client, &junit).await.unwrap().origin.format, "junit");
    for (path, code) in [
        ("missing", ErrorCode::NotFound),
        ("nowhere/", ErrorCode::NotFound),
        ("round", ErrorCode::Host),
        ("away", ErrorCode::Host),
    ] {
        let error = ask(&client, &request(&format!("{address}/{path}"))).await.unwrap_err();
        assert_eq!((error.code, error.hint().is_some()), (code, true), "{path}: {error:?}");
    }
    let rounds = asked.lock().unwrap().iter().filter(|path| *path == "/round").count();
    assert!((2..10).contains(&rounds), "{rounds}");
    assert_eq!(staged(&house), Vec::<PathBuf>::new());
    drop(client);
    stop(daemon).await;
}
