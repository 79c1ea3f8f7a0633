//! subunit, version 1, read as Python's `TestProtocolServer` reads it: a line is a directive only where that would take it
//! for one, all else is output. Format: subunit's README, version 1.

use jiff::Timestamp;

use crate::case::{Attachment, Case, bounded};
use crate::error::{ResultsError, no_more};
use crate::identity::Identity;
use crate::limits::{LONGEST_NAME, MOST_ATTACHMENTS, MOST_CASES};
use crate::run::Document;
use crate::subunit_status::{Ended, Status};
use crate::subunit2::duration;

const TESTING: [&str; 2] = ["test", "testing"];

/// Reads a stream.
///
/// # Errors
/// There is no test in it, or there is too much of it.
pub fn parse(bytes: &[u8]) -> Result<Document, ResultsError> {
    let mut stream = Stream::default();
    let mut rest = bytes;
    while let Some(line) = next_line(&mut rest) {
        stream.line(line, &mut rest)?;
    }
    stream.lose()?;
    if stream.cases.is_empty() {
        return Err(ResultsError::damaged("subunit version 1", "there is no test in it"));
    }
    Ok(Document {
        cases: stream.cases,
        started: stream.first,
        duration: duration(stream.first, stream.now),
        identity: Identity::default(),
    })
}

/// The next line with its end, if it has one.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
    let (line, after) = rest.split_at(end);
    *rest = after;
    Some(line)
}

/// Tags that mean something here.
#[derive(Debug, Clone, Copy, Default)]
struct Tags {
    is_superficial: bool,
    is_flaky: bool,
}

impl Tags {
    fn change(&mut self, words: &str) {
        for word in words.split_whitespace() {
            let (tag, is_on) = match word.strip_prefix('-') {
                Some(tag) => (tag, false),
                None => (word, true),
            };
            match tag {
                "superficial" => self.is_superficial = is_on,
                "flaky" => self.is_flaky = is_on,
                _ => {}
            }
        }
    }
}

/// A test that has begun.
#[derive(Debug)]
struct Open {
    label: Vec<u8>,
    began: Option<Timestamp>,
    tags: Tags,
    output: Vec<u8>,
}

#[derive(Debug, Default)]
struct Stream {
    cases: Vec<Case>,
    open: Option<Open>,
    tags: Tags,
    first: Option<Timestamp>,
    now: Option<Timestamp>,
}

impl Stream {
    fn line(&mut self, line: &[u8], rest: &mut &[u8]) -> Result<(), ResultsError> {
        let Some((word, after)) = directive(line) else {
            self.output(line);
            return Ok(());
        };
        // While a test runs, no other one begins: that is its output.
        if TESTING.contains(&word) && self.open.is_none() {
            self.open = Some(Open {
                label: without_end(after).to_vec(),
                began: self.now,
                tags: self.tags,
                output: Vec::new(),
            });
        } else if let Some(status) = Status::of_word(word) {
            match self.details_of(after) {
                Some(Details::None) => self.end(status, Vec::new())?,
                Some(Details::Bracketed) => {
                    let content = bracketed(rest);
                    let name = match status {
                        Status::Skip => "reason",
                        Status::Success | Status::UnexpectedSuccess => "message",
                        _ => "traceback",
                    };
                    let name = name.to_owned();
                    self.end(status, vec![Attachment { name, content }])?;
                }
                Some(Details::Multipart) => {
                    let attachments = multipart(rest)?;
                    self.end(status, attachments)?;
                }
                None => self.output(line),
            }
        } else if word == "tags" {
            let words = String::from_utf8_lossy(after);
            match &mut self.open {
                Some(open) => open.tags.change(&words),
                None => self.tags.change(&words),
            }
        } else if word == "time" {
            let text = String::from_utf8_lossy(after);
            if let Ok(at) = text.trim().parse::<Timestamp>() {
                self.first.get_or_insert(at);
                self.now = Some(at);
            }
        } else if word != "progress" {
            self.output(line);
        }
        Ok(())
    }

    /// What follows the running test's label, if that is what follows the word.
    fn details_of(&self, after: &[u8]) -> Option<Details> {
        let label = &self.open.as_ref()?.label;
        match after.strip_prefix(label.as_slice())? {
            b"" | b"\n" | b"\r\n" => Some(Details::None),
            b" [\n" | b" [\r\n" => Some(Details::Bracketed),
            b" [ multipart\n" | b" [ multipart\r\n" => Some(Details::Multipart),
            _ => None,
        }
    }

    fn output(&mut self, line: &[u8]) {
        if let Some(open) = &mut self.open {
            open.output.extend_from_slice(line);
        }
    }

    fn end(&mut self, status: Status, mut attachments: Vec<Attachment>) -> Result<(), ResultsError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        no_more("tests", self.cases.len() as u64 + 1, MOST_CASES as u64)?;
        if !open.output.is_empty() && !attachments.iter().any(|file| file.name == "stdout") {
            let name = "stdout".to_owned();
            let content = open.output;
            attachments.insert(0, Attachment { name, content });
        }
        let ended = Ended {
            status,
            is_superficial: open.tags.is_superficial,
            is_flaky: open.tags.is_flaky,
            attachments,
        };
        let case = ended.case(&String::from_utf8_lossy(&open.label));
        self.cases.push(Case {
            duration: duration(open.began, self.now).unwrap_or_default(),
            ..case
        });
        Ok(())
    }

    /// The running test has no end.
    fn lose(&mut self) -> Result<(), ResultsError> {
        self.end(Status::Lost, Vec::new())
    }
}

enum Details {
    None,
    Bracketed,
    Multipart,
}

/// A line's first word, without colons at its end, and what follows it and one space.
fn directive(line: &[u8]) -> Option<(&str, &[u8])> {
    let end = line.iter().position(u8::is_ascii_whitespace)?;
    let (word, after) = line.split_at(end);
    if word.is_empty() || after.trim_ascii().is_empty() {
        return None;
    }
    let word = str::from_utf8(word).ok()?.trim_end_matches(':');
    Some((word, &after[1..]))
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Lines up to `]`.
fn bracketed(rest: &mut &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(line) = next_line(rest) {
        if without_end(line) == b"]" {
            break;
        }
        // How a line of its own that begins so is written.
        let line = if line.starts_with(b" ]") { &line[1..] } else { line };
        content.extend_from_slice(line);
    }
    content
}

/// Parts up to `]`: a line of its type, a line of its name, chunks, each with its length before it.
fn multipart(rest: &mut &[u8]) -> Result<Vec<Attachment>, ResultsError> {
    let damaged = |why: &str| ResultsError::damaged("subunit version 1", why);
    let mut attachments: Vec<Attachment> = Vec::new();
    while let Some(line) = next_line(rest) {
        if without_end(line) == b"]" {
            break;
        }
        if !line.starts_with(b"Content-Type:") {
            return Err(damaged("a part of an attachment has no type"));
        }
        let Some(name) = next_line(rest) else { break };
        let name = String::from_utf8_lossy(without_end(name)).into_owned();
        let content = chunks(rest)?;
        let name = bounded(&name, LONGEST_NAME);
        match attachments.iter_mut().find(|file| file.name == name) {
            Some(file) => file.content.extend_from_slice(&content),
            None => {
                no_more(
                    "files of one test",
                    attachments.len() as u64 + 1,
                    MOST_ATTACHMENTS as u64,
                )?;
                attachments.push(Attachment {
                    name: name.to_owned(),
                    content,
                });
            }
        }
    }
    Ok(attachments)
}

/// Chunks `HEXLENGTH\r\n`, each followed by so many bytes, up to one of length 0. A stream that is cut off ends them.
fn chunks(rest: &mut &[u8]) -> Result<Vec<u8>, ResultsError> {
    let mut content = Vec::new();
    while !rest.is_empty() {
        let digits = rest.iter().take(8).take_while(|byte| byte.is_ascii_hexdigit()).count();
        let length = str::from_utf8(&rest[..digits]).ok();
        let length = length.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let after = &rest[digits..];
        let after = after.strip_prefix(b"\r\n").or_else(|| after.strip_prefix(b"\n"));
        let (Some(length), Some(after)) = (length, after) else {
            return Err(ResultsError::damaged("subunit version 1", "a chunk has no length"));
        };
        let (chunk, after) = after.split_at(length.min(after.len()));
        *rest = after;
        if length == 0 {
            break;
        }
        content.extend_from_slice(chunk);
    }
    Ok(content)
}

#[cfg(test)]
mod tests;
