//! What is recorded of tests while they run, and what becomes of it in the formats of others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use preflight_core::TicketId;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::method::TicketRerun;
use preflight_protocol::result_export::{ResultFormat, ResultsExport, ResultsExported};
use preflight_protocol::ticket::Ticket;
use preflight_store::RunFile;

use crate::client::{Client, within};
use crate::guest::Play;
use crate::lab::{Lab, Scenario};
use crate::source::Source;
use crate::stage::Stage;

fn lab() -> Lab {
    Lab::new(Scenario {
        sources: vec![
            Source::new("hello").with_tests(
                "Tests: one two\n\nTests: summary\nRestrictions: allow-stderr\n\nTests: net\nRestrictions: needs-internet\n",
            ),
            Source::new("other").with_tests("Tests: alone\n"),
        ],
        ..Scenario::scripted(|scene| match &scene.stage {
            Stage::Test(name) if name == "two" => Play::Says("it breaks\n", 1),
            Stage::Test(name) if name == "summary" => Play::SaysError("a word\n", 0),
            _ => Play::Usual,
        })
    })
}

/// A folder's files by name, with their text; folders end in a slash.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.insert(format!("{name}/"), String::new());
                open.push(path);
            } else {
                found.insert(
                    name,
                    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned(),
                );
            }
        }
    }
    found
}

struct Exporting<'a> {
    client: &'a Client,
    ticket: &'a Ticket,
    desk: PathBuf,
}

impl Exporting<'_> {
    async fn export(&self, format: ResultFormat, source: Option<&str>, to: &str) -> Result<ResultsExported, RpcError> {
        let request = ResultsExport {
            ticket: self.ticket.summary.id,
            format,
            source: source.map(str::to_owned),
            job: None,
            output: self.desk.join(to),
        };
        match within(self.client.connection.request(&request)).await {
            Ok(exported) => Ok(exported),
            Err(preflight_protocol::client::ClientError::Rpc(error)) => Err(error),
            Err(other) => panic!("{other}"),
        }
    }

    async fn files(&self, format: ResultFormat, source: Option<&str>, to: &str) -> BTreeMap<String, String> {
        let exported = self.export(format, source, to).await.unwrap();
        assert_eq!(exported.output, self.desk.join(to));
        assert_eq!(exported.notes, Vec::<String>::new());
        files(&self.desk.join(to))
    }
}

fn names(files: &BTreeMap<String, String>) -> Vec<&str> {
    files.keys().map(String::as_str).collect()
}

const SUMMARY: &str = "net                  SKIP Test restriction \"needs-internet\" requires testbed capability \"has_internet\"\n\
                       one                  PASS\n\
                       two                  FAIL non-zero exit status 1\n\
                       summary              PASS\n";

#[tokio::test]
async fn what_tests_leave_is_kept_apart_and_exported_whole() {
    let lab = lab();
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let id = client.create(lab.request()).await.id;
    let ticket = client.until_ended(id).await;
    assert_eq!(ticket.summary.exit_code, Some(6));

    let folder = lab.tickets().ticket(TicketId(id.0));
    let tests = folder.tests(None, "hello");
    let read = |path: PathBuf| std::fs::read_to_string(&path).unwrap_or_else(|_| format!("no {}", path.display()));
    let recorded = files(tests.root());
    assert_eq!(read(tests.test("one").stdout()), "one runs\n");
    assert!(!recorded.contains_key("one/stderr"), "nothing was written to it");
    assert_eq!(read(tests.test("two").stdout()), "it breaks\n");
    // A test may be called like a file of the run.
    assert_eq!(read(tests.test("summary").stderr()), "a word\n");
    assert_eq!(
        read(tests.test("one").packages()),
        "base-files\t12.4\nhello\t1.0\nnano\t7.2-1\n"
    );
    assert_eq!(read(tests.file(RunFile::Summary)), SUMMARY);
    assert_eq!(read(tests.file(RunFile::Exitcode)), "6\n");
    assert_eq!(read(tests.file(RunFile::TestpkgVersion)), "hello 1.0\n");
    let testinfo: serde_json::Value = serde_json::from_str(&read(tests.file(RunFile::Testinfo))).unwrap();
    for (field, value) in [
        ("virt_server", format!("preflight {}", ticket.summary.series)),
        (
            "kernel_version",
            "Linux 6.1.0-28-amd64 #1 SMP Debian 6.1.119-1".to_owned(),
        ),
        ("nproc", "1".to_owned()),
        ("cpu_model", "A processor".to_owned()),
    ] {
        assert_eq!(testinfo[field], value.as_str());
    }

    let desk = lab.desk().join("exports");
    std::fs::create_dir(&desk).unwrap();
    let exporting = Exporting {
        client: &client,
        ticket: &ticket,
        desk: desk.clone(),
    };
    let all = exporting.files(ResultFormat::Autopkgtest, None, "adt").await;
    assert!(
        all.keys()
            .all(|name| name.starts_with("hello/") || name.starts_with("other/")),
        "{all:?}"
    );
    let one = exporting
        .files(ResultFormat::Autopkgtest, Some("hello"), "adt-hello")
        .await;
    assert_eq!(
        names(&one),
        [
            "artifacts/",
            "artifacts/kept",
            "log",
            "one-packages",
            "one-stdout",
            "summary",
            "summary-packages",
            "summary-stderr",
            "testbed-packages",
            "testinfo.json",
            "testpkg-version",
            "two-packages",
            "two-stdout"
        ]
    );
    assert_eq!(one["summary"], SUMMARY);

    let debci = exporting.files(ResultFormat::Debci, Some("other"), "debci").await;
    let run = debci
        .keys()
        .find_map(|name| name.strip_suffix(".json"))
        .unwrap()
        .to_owned();
    assert_eq!(debci[&format!("{run}/exitcode")], "0\n");
    assert!(
        debci.contains_key(&format!("{run}/log.gz")) && !debci.contains_key(&format!("{run}/alone-stdout")),
        "{debci:?}"
    );

    std::fs::create_dir(desk.join("ubuntu")).unwrap();
    exporting
        .export(ResultFormat::ResultTar, Some("hello"), "ubuntu/result.tar")
        .await
        .unwrap();
    assert_eq!(
        names(&files(&desk.join("ubuntu"))),
        ["artifacts.tar.gz", "log.gz", "result.tar"]
    );

    for (format, has) in [
        (
            ResultFormat::Summary,
            format!("hello:\n{SUMMARY}other:\nalone                PASS\n"),
        ),
        (ResultFormat::SubunitV1, "failure: hello-two [ multipart\n".to_owned()),
        (
            ResultFormat::Junit,
            "<failure message=\"non-zero exit status 1\" type=\"FAIL\"/>".to_owned(),
        ),
        (ResultFormat::Pyunit, "FAILED (failures=1, skipped=1)\n".to_owned()),
    ] {
        let exported = exporting.export(format, None, "file").await.unwrap();
        assert_eq!(exported.sources, ["hello", "other"]);
        let text = std::fs::read_to_string(desk.join("file")).unwrap();
        assert!(text.contains(&has), "{has}: {text}");
    }

    // What cannot be done leaves what is there.
    let before = files(&desk);
    for (format, source, to, code, says) in [
        (
            ResultFormat::Autopkgtest,
            None,
            "adt",
            ErrorCode::InvalidParams,
            "is not empty",
        ),
        (
            ResultFormat::ResultTar,
            None,
            "result.tar",
            ErrorCode::InvalidParams,
            "there are 2",
        ),
        (
            ResultFormat::ResultTar,
            Some("hello"),
            "ubuntu/again.tar",
            ErrorCode::InvalidParams,
            "is there already",
        ),
        (
            ResultFormat::Junit,
            Some("none"),
            "file",
            ErrorCode::NotFound,
            "has no tests of a source none",
        ),
        (
            ResultFormat::Junit,
            None,
            "no/folder/file",
            ErrorCode::Internal,
            "no/folder/file",
        ),
    ] {
        let error = exporting.export(format, source, to).await.unwrap_err();
        assert_eq!(error.code, code, "{error:?}");
        assert!(error.message.contains(says), "{error:?}");
    }
    assert_eq!(names(&files(&desk)), names(&before));
    drop(daemon);
}

#[tokio::test]
async fn a_rerun_has_files_of_its_own_and_is_exported_by_its_job() {
    let lab = lab();
    let daemon = lab.start().await;
    let mut client = lab.client().await;
    let id = client.create(lab.request()).await.id;
    client.until_ended(id).await;
    let edited = lab.desk().join("edited/debian/tests/one");
    std::fs::create_dir_all(edited.parent().unwrap()).unwrap();
    std::fs::write(&edited, "what was edited\n").unwrap();
    let request = TicketRerun {
        ticket: id,
        test: "one".to_owned(),
        with: Some(edited),
    };
    let rerun = within(client.connection.request(&request)).await.unwrap().job;
    let has_ended = |ticket: &Ticket| {
        let job = ticket.jobs.iter().find(|job| job.id == rerun);
        job.is_some_and(|job| job.attempts.last().is_some_and(|attempt| attempt.finished_at.is_some()))
    };
    client.until(id, has_ended).await;

    let folder = lab.tickets().ticket(TicketId(id.0));
    let own = folder.tests(None, "hello").test("one");
    let apart = folder.tests(Some(preflight_core::JobId(rerun.0)), "hello").test("one");
    assert_eq!(std::fs::read_to_string(own.stdout()).unwrap(), "one runs\n");
    assert_eq!(
        std::fs::read_to_string(apart.stdout()).unwrap(),
        "one runs\nwhat was edited\n"
    );
    assert!(own.artifacts().is_dir() && apart.artifacts().is_dir());

    let output = lab.desk().join("rerun.summary");
    let request = ResultsExport {
        ticket: id,
        format: ResultFormat::Summary,
        source: None,
        job: Some(rerun),
        output: output.clone(),
    };
    within(client.connection.request(&request)).await.unwrap();
    assert_eq!(std::fs::read_to_string(output).unwrap(), "one                  PASS\n");
    drop(daemon);
}
