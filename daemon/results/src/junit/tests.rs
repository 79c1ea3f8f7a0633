use std::time::Duration;

use preflight_fuzz::fuzz;
use proptest::prelude::*;

use super::*;

/// As pytest writes it.
const PYTEST: &str = r#"<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest" errors="0" failures="1" skipped="1" tests="3" time="0.031" timestamp="2026-01-02T03:04:05.678901" hostname="worker"><testcase classname="test_a" name="test_good" time="0.001" /><testcase classname="test_a" name="test_bad[&lt;1&gt;]" time="0.002"><failure message="assert 1 == 2&#10;  + where">def test_bad():
&gt;       assert 1 == 2
E       assert 1 == 2</failure><system-out>said &amp; done
</system-out></testcase><testcase classname="test_a" name="test_skip" time="0.000"><skipped type="pytest.skip" message="no network">/t/test_a.py:7: no network</skipped></testcase></testsuite></testsuites>"#;

/// As surefire and gtest do.
const OTHERS: &str = r#"<testsuite name="x" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" time="1,234.5">
  <properties><property name="a" value="b"/></properties>
  <testcase name="plain" status="run"/>
  <testcase name="broken" classname="C" time="0.5"><error type="java.lang.Error"><![CDATA[stack <trace>]]></error><rerunFailure message="again"/></testcase>
  <testcase name="flaky" classname="C"><flakyFailure message="once"><stackTrace>x</stackTrace></flakyFailure></testcase>
  <testcase name="text" classname="C"><failure>
     only words
  </failure><failure message="second"/></testcase>
  <system-out>of the suite</system-out>
</testsuite>"#;

fn seen(document: &Document) -> Vec<(&str, TestStatus, Option<&str>)> {
    let cases = document.cases.iter();
    cases
        .map(|case| (case.name.as_str(), case.status, case.reason.as_deref()))
        .collect()
}

#[test]
fn as_pytest_writes_it() {
    let document = parse(PYTEST.as_bytes()).unwrap();
    assert_eq!(
        seen(&document),
        [
            ("test_a.test_good", TestStatus::Pass, None),
            ("test_a.test_bad[<1>]", TestStatus::Fail, Some("assert 1 == 2")),
            ("test_a.test_skip", TestStatus::Skip, Some("no network")),
        ]
    );
    assert_eq!(document.started, Some("2026-01-02T03:04:05.678901Z".parse().unwrap()));
    assert_eq!(document.cases[1].duration, Duration::from_millis(2));
    let files = &document.cases[1].attachments;
    assert!(files[0].content.starts_with(b"def test_bad():\n>       assert"));
    assert_eq!(
        (files[1].name.as_str(), &files[1].content[..]),
        ("stdout", &b"said & done\n"[..])
    );
}

#[test]
fn as_others_write_it() {
    let document = parse(OTHERS.as_bytes()).unwrap();
    assert_eq!(
        seen(&document),
        [
            ("plain", TestStatus::Pass, None),
            ("C.broken", TestStatus::Fail, Some("java.lang.Error")),
            ("C.flaky", TestStatus::Flaky, Some("once")),
            ("C.text", TestStatus::Fail, Some("only words")),
        ]
    );
    assert_eq!(document.cases[1].attachments[0].content, b"stack <trace>");
    assert_eq!(document.duration, Some(Duration::from_millis(1_234_500)));
}

#[test]
fn what_is_no_junit_or_more_than_that_is_refused() {
    let deep = format!("<testsuites>{}", "<testsuite>".repeat(DEEPEST));
    let attributes: String = (0..=MOST_ATTRIBUTES).map(|number| format!(" a{number}='x'")).collect();
    let bomb = "<!DOCTYPE x [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'>]><testsuites>&b;</testsuites>";
    for (text, word) in [
        ("<html></html>", "no test suite"),
        ("<testsuites><testcase name='a'>", "cut off"),
        ("<testsuites></testsuite>", "byte"),
        ("<testsuites><testcase name='&x;'/></testsuites>", "byte"),
        (
            "<testsuites><testcase><failure>&x;</failure></testcase></testsuites>",
            "entity",
        ),
        (bomb, "document type"),
        (deep.as_str(), "nested"),
        (&format!("<testsuite{attributes}/>"), "attributes"),
        ("", "no test suite"),
    ] {
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
}

/// Pieces of documents.
fn piece() -> impl Strategy<Value = String> {
    let name = "testsuites|testsuite|testcase|failure|error|skipped|system-out|system-err|flakyFailure|x";
    prop_oneof![
        4 => (name, "( (name|classname|time|message|type|timestamp)=(\"[a-z0-9.,&;<-]{0,9}\"|'[a-z]{0,4}')){0,3}", "/?")
            .prop_map(|(name, attributes, end)| format!("<{name}{attributes}{end}>")),
        4 => name.prop_map(|name| format!("</{name}>")),
        1 => "&(amp|lt|#x?[0-9a-f]{0,8}|[a-z]{0,4});",
        1 => "<!\\[CDATA\\[[a-z<>&]{0,10}(\\]\\]>)?",
        1 => "<!(--|DOCTYPE|ENTITY)[a-z >-]{0,12}",
        1 => "<\\?xml[a-z0-9 =\"'.-]{0,20}\\?>",
        1 => "\\PC{0,20}",
    ]
}

fn near_documents() -> impl Strategy<Value = Vec<u8>> {
    let edit = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        prop::collection::vec(any::<u8>(), 0..6),
    );
    let mutated = (
        prop::sample::select(vec![PYTEST, OTHERS]),
        prop::collection::vec(edit, 1..4),
    )
        .prop_map(|(text, edits)| {
            let mut bytes = text.as_bytes().to_vec();
            for (from, length, with) in edits {
                let from = from.index(bytes.len());
                let to = from + length.index((bytes.len() - from).min(40) + 1);
                bytes.splice(from..to, with);
                bytes.push(b' ');
            }
            bytes
        });
    let composed =
        prop::collection::vec(piece(), 0..16).prop_map(|pieces| format!("<testsuite>{}", pieces.concat()).into_bytes());
    prop_oneof![mutated, composed]
}

/// No panic, and nothing that is kept is much larger than what was read: a broken byte becomes three.
#[test]
fn fuzz_junit() {
    fuzz(&near_documents(), Vec::len, |bytes| {
        if let Ok(document) = parse(&bytes) {
            let files = document.cases.iter().flat_map(|case| &case.attachments);
            let kept: usize = files.map(|file| file.content.len()).sum();
            prop_assert!(kept <= 3 * bytes.len());
        }
        Ok(())
    });
}
