//! A Perl package with four tests, from its folder to its results, and the same again without a network.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use preflight_protocol::ids::TicketId;
use preflight_protocol::job::JobKind;
use preflight_protocol::log::LogInfo;
use preflight_tests::home::Home;
use preflight_tests::{fixture, schema, shared};
use pretty_assertions::assert_eq;
use sha2::{Digest, Sha256};

use crate::check::{Checked, check};

#[test]
fn a_perl_package_passes_and_passes_again_with_the_network_cut() {
    let home = shared::turn("greet, twice");
    let folder = fixture::folder("greet");
    let first = check(&home, "greet", &[&folder], &[], 2);
    assert_eq!(
        first.tests(),
        [
            "greet greets-world PASS",
            "greet greets-by-name PASS",
            "greet keeps-artifacts PASS",
            "greet of-version-two SKIP exit status 77 and marked as skippable",
        ]
    );
    artifacts_are_what_they_are_said_to_be(&first);
    logs_have_side_files(&home, first.ticket.summary.id);
    subunit_tools_agree(&home, first.ticket.summary.id);
    the_output_directory_is_there(&home, first.ticket.summary.id);
    assert!(
        fetched(&home, &first, JobKind::Build)
            .keys()
            .any(|url| url.contains("/ed_"))
    );
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());

    home.stop_daemon();
    home.start_daemon_without_network();
    let second = check(&home, "greet, network cut", &[&folder], &[], 2);
    home.stop_daemon();
    assert_eq!(second.tests(), first.tests());
    for kind in [JobKind::Source, JobKind::Build, JobKind::Image, JobKind::Test] {
        assert_eq!(
            fetched(&home, &second, kind),
            fetched(&home, &first, kind),
            "the lock of the {kind} job"
        );
    }
}

/// What the ticket's jobs of a kind have fetched: URL and digest.
fn fetched(home: &Home, checked: &Checked, kind: JobKind) -> BTreeMap<String, String> {
    let jobs: BTreeSet<_> = checked
        .ticket
        .jobs
        .iter()
        .filter(|job| job.kind == kind)
        .map(|job| job.id)
        .collect();
    home.locks(checked.ticket.summary.id)
        .into_iter()
        .filter(|lock| jobs.contains(&lock.job))
        .flat_map(|lock| lock.entries)
        .map(|entry| (entry.url, entry.sha256.to_string()))
        .collect()
}

fn artifacts_are_what_they_are_said_to_be(checked: &Checked) {
    let artifacts = checked.report["artifacts"].as_array().unwrap();
    let mut names = Vec::new();
    for artifact in artifacts {
        let bytes = std::fs::read(artifact["path"].as_str().unwrap()).unwrap();
        assert_eq!(artifact["sha256"].as_str(), Some(&*hex::encode(Sha256::digest(bytes))));
        names.push(artifact["name"].as_str().unwrap());
    }
    for ending in [".deb", ".buildinfo", ".changes"] {
        assert!(names.iter().any(|name| name.ends_with(ending)), "{names:?}");
    }
    let deb = artifacts
        .iter()
        .find(|artifact| artifact["name"].as_str().unwrap().ends_with(".deb"));
    let listed = fixture::tool(
        Command::new("dpkg-deb")
            .arg("--contents")
            .arg(deb.unwrap()["path"].as_str().unwrap()),
    );
    assert!(listed.contains("./usr/bin/greet"), "{listed}");
}

/// A log, and for each piece of it 24 bytes that say where, when and of which stream.
fn logs_have_side_files(home: &Home, id: TicketId) {
    let id = id.to_string();
    let logs: Vec<LogInfo> = home.json("log-list.answer", &["logs", &id, "--json"]).parse();
    assert!(logs.len() >= 4, "{logs:?}");
    for log in logs {
        let text = std::fs::read(&log.path).unwrap();
        assert_eq!((text.len() as u64, log.growing), (log.size, false), "{log:?}");
        let index = std::fs::read(&log.index).unwrap();
        assert!(
            !text.is_empty() && !index.is_empty() && index.len() % 24 == 0,
            "{log:?}"
        );
        let mut end = 0;
        for record in index.chunks(24) {
            let offset = u64::from_le_bytes(record[..8].try_into().unwrap());
            let length = u32::from_le_bytes(record[20..].try_into().unwrap());
            assert_eq!(offset, end, "{log:?}");
            end = offset + u64::from(length);
        }
        assert_eq!(end, log.size, "{log:?}");
    }
}

/// autopkgtest's output directory has all that the testbeds have said.
fn the_output_directory_is_there(home: &Home, id: TicketId) {
    let id = id.to_string();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = ["results", &id, "--format", "autopkgtest", "--json", "-o"];
    let arguments: Vec<&str> = arguments.into_iter().chain(out.to_str()).collect();
    let exported = home.json("results-export.answer", &arguments).json();
    assert_eq!(exported["notes"], serde_json::json!([]));
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(
        read("greets-world-packages").lines().map(name_of).collect::<Vec<_>>(),
        ["ed", "greet"]
    );
    // What the image has says nothing of the package that is tested.
    let testbed = read("testbed-packages");
    let testbed: BTreeSet<&str> = testbed.lines().map(name_of).collect();
    assert!(testbed.contains("dpkg") && !testbed.contains("greet"), "{testbed:?}");
    assert_eq!(read("testpkg-version"), "greet 1.0\n");
    assert_eq!(read("greets-world-stdout"), "greeted\n");
    assert_eq!(read("keeps-artifacts-stderr"), "warned on purpose\n");
    assert!(!read("artifacts/greeting").is_empty());
    let info: serde_json::Value = serde_json::from_str(&read("testinfo.json")).unwrap();
    assert!(info["kernel_version"].as_str().unwrap().starts_with("Linux "), "{info}");
    assert!(info["cpu_model"].is_string() && info["nproc"].is_string(), "{info}");
}

fn name_of(line: &str) -> &str {
    line.split('\t').next().unwrap()
}

/// subunit's own tools read the stream and count as we do.
fn subunit_tools_agree(home: &Home, id: TicketId) {
    let id = id.to_string();
    let results = home.run(&["results", &id, "--format", "json"]).with_code(0).json();
    schema::assert_fits("cli-results", &results);
    assert_eq!(
        results["counts"],
        serde_json::json!({"pass": 3, "fail": 0, "flaky": 0, "skip": 1})
    );

    let output = home.command(&["results", &id, "--format", "subunit"]).output().unwrap();
    assert!(output.status.success());
    let stream = output.stdout;
    let stats = filter("subunit-stats", &stream);
    for line in [
        "Total tests:       4",
        "Passed tests:      3",
        "Failed tests:      0",
        "Skipped tests:     1",
    ] {
        assert!(stats.contains(line), "{stats}");
    }
    let listed = filter("subunit-ls", &stream);
    let names: Vec<&str> = listed.lines().collect();
    assert_eq!(
        names,
        [
            "greet-greets-world",
            "greet-greets-by-name",
            "greet-keeps-artifacts",
            "greet-of-version-two"
        ]
    );
    // Debian's speaks version 2 of the protocol; older ones wanted what subunit-2to1 makes of it.
    let told = filter("subunit2pyunit", &stream);
    assert!(
        told.contains("Ran 4 tests") && told.contains("OK (skipped=1)"),
        "{told}"
    );
    let version_1 = filter("subunit-2to1", &stream);
    assert!(version_1.contains("\nskip: greet-of-version-two ["), "{version_1}");
    assert_eq!(
        version_1.matches("\nsuccess: ").count() + version_1.matches("\nsuccessful: ").count(),
        3,
        "{version_1}"
    );
}

/// A tool's output and errors, given a stream.
pub(crate) fn filter(tool: &str, stream: &[u8]) -> String {
    let mut child = Command::new(tool)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{tool}: {error}"));
    // Small enough for the pipe.
    child.stdin.take().unwrap().write_all(stream).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}
