//! autopkgtest's summary file: written from results, and read back. Knows the file's lines, not what they are for.

use std::{fmt, sync::LazyLock};

use preflight_dep8::outcome::{Reason, TestResult, TestStatus, Trouble, write_result};
use regex::Regex;

/// A line of a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SummaryLine {
    /// A test's result.
    Result {
        /// The test, or `*`.
        name: String,
        /// Its status.
        status: TestStatus,
        /// Why.
        reason: Option<String>,
    },
    /// `badpkg: …`: more about the result before.
    BadPackage(String),
    /// `blame: …`: which packages were being tested.
    Blame(String),
    /// `erroneous package: …`
    ErroneousPackage(String),
    /// `testbed failure: …`
    TestbedFailure(String),
    /// `quitting: unexpected error, see log`
    Unexpected,
}

/// A line that belongs in no summary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is no line of a summary: {text}")]
pub struct SummaryError {
    /// From 1.
    pub line: usize,
    /// Its beginning, control characters escaped.
    pub text: String,
}

static RESULT: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "a constant pattern that every test of this module compiles"
    )]
    Regex::new(r"^(\S+)\s+(PASS|FAIL|SKIP|FLAKY)(?:\s+(.*))?$").expect("a valid pattern")
});

/// Makes a line from what follows its first word.
type Note = fn(String) -> SummaryLine;

const NOTES: &[(&str, Note)] = &[
    ("blame: ", SummaryLine::Blame),
    ("badpkg: ", SummaryLine::BadPackage),
    ("erroneous package: ", SummaryLine::ErroneousPackage),
    ("testbed failure: ", SummaryLine::TestbedFailure),
    ("quitting: ", |_| SummaryLine::Unexpected),
];

impl From<&TestResult> for SummaryLine {
    fn from(result: &TestResult) -> Self {
        let reason = result.reason.as_ref().map(ToString::to_string);
        Self::Result {
            name: result.name.clone(),
            status: result.status,
            reason,
        }
    }
}

impl From<&Trouble> for SummaryLine {
    fn from(trouble: &Trouble) -> Self {
        match trouble {
            Trouble::ErroneousPackage(why) => Self::ErroneousPackage(one_line(why)),
            Trouble::TestbedFailure(why) => Self::TestbedFailure(one_line(why)),
            Trouble::Unexpected(_) => Self::Unexpected,
        }
    }
}

impl fmt::Display for SummaryLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Result { name, status, reason } => {
                let reason = reason.as_ref().map(|reason| reason as &dyn fmt::Display);
                write_result(out, name, *status, reason)
            }
            Self::Blame(what) => write!(out, "blame: {what}"),
            Self::BadPackage(what) => write!(out, "badpkg: {what}"),
            Self::ErroneousPackage(what) => write!(out, "erroneous package: {what}"),
            Self::TestbedFailure(what) => write!(out, "testbed failure: {what}"),
            Self::Unexpected => out.write_str("quitting: unexpected error, see log"),
        }
    }
}

/// The lines of a result of a source's test.
#[must_use]
pub fn of_result(source: &str, result: &TestResult) -> Vec<SummaryLine> {
    let mut lines = vec![result.into()];
    if let (TestStatus::Fail, Some(Reason::BadPackage), Some(detail)) = (result.status, &result.reason, &result.detail)
    {
        lines.push(SummaryLine::Blame(source.to_owned()));
        lines.push(SummaryLine::BadPackage(one_line(detail)));
    }
    lines
}

/// The lines of what ended a source's tests early.
#[must_use]
pub fn of_trouble(source: &str, trouble: &Trouble) -> Vec<SummaryLine> {
    let mut lines = Vec::new();
    if let Trouble::ErroneousPackage(why) = trouble {
        lines.push(SummaryLine::Blame(source.to_owned()));
        lines.push(SummaryLine::BadPackage(one_line(why)));
    }
    lines.push(trouble.into());
    lines
}

/// Lines as they are in the file.
#[must_use]
pub fn text(lines: &[SummaryLine]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Reads a file of ours or of autopkgtest's.
///
/// # Errors
/// Names the first line that is none of a summary's.
pub fn parse(text: &str) -> Result<Vec<SummaryLine>, SummaryError> {
    text.lines()
        .enumerate()
        .map(|(position, line)| parse_line(line, position + 1))
        .collect()
}

fn parse_line(line: &str, number: usize) -> Result<SummaryLine, SummaryError> {
    if let Some((word, make)) = NOTES.iter().find(|(word, _)| line.starts_with(word)) {
        return Ok(make(line[word.len()..].to_owned()));
    }
    let Some(parts) = RESULT.captures(line) else {
        return Err(SummaryError {
            line: number,
            text: line.escape_debug().take(120).collect(),
        });
    };
    let reason = parts
        .get(3)
        .map(|reason| reason.as_str().to_owned())
        .filter(|reason| !reason.is_empty());
    let (status, reason) = match (&parts[2], reason) {
        ("PASS", Some(reason)) if reason == "(superficial)" => (TestStatus::PassSuperficial, None),
        ("PASS", reason) => (TestStatus::Pass, reason),
        ("FAIL", reason) => (TestStatus::Fail, reason),
        ("SKIP", reason) => (TestStatus::Skip, reason),
        (_, reason) => (TestStatus::Flaky, reason),
    };
    Ok(SummaryLine::Result {
        name: parts[1].to_owned(),
        status,
        reason,
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_whole_file() {
        let mut bad = TestResult::skipped("tests", Reason::BadPackage);
        bad.status = TestStatus::Fail;
        bad.detail = Some("debian/tests/tests does\nnot exist".into());
        let skipped = TestResult::skipped("a-name-of-more-than-20-letters", Reason::Skippable);
        let mut lines = of_result("hello", &skipped);
        lines.extend(of_result("hello", &bad));
        let mut gone = lines.clone();
        gone.extend(of_trouble(
            "hello",
            &Trouble::TestbedFailure("the guest\nis gone".into()),
        ));
        assert_eq!(
            text(&gone),
            "a-name-of-more-than-20-letters SKIP exit status 77 and marked as skippable\n\
             tests                FAIL badpkg\n\
             blame: hello\n\
             badpkg: debian/tests/tests does not exist\n\
             testbed failure: the guest is gone\n"
        );
        assert_eq!(parse(&text(&gone)).unwrap(), gone);
        assert_eq!(
            text(&of_trouble("hello", &Trouble::ErroneousPackage("no control".into()))),
            "blame: hello\nbadpkg: no control\nerroneous package: no control\n"
        );
    }

    #[test]
    fn what_is_no_summary_is_refused() {
        let error = parse("a PASS\nblah\u{1b}\n").unwrap_err();
        assert_eq!((error.line, error.text.as_str()), (2, "blah\\u{1b}"));
    }

    fn line() -> impl Strategy<Value = SummaryLine> {
        let status = prop_oneof![Just(TestStatus::Fail), Just(TestStatus::Skip), Just(TestStatus::Flaky)];
        let why = "[!-~]([ -~]{0,60}[!-~])?";
        prop_oneof![
            ("[a-z0-9./-]{1,30}", status, proptest::option::of(why))
                .prop_map(|(name, status, reason)| SummaryLine::Result { name, status, reason }),
            "[a-z0-9*]{1,30}".prop_map(|name| SummaryLine::Result {
                name,
                status: TestStatus::PassSuperficial,
                reason: None
            }),
            "[a-z0-9*]{1,30}".prop_map(|name| SummaryLine::Result {
                name,
                status: TestStatus::Pass,
                reason: None
            }),
            why.prop_map(SummaryLine::Blame),
            why.prop_map(SummaryLine::BadPackage),
            why.prop_map(SummaryLine::ErroneousPackage),
            why.prop_map(SummaryLine::TestbedFailure),
            Just(SummaryLine::Unexpected),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(lines in proptest::collection::vec(line(), 0..8)) {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            prop_assert_eq!(parse(&text).unwrap(), lines);
        }
    }
}
