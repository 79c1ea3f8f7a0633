//! Results as a subunit v1 stream: text, one test after another. Format: subunit's README, version 1; a multipart body has
//! its parts in chunks, `HEXLENGTH CRLF` and the bytes, ended by `0 CRLF`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use jiff::Timestamp;
use preflight_dep8::outcome::TestStatus;

use crate::run::{SourceRun, TestRun};
use crate::subunit::utf8::Utf8Pieces;

/// A part goes out in chunks of at most this size.
const CHUNK: usize = 32 * 1024;

/// Writes runs, one after another. An output that is no UTF-8 has U+FFFD in place of what is not.
///
/// # Errors
/// Those of `out` and of the recorded files.
pub fn write(out: &mut dyn Write, runs: &[SourceRun]) -> io::Result<()> {
    for run in runs {
        // Where it is not known when a test began, the one before it ended.
        let mut now = run.began;
        for test in &run.tests {
            let began = test.began.unwrap_or(now);
            now = began
                .saturating_add(jiff::SignedDuration::try_from(test.duration).unwrap_or_default())
                .unwrap_or(began);
            let id = label(&run.id(test));
            time(out, began)?;
            writeln!(out, "test: {id}")?;
            time(out, now)?;
            let tag = match test.status {
                TestStatus::PassSuperficial => Some("superficial"),
                TestStatus::Flaky => Some("flaky"),
                _ => None,
            };
            if let Some(tag) = tag {
                writeln!(out, "tags: {tag}")?;
            }
            let word = match test.status {
                TestStatus::Pass | TestStatus::PassSuperficial => "success",
                TestStatus::Fail => "failure",
                TestStatus::Flaky => "xfail",
                TestStatus::Skip => "skip",
            };
            result(out, word, &id, test)?;
        }
        if let Some(trouble) = &run.trouble {
            let id = label(&format!("{}-testbed", run.source));
            writeln!(out, "test: {id}")?;
            writeln!(out, "error: {id} [ multipart")?;
            part(out, "reason", &mut trouble.as_bytes())?;
            writeln!(out, "]")?;
        }
    }
    out.flush()
}

fn result(out: &mut dyn Write, word: &str, id: &str, test: &TestRun) -> io::Result<()> {
    let why = test.explanation();
    if why.is_none() && test.outputs().next().is_none() {
        return writeln!(out, "{word}: {id}");
    }
    writeln!(out, "{word}: {id} [ multipart")?;
    if let Some(why) = why {
        part(out, "reason", &mut why.as_bytes())?;
    }
    for (name, path) in test.outputs() {
        file(out, name, path)?;
    }
    writeln!(out, "]")
}

fn file(out: &mut dyn Write, name: &str, path: &Path) -> io::Result<()> {
    part(out, name, &mut File::open(path)?)
}

fn part(out: &mut dyn Write, name: &str, content: &mut dyn Read) -> io::Result<()> {
    writeln!(out, "Content-Type: text/plain;charset=utf8\n{name}")?;
    let mut text = Utf8Pieces::default();
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = content.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        chunk(out, &text.feed(&buffer[..length]))?;
    }
    chunk(out, &text.finish())?;
    write!(out, "0\r\n")
}

/// A chunk; an empty one would end the part.
fn chunk(out: &mut dyn Write, text: &str) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    write!(out, "{:X}\r\n{text}", text.len())
}

fn time(out: &mut dyn Write, at: Timestamp) -> io::Result<()> {
    writeln!(out, "time: {}", at.strftime("%Y-%m-%d %H:%M:%S.%6fZ"))
}

/// A name as part of a line.
fn label(id: &str) -> String {
    id.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}
