//! What we write, as the tools read it that others wrote for it: Debian's subunit filters, xmllint with Jenkins' schema
//! (`junit-10.xsd`, MIT, of jenkinsci/xunit-plugin), tar and gzip.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod filter;
mod recorded;

use filter::filter;
use preflight_dep8::outcome::{Reason, TestResult, TestStatus};
use preflight_report::run::SourceRun;
use preflight_report::subunit::{Attachment, RouteCode, StreamWriter, TestId};
use preflight_report::{junit, pyunit, subunit1};
use pretty_assertions::assert_eq;
use recorded::{Recorded, read};

/// One test of each result, with outputs that no format likes.
fn of_each() -> Recorded {
    use TestStatus::{Fail, Flaky, Pass, PassSuperficial, Skip};
    Recorded::new()
        .test("passes", Pass, None, (b"out\n", b""))
        .test("smoke", PassSuperficial, None, (b"", b"warned\n"))
        .test(
            "fails",
            Fail,
            Some("non-zero exit status 1"),
            (
                "half a char: \u{fc}\n]]> \u{1b}[31m & <b> \r\n0\r\n]\n".as_bytes(),
                b"no char: \xff\n",
            ),
        )
        .test(
            "long",
            Fail,
            Some("stderr: it's \"late\""),
            (&[b'x'; 100_000], b"it's \"late\"\n"),
        )
        .test("slow", Flaky, Some("timed out"), (b"waits", b""))
        .test("kernel", Skip, Some("unknown restriction x"), (b"", b""))
        .test("broken", Fail, Some("badpkg"), (b"", b""))
}

/// The same run as a v2 stream, as it is written while tests run.
fn version_2(run: &SourceRun) -> Vec<u8> {
    let mut stream = StreamWriter::new(Vec::new(), RouteCode::new(1, "bookworm", "amd64"));
    for test in &run.tests {
        let id = TestId::new(&run.source, &test.name);
        let at = test.began.unwrap();
        stream.in_progress(&id, at).unwrap();
        for (name, path) in test.outputs() {
            let file = if name == "stdout" {
                Attachment::Stdout
            } else {
                Attachment::Stderr
            };
            stream.attach(&id, file, &read(path), at).unwrap();
        }
        let result = TestResult {
            status: test.status,
            reason: test.reason.clone().map(Reason::Unsupported),
            duration: test.duration,
            detail: test.detail.clone(),
            ..TestResult::no_tests()
        };
        stream.result(&id, &result, at + test.duration).unwrap();
    }
    stream.into_inner()
}

#[test]
fn version_1_is_read_by_the_filters_and_says_what_version_2_says() {
    let recorded = of_each();
    let runs = [recorded.run("tiny", None)];
    let mut stream = Vec::new();
    subunit1::write(&mut stream, &runs).unwrap();
    let (code, second, errors) = filter("subunit-1to2", &[], &stream);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let (_, list, errors) = filter("subunit-ls", &[], &second);
    assert_eq!(
        (String::from_utf8(list).unwrap().lines().count(), errors.as_str()),
        (7, "")
    );
    // Names, results, reasons, outputs and times.
    let junit = |stream: &[u8]| {
        let (_, xml, errors) = filter("subunit2junitxml", &[], stream);
        assert_eq!(errors, "");
        String::from_utf8(xml).unwrap()
    };
    let theirs = junit(&second);
    assert_eq!(theirs.matches("time=\"1.000\"").count(), 7, "{theirs}");
    assert_eq!(theirs, junit(&version_2(&runs[0])));

    let (_, stats, _) = filter("subunit-stats", &[], &second);
    let stats = String::from_utf8(stats).unwrap();
    for count in [
        "Total tests:       7",
        "Passed tests:      3",
        "Failed tests:      3",
        "Skipped tests:     1",
    ] {
        assert!(stats.contains(count), "{count}: {stats}");
    }
    assert!(stats.contains("Seen tags: flaky, superficial"), "{stats}");
    // The attachments come through as they were, what is no UTF-8 replaced.
    let (_, again, errors) = filter("subunit-2to1", &[], &second);
    assert_eq!(errors, "");
    let again = String::from_utf8(again).unwrap();
    for text in [
        "]]> \u{1b}[31m & <b> \r\n0\r\n]\n",
        "no char: \u{fffd}\n",
        &"x".repeat(30_000),
        "badpkg\nTest dependencies",
    ] {
        assert!(again.contains(text), "{text:?}");
    }
}

#[test]
fn a_broken_testbed_is_an_error_in_version_1() {
    let recorded = Recorded::new().test("passes", TestStatus::Pass, None, (b"", b""));
    let mut stream = Vec::new();
    subunit1::write(
        &mut stream,
        &[recorded.run("tiny", Some("testbed failure: the guest is gone"))],
    )
    .unwrap();
    let (_, second, errors) = filter("subunit-1to2", &[], &stream);
    assert_eq!(errors, "");
    let (code, stats, _) = filter("subunit-stats", &[], &second);
    let stats = String::from_utf8(stats).unwrap();
    assert_eq!(code, Some(1));
    assert!(stats.contains("Failed tests:      1"), "{stats}");
}

#[test]
fn pyunit_text_is_what_subunit2pyunit_prints() {
    let recorded = of_each();
    let run = recorded.run("tiny", None);
    let mut text = Vec::new();
    pyunit::write(&mut text, std::slice::from_ref(&run)).unwrap();
    let (code, _, theirs) = filter("subunit2pyunit", &[], &version_2(&run));
    assert_eq!(code, Some(1), "a test has failed");
    // Their reader's own time; control characters, which ours keeps from terminals; and the end of a long output.
    let masked = |text: &str| {
        let lines = text.lines().map(|line| match line.split_once(" in ") {
            Some((ran, _)) if ran.starts_with("Ran ") => ran.to_owned(),
            _ => line.replace(['\u{1b}', '\r'], ""),
        });
        lines.collect::<Vec<_>>()
    };
    assert_eq!(masked(&String::from_utf8(text).unwrap()), masked(&theirs));

    let good = Recorded::new().test("passes", TestStatus::Pass, None, (b"out", b""));
    let run = good.run("tiny", None);
    let mut text = Vec::new();
    pyunit::write(&mut text, std::slice::from_ref(&run)).unwrap();
    let (code, _, theirs) = filter("subunit2pyunit", &[], &version_2(&run));
    assert_eq!(code, Some(0));
    assert_eq!(masked(&String::from_utf8(text).unwrap()), masked(&theirs));
}

#[test]
fn junit_is_what_jenkins_schema_wants() {
    let recorded = of_each();
    let runs = [
        recorded.run("tiny", Some("testbed failure: the guest\u{1b} is gone")),
        Recorded::new().run("empty", None),
    ];
    let xml = junit::report(&runs).unwrap();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/junit-10.xsd");
    let (code, _, errors) = filter("xmllint", &["--noout", "--schema", schema, "-"], xml.as_bytes());
    assert_eq!(code, Some(0), "{errors}\n{xml}");

    let count = |path: &str| {
        let (code, count, errors) = filter("xmllint", &["--xpath", &format!("count({path})"), "-"], xml.as_bytes());
        assert_eq!(code, Some(0), "{errors}");
        String::from_utf8(count).unwrap().trim().to_owned()
    };
    for (path, expected) in [
        ("//testsuite", "2"),
        ("//testcase", "8"),
        ("//testcase[@classname='tiny']", "8"),
        ("//failure", "2"),
        ("//error", "2"),
        ("//error[@type='testbed']", "1"),
        ("//skipped", "2"),
        ("//skipped[starts-with(@message, 'flaky: ')]", "1"),
        (
            "//testsuite[@name='tiny'][@failures='2'][@errors='2'][@skipped='2'][@tests='8']",
            "1",
        ),
        ("//system-out[contains(., ']]>')]", "1"),
        ("//system-out[string-length(.) >= 100000]", "1"),
    ] {
        assert_eq!(count(path), expected, "{path}: {xml}");
    }
}

#[test]
fn subunit2junitxml_counts_as_we_do() {
    let recorded = of_each();
    let run = recorded.run("tiny", None);
    let (_, xml, errors) = filter("subunit2junitxml", &[], &version_2(&run));
    let xml = String::from_utf8(xml).unwrap();
    assert_eq!(errors, "");
    assert!(xml.contains("tests=\"7\"") && xml.contains("failures=\"3\""), "{xml}");
    let ours = junit::report(&[run]).unwrap();
    assert!(ours.contains("tests=\"7\""), "{ours}");
}
