//! What we write, as Debian's subunit tools read it (packages subunit and python3-subunit).
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod filter;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use preflight_dep8::outcome::{Reason, TestResult, TestStatus};
use preflight_report::subunit::{Attachment, RouteCode, StreamWriter, TestId};
use pretty_assertions::assert_eq;

/// Standard output and standard error of a filter.
fn filter(program: &str, arguments: &[&str], input: &[u8]) -> (String, String) {
    let (_, output, errors) = filter::filter(program, arguments, input);
    (String::from_utf8_lossy(&output).into_owned(), errors)
}

fn result(name: &str, status: TestStatus, reason: Option<Reason>) -> TestResult {
    TestResult {
        status,
        reason,
        duration: Duration::from_secs(1),
        ..TestResult::skipped(name, Reason::NoTests)
    }
}

/// Five tests, one of each status, and a testbed that broke.
fn stream() -> Vec<u8> {
    let mut second = 1_700_000_000;
    let mut now = || {
        second += 1;
        Timestamp::new(second, 5_000_000).unwrap()
    };
    let mut writer = StreamWriter::new(Vec::new(), RouteCode::new(12, "bookworm", "amd64"));
    let results = [
        result("build", TestStatus::Pass, None),
        result("smoke", TestStatus::PassSuperficial, None),
        result("units", TestStatus::Fail, Some(Reason::Stderr("oh nö".into()))),
        result("slow", TestStatus::Flaky, Some(Reason::TimedOut)),
        result(
            "kernel",
            TestStatus::Skip,
            Some(Reason::Unsupported("unknown restriction x".into())),
        ),
    ];
    for test in &results {
        writer.exists(&TestId::new("dsc0t", &test.name), now()).unwrap();
    }
    for test in &results {
        let id = TestId::new("dsc0t", &test.name);
        writer.in_progress(&id, now()).unwrap();
        writer
            .attach(&id, Attachment::Stdout, b"half a char: \xc3", now())
            .unwrap();
        writer.attach(&id, Attachment::Stderr, b"oh no\n", now()).unwrap();
        writer
            .attach(&id, Attachment::Stdout, b"\xb6 and no char: \xff\n", now())
            .unwrap();
        writer
            .attach(&id, Attachment::Stdout, "ü".repeat(40_000).as_bytes(), now())
            .unwrap();
        if test.name == "smoke" {
            let refused = b"network attempt refused: tcp to 192.0.2.1:80\n";
            writer.attach(&id, Attachment::Findings, refused, now()).unwrap();
        }
        writer.result(&id, test, now()).unwrap();
    }
    writer.testbed_broken("the guest is gone", now()).unwrap();
    writer.into_inner()
}

#[test]
fn statistics_agree() {
    let (stdout, stderr) = filter("subunit-stats", &[], &stream());
    let numbers: BTreeMap<&str, &str> = stdout
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, number)| (name, number.trim()))
        .collect();
    let expected = [
        ("Total tests", "6"),
        ("Passed tests", "3"),
        ("Failed tests", "2"),
        ("Skipped tests", "1"),
        ("Seen tags", "findings, flaky, superficial"),
    ];
    assert_eq!(numbers, BTreeMap::from(expected), "{stderr}");
}

#[test]
fn names_are_listed() {
    let (stdout, stderr) = filter("subunit-ls", &["--no-passthrough"], &stream());
    assert_eq!(stdout.lines().count(), 6, "{stdout}{stderr}");
    let (stdout, stderr) = filter("subunit-ls", &["--exists", "--no-passthrough"], &stream());
    // It lists what exists, and then what ran.
    let names: Vec<&str> = stdout.lines().take(5).collect();
    assert_eq!(
        names,
        [
            "dsc0t-build",
            "dsc0t-smoke",
            "dsc0t-units",
            "dsc0t-slow",
            "dsc0t-kernel"
        ],
        "{stderr}"
    );
}

#[test]
fn version_1_has_the_same_results() {
    let (stdout, stderr) = filter("subunit-2to1", &[], &stream());
    for line in [
        "successful: dsc0t-build [ multipart",
        "failure: dsc0t-units [ multipart",
        "xfail: dsc0t-slow [ multipart",
        "skip: dsc0t-kernel [",
        "failure: testbed [ multipart",
    ] {
        assert!(stdout.contains(line), "{line}: {stdout}{stderr}");
    }
    for text in [
        "half a char: ö and no char: \u{fffd}",
        "tags: flaky",
        "network attempt refused: tcp to 192.0.2.1:80",
        "oh nö",
        "the guest is gone",
    ] {
        assert!(stdout.contains(text), "{text}");
    }
}

#[test]
fn pyunit_runs_it() {
    let (stdout, stderr) = filter("subunit2pyunit", &[], &stream());
    let text = stdout + &stderr;
    assert!(text.contains("Ran 6 tests"), "{text}");
    assert!(text.contains("FAILED"), "{text}");
    assert!(text.contains("stderr: oh nö"), "{text}");
}

/// Everything in the packets, as python's own parser has it.
#[test]
fn every_field_is_read_back() {
    let script = r#"
import sys, subunit, json
class R:
    def startTestRun(self): pass
    def stopTestRun(self): pass
    def status(self, **k):
        tags = sorted(k.get('test_tags') or [])
        name = k.get('file_name')
        print(json.dumps([k.get('test_id'), k.get('test_status'), tags, k.get('runnable'), name, k.get('mime_type'), k.get('eof'), k.get('route_code'), k['timestamp'].microsecond], ensure_ascii=False))
subunit.ByteStreamToStreamResult(sys.stdin.buffer, non_subunit_name='broken').run(R())
"#;
    let (stdout, stderr) = filter("/usr/bin/python3", &["-c", script], &stream());
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(!stdout.contains("broken"), "{stdout}{stderr}");
    let route = "\"12/bookworm/amd64\"";
    for expected in [
        format!(r#"["dsc0t-build", "exists", [], true, null, null, false, {route}, 5000]"#),
        format!(r#"["dsc0t-build", "inprogress", [], true, null, null, false, {route}, 5000]"#),
        format!(r#"["dsc0t-smoke", "success", ["findings", "superficial"], true, null, null, false, {route}, 5000]"#),
        format!(r#"["dsc0t-slow", "xfail", ["flaky"], true, null, null, false, {route}, 5000]"#),
        format!(r#"["dsc0t-units", null, [], false, "reason", "text/plain;charset=utf8", false, {route}, 5000]"#),
        format!(r#"["dsc0t-smoke", null, [], false, "findings", "text/plain;charset=utf8", false, {route}, 5000]"#),
        format!(r#"["dsc0t-units", null, [], false, "stdout", null, true, {route}, 5000]"#),
        format!(r#"["testbed", "fail", [], false, null, null, false, {route}, 5000]"#),
    ] {
        assert!(lines.contains(&expected.as_str()), "{expected}\n{stdout}{stderr}");
    }
}
