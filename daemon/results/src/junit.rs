//! JUnit's XML, read. There is no one schema of it: what pytest, surefire, gtest and quick-junit write is understood. No
//! document type, no entity but XML's own, no nesting without an end.

use std::borrow::Cow;

use jiff::Timestamp;
use preflight_core::TestStatus;
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::case::{Attachment, Case, seconds};
use crate::error::{ResultsError, no_more};
use crate::identity::series_of;
use crate::limits::{DEEPEST, MOST_ATTACHMENTS, MOST_CASES};
use crate::run::Document;

/// More attributes than any element of JUnit's has.
const MOST_ATTRIBUTES: usize = 64;

/// Reads a document.
///
/// # Errors
/// It is no JUnit, or there is too much of it.
pub fn parse(bytes: &[u8]) -> Result<Document, ResultsError> {
    // Some write bytes of a program's output that are no characters.
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}').trim_start());
    let mut reading = Reading::default();
    loop {
        let event = reader.read_event();
        let at = reader.buffer_position();
        let damaged = |why: String| ResultsError::damaged("JUnit", format!("byte {at}: {why}"));
        match event.map_err(|error| damaged(error.to_string()))? {
            Event::Start(element) => reading.start(&element).map_err(|why| why.at(at))?,
            Event::Empty(element) => {
                reading.start(&element).map_err(|why| why.at(at))?;
                reading.end()?;
            }
            Event::End(_) => reading.end()?,
            Event::Text(text) => reading.text(&text.decode().map_err(|error| damaged(error.to_string()))?),
            Event::CData(text) => reading.text(&text.decode().map_err(|error| damaged(error.to_string()))?),
            Event::GeneralRef(reference) => {
                let text =
                    resolved(&reference).ok_or_else(|| damaged("an entity that XML does not have".to_owned()))?;
                reading.text(text.encode_utf8(&mut [0; 4]));
            }
            Event::DocType(_) => return Err(damaged("a document type is not taken".to_owned())),
            Event::Eof => break,
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
        }
    }
    if !reading.is_junit {
        return Err(ResultsError::damaged("JUnit", "there is no test suite in it"));
    }
    if !reading.open.is_empty() {
        return Err(ResultsError::damaged("JUnit", "it is cut off"));
    }
    Ok(reading.document)
}

/// Why an element is not taken.
struct Refused(ResultsError);

impl Refused {
    fn at(self, at: u64) -> ResultsError {
        match self.0 {
            ResultsError::Damaged { format, why } => ResultsError::damaged(format, format!("byte {at}: {why}")),
            other => other,
        }
    }
}

impl From<ResultsError> for Refused {
    fn from(error: ResultsError) -> Self {
        Self(error)
    }
}

/// The character of a reference.
fn resolved(reference: &BytesRef<'_>) -> Option<char> {
    if let Ok(Some(letter)) = reference.resolve_char_ref() {
        return Some(letter);
    }
    match &**reference {
        b"amp" => Some('&'),
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        _ => None,
    }
}

/// What an element is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Suites,
    Suite,
    Case,
    /// Says something of a suite, by name and value.
    Property,
    /// A result or an output of a test, by the name of the file that its text becomes.
    Part(&'static str),
    Other,
}

#[derive(Debug, Default)]
struct Reading {
    document: Document,
    open: Vec<Role>,
    case: Option<Case>,
    text: String,
    is_junit: bool,
    /// Whether Preflight wrote it: its suites are called as source packages are, and say of what they are.
    is_ours: bool,
}

/// Attributes by name. Whoever writes the same twice has the first one read.
struct Attributes<'a>(Vec<(&'a [u8], Cow<'a, str>)>);

impl<'a> Attributes<'a> {
    fn of(element: &'a BytesStart<'_>) -> Result<Self, ResultsError> {
        let bad = |why: String| ResultsError::damaged("JUnit", why);
        let mut list = Vec::new();
        // The library's own check for doubles compares each with all.
        for attribute in element.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| bad(error.to_string()))?;
            no_more("attributes", list.len() as u64 + 1, MOST_ATTRIBUTES as u64)?;
            let value = attribute.unescape_value().map_err(|error| bad(error.to_string()))?;
            let value = Cow::Owned(value.into_owned());
            list.push((attribute.key.into_inner(), value));
        }
        Ok(Self(list))
    }

    fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(key, _)| *key == name.as_bytes());
        found
            .next()
            .map(|(_, value)| value.as_ref())
            .filter(|value| !value.trim().is_empty())
    }
}

impl Reading {
    fn start(&mut self, element: &BytesStart<'_>) -> Result<(), Refused> {
        no_more("nested elements", self.open.len() as u64 + 1, DEEPEST as u64)?;
        let role = self.role(element.local_name().as_ref());
        if role != Role::Other {
            self.is_junit = true;
            let attributes = Attributes::of(element)?;
            self.begin(role, &attributes)?;
        }
        self.open.push(role);
        Ok(())
    }

    fn role(&self, name: &[u8]) -> Role {
        let is_in_case = self.open.last() == Some(&Role::Case);
        match name {
            b"testsuites" if self.open.is_empty() => Role::Suites,
            b"testsuite" if self.case.is_none() => Role::Suite,
            b"testcase" if self.case.is_none() => Role::Case,
            b"property" if self.is_ours && self.case.is_none() => Role::Property,
            b"failure" if is_in_case => Role::Part("failure"),
            b"error" if is_in_case => Role::Part("error"),
            b"skipped" if is_in_case => Role::Part("skipped"),
            b"flakyFailure" | b"flakyError" if is_in_case => Role::Part("flaky"),
            b"rerunFailure" | b"rerunError" if is_in_case => Role::Part("rerun"),
            b"system-out" if is_in_case => Role::Part("stdout"),
            b"system-err" if is_in_case => Role::Part("stderr"),
            _ => Role::Other,
        }
    }

    fn begin(&mut self, role: Role, attributes: &Attributes<'_>) -> Result<(), ResultsError> {
        match role {
            Role::Suites | Role::Suite => {
                let document = &mut self.document;
                document.started = document
                    .started
                    .or_else(|| attributes.get("timestamp").and_then(moment));
                if self.open.is_empty() {
                    document.duration = attributes.get("time").map(seconds);
                    self.is_ours = role == Role::Suites && attributes.get("name") == Some("preflight");
                } else if self.is_ours && document.identity.source.is_none() {
                    document.identity.source = attributes.get("name").map(ToOwned::to_owned);
                }
            }
            Role::Case => {
                no_more("tests", self.document.cases.len() as u64 + 1, MOST_CASES as u64)?;
                let name = attributes.get("name").unwrap_or("unnamed");
                let name = match attributes.get("classname").filter(|_| !self.is_ours) {
                    Some(class) => format!("{class}.{name}"),
                    None => name.to_owned(),
                };
                let case = Case::new(&name, TestStatus::Pass, None);
                self.case = Some(Case {
                    duration: attributes.get("time").map(seconds).unwrap_or_default(),
                    ..case
                });
            }
            Role::Part(part) => {
                self.text.clear();
                let result = match part {
                    "failure" | "error" => TestStatus::Fail,
                    "skipped" if self.is_ours && attributes.get("type") == Some("FLAKY") => TestStatus::Flaky,
                    "skipped" => TestStatus::Skip,
                    "flaky" => TestStatus::Flaky,
                    _ => return Ok(()),
                };
                let why = attributes.get("message").or_else(|| attributes.get("type"));
                let why = why.map(|why| why.strip_prefix("flaky: ").filter(|_| self.is_ours).unwrap_or(why));
                // The first of several is what matters.
                if let Some(case) = self.case.as_mut().filter(|case| case.status == TestStatus::Pass) {
                    let judged = Case::new("", result, why);
                    (case.status, case.reason) = (judged.status, judged.reason);
                }
            }
            Role::Property => {
                let identity = &mut self.document.identity;
                let value = attributes.get("value");
                match attributes.get("name") {
                    Some("version") => identity.version = value.map(ToOwned::to_owned),
                    Some("architecture") => identity.architecture = value.map(ToOwned::to_owned),
                    Some("suite") => identity.series = value.and_then(series_of),
                    _ => {}
                }
            }
            Role::Other => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if matches!(self.open.last(), Some(Role::Part(_))) {
            self.text.push_str(text);
        }
    }

    fn end(&mut self) -> Result<(), ResultsError> {
        match self.open.pop() {
            Some(Role::Part(part)) => {
                let text = std::mem::take(&mut self.text);
                if let Some(case) = self.case.as_mut().filter(|_| !text.trim().is_empty()) {
                    if case.reason.is_none() && matches!(part, "failure" | "error" | "skipped") {
                        case.reason = Case::new("", case.status, Some(&text)).reason;
                    }
                    attach(case, part, text)?;
                }
            }
            Some(Role::Case) => self.document.cases.extend(self.case.take()),
            Some(Role::Suites | Role::Suite | Role::Property | Role::Other) | None => {}
        }
        Ok(())
    }
}

fn attach(case: &mut Case, name: &str, text: String) -> Result<(), ResultsError> {
    match case.attachments.iter_mut().find(|file| file.name == name) {
        Some(file) => file.content.extend_from_slice(text.as_bytes()),
        None => {
            no_more(
                "files of one test",
                case.attachments.len() as u64 + 1,
                MOST_ATTACHMENTS as u64,
            )?;
            case.attachments.push(Attachment {
                name: name.to_owned(),
                content: text.into_bytes(),
            });
        }
    }
    Ok(())
}

/// With a zone, or without one, which is taken for UTC.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let civil = || {
        text.parse::<jiff::civil::DateTime>()
            .ok()?
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
    };
    text.parse::<Timestamp>().ok().or_else(|| Some(civil()?.timestamp()))
}

#[cfg(test)]
mod tests;
