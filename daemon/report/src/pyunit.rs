//! Results as Python's unittest prints them to a terminal: a line a test, what went wrong, a count. It is what subunit2pyunit
//! makes of the same results.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use preflight_dep8::outcome::TestStatus;

use crate::run::{SourceRun, TestRun, tail};

const HEAVY: &str = "======================================================================";
const LIGHT: &str = "----------------------------------------------------------------------";
/// Of each output of a test that failed, so many bytes from its end.
const SHOWN: u64 = 1 << 20;

/// A test that went wrong: the word over its details, its name, and the details.
type Wrong = (&'static str, String, String);

/// Writes runs as one.
///
/// # Errors
/// Those of `out` and of the recorded files.
pub fn write(out: &mut dyn Write, runs: &[SourceRun]) -> io::Result<()> {
    let (mut errors, mut failures): (Vec<Wrong>, Vec<Wrong>) = (Vec::new(), Vec::new());
    let (mut ran, mut skipped, mut expected, mut took) = (0, 0, 0, Duration::ZERO);
    for run in runs {
        for test in &run.tests {
            let id = plain(&run.id(test));
            let word = match test.status {
                TestStatus::Pass | TestStatus::PassSuperficial => "ok".to_owned(),
                TestStatus::Fail => {
                    failures.push(("FAIL", id.clone(), details(test)?));
                    "FAIL".to_owned()
                }
                TestStatus::Flaky => {
                    expected += 1;
                    "expected failure".to_owned()
                }
                TestStatus::Skip => {
                    skipped += 1;
                    format!("skipped {}", quoted(&test.explanation().unwrap_or_default()))
                }
            };
            // unittest gives a test's name and its description; a test of a stream has one for both.
            writeln!(out, "{id}\n{id} ... {word}")?;
            ran += 1;
        }
        took += run.duration;
        if let Some(trouble) = &run.trouble {
            let id = plain(&format!("{}-testbed", run.source));
            writeln!(out, "{id}\n{id} ... ERROR")?;
            ran += 1;
            errors.push(("ERROR", id, text(&[("reason", trouble.clone())])));
        }
    }
    writeln!(out)?;
    for (word, id, details) in errors.iter().chain(&failures) {
        writeln!(out, "{HEAVY}\n{word}: {id}\n{id}\n{LIGHT}\n{details}\n")?;
    }
    let plural = if ran == 1 { "" } else { "s" };
    writeln!(out, "{LIGHT}\nRan {ran} test{plural} in {:.3}s\n", took.as_secs_f64())?;
    let counts: Vec<String> = [
        ("failures", failures.len()),
        ("errors", errors.len()),
        ("skipped", skipped),
        ("expected failures", expected),
    ]
    .iter()
    .filter(|(_, count)| *count > 0)
    .map(|(word, count)| format!("{word}={count}"))
    .collect();
    let verdict = if failures.is_empty() && errors.is_empty() {
        "OK"
    } else {
        "FAILED"
    };
    match counts.as_slice() {
        [] => writeln!(out, "{verdict}")?,
        counts => writeln!(out, "{verdict} ({})", counts.join(", "))?,
    }
    out.flush()
}

fn details(test: &TestRun) -> io::Result<String> {
    let mut parts = Vec::new();
    if let Some(why) = test.explanation() {
        parts.push(("reason", why));
    }
    for (name, path) in test.outputs() {
        parts.push((name, tail(path, SHOWN)?));
    }
    Ok(text(&parts))
}

/// Attachments as testtools shows them: by name, those without text first.
fn text(parts: &[(&'static str, String)]) -> String {
    let mut parts: Vec<(&str, String)> = parts
        .iter()
        .map(|(name, text)| (*name, printable(text.trim())))
        .collect();
    parts.sort_unstable();
    let (empty, full): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(_, text)| text.is_empty());
    let mut shown = "testtools.testresult.real._StringException: ".to_owned();
    if !empty.is_empty() {
        shown.push_str("Empty attachments:\n");
        for (name, _) in &empty {
            // Writing to a String cannot fail.
            let _ = writeln!(shown, "  {name}");
        }
        if !full.is_empty() {
            shown.push('\n');
        }
    }
    let mut pieces: Vec<String> = full
        .iter()
        .map(|(name, text)| match text.contains('\n') {
            true => format!("{name}: {{{{{{\n{text}\n}}}}}}\n"),
            false => format!("{name}: {{{{{{{text}}}}}}}"),
        })
        .collect();
    if pieces.last().is_some_and(|last| !last.ends_with('\n')) {
        pieces.push(String::new());
    }
    shown.push_str(&pieces.join("\n"));
    shown
}

/// A test's words on a terminal: nothing in them moves its cursor.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|letter| matches!(letter, '\n' | '\t') || !letter.is_control())
        .collect()
}

fn plain(id: &str) -> String {
    id.chars().filter(|letter| !letter.is_control()).collect()
}

/// As Python writes a text: in single quotes, unless it has some and no double ones.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut shown = String::from(quote);
    for letter in text.chars() {
        match letter {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\\' => shown.push_str("\\\\"),
            letter if letter == quote => shown.extend(['\\', letter]),
            letter if letter.is_control() => {
                let _ = write!(shown, "\\x{:02x}", u32::from(letter));
            }
            letter => shown.push(letter),
        }
    }
    shown.push(quote);
    shown
}
