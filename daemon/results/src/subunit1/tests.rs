use std::time::Duration;

use preflight_core::TestStatus;
use preflight_fuzz::fuzz;
use proptest::prelude::*;

use super::*;

const STREAM: &[u8] = b"time: 2026-01-02 03:04:05.000000Z\n\
tags: global\n\
test: plain\n\
some output\n\
time: 2026-01-02 03:04:07.500000Z\n\
successful: plain\n\
testing bracketed\n\
failure: bracketed [\n\
Traceback (most recent call last):\n\
\x20]indented\n\
AssertionError: 1 != 2\n\
]\n\
test: multipart test\n\
tags: superficial\n\
success: multipart test [ multipart\n\
Content-Type: text/plain;charset=utf8\n\
stdout\n\
5\r\n\
hello3\r\n\
\x20yo0\r\n\
]\n\
test skipped\n\
skip: skipped [\n\
no network\n\
]\n\
test: expected\n\
xfail: expected\n\
test: surprise\n\
uxsuccess: surprise\n\
test: other\n\
success: not other\n\
error: other\n\
progress: +2\n\
test: lost\n\
half a line";

fn seen(bytes: &[u8]) -> Vec<(String, TestStatus, Option<String>)> {
    let document = parse(bytes).unwrap();
    document
        .cases
        .into_iter()
        .map(|case| (case.name, case.status, case.reason))
        .collect()
}

#[test]
fn a_whole_stream() {
    let document = parse(STREAM).unwrap();
    let why = |text: &str| Some(text.to_owned());
    assert_eq!(
        seen(STREAM),
        [
            ("plain".to_owned(), TestStatus::Pass, None),
            ("bracketed".to_owned(), TestStatus::Fail, why("AssertionError: 1 != 2")),
            ("multipart test".to_owned(), TestStatus::Pass, why("superficial")),
            ("skipped".to_owned(), TestStatus::Skip, why("no network")),
            ("expected".to_owned(), TestStatus::Pass, why("expected failure")),
            ("surprise".to_owned(), TestStatus::Fail, why("unexpected success")),
            ("other".to_owned(), TestStatus::Fail, None),
            ("lost".to_owned(), TestStatus::Fail, why("nothing tells how it ended")),
        ]
    );
    let files = |place: usize| &document.cases[place].attachments;
    assert_eq!(document.cases[0].duration, Duration::from_millis(2500));
    assert_eq!(files(0)[0].content, b"some output\n");
    assert!(
        files(1)[0]
            .content
            .starts_with(b"Traceback (most recent call last):\n]indented\n")
    );
    assert_eq!(
        (files(2)[0].name.as_str(), &files(2)[0].content[..]),
        ("stdout", &b"hello yo"[..])
    );
    assert_eq!(files(6)[0].content, b"success: not other\n");
    assert_eq!(document.duration, Some(Duration::from_millis(2500)));
}

#[test]
fn what_is_no_stream_is_refused() {
    for bytes in [&b""[..], b"once upon a time\n", b"success: nobody\n"] {
        assert!(parse(bytes).is_err());
    }
    let error = parse(b"test: a\nsuccess: a [ multipart\nno type\n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("no type"), "{error}");
    let error = parse(b"test: a\nsuccess: a [ multipart\nContent-Type: x/y\nb\nxyz\r\n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("no length"), "{error}");
}

/// A line of a stream, or something near one.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<Vec<u8>> = STREAM
        .split_inclusive(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    prop_oneof![
        5 => prop::sample::select(lines),
        3 => "(test|testing|success|successful|failure|error|skip|xfail|uxsuccess|tags|time|progress):? ?[a-b]{0,2}( \\[( multipart)?)?\n".prop_map(String::into_bytes),
        1 => ("[0-9a-fA-F]{1,9}", "[a-z]{0,12}").prop_map(|(length, text)| format!("{length}\r\n{text}").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..30),
    ]
}

/// No panic, and nothing that is kept is larger than what was read.
#[test]
fn fuzz_subunit_v1() {
    let streams = prop::collection::vec(line(), 0..14).prop_map(|lines| lines.concat());
    fuzz(&streams, Vec::len, |bytes| {
        if let Ok(document) = parse(&bytes) {
            let files = document.cases.iter().flat_map(|case| &case.attachments);
            let kept: usize = files.map(|file| file.content.len()).sum();
            prop_assert!(kept <= bytes.len());
            prop_assert!(document.cases.len() <= bytes.len());
        }
        Ok(())
    });
}
