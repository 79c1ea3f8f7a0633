//! autopkgtest's log, old and new: which tests it tells of, where their output begins, how long they ran, what came of
//! them, and what it says of package and release. A single pass with bounded memory; what a test has printed may look
//! like the log's own lines, so a `summary` beside it is believed more.

use std::io::{self, BufRead, BufReader, Read};
use std::time::Duration;

use jiff::Timestamp;
use preflight_dep8::outcome::TestStatus;
use preflight_report::summary::{self, SummaryLine};

use crate::case::bounded;
use crate::limits::{LONGEST_LINE, LONGEST_NAME, MOST_CASES};

/// What a log says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogFacts {
    /// When the run began.
    pub started: Option<Timestamp>,
    /// The source package that was tested.
    pub source: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The release's name as the testbed's package sources have it, such as `noble`.
    pub release: Option<String>,
    /// Debian's name of the architecture.
    pub architecture: Option<String>,
    /// The words of the command that ran it, which may name the release.
    pub command: Option<String>,
    /// The tests, in order.
    pub tests: Vec<LoggedTest>,
    /// The results as they came, beside the output of tests.
    pub results: Vec<SummaryLine>,
    /// The lines of its own summary.
    pub summary: Vec<SummaryLine>,
    /// How many lines there are.
    pub lines: u64,
    /// Whether any line is autopkgtest's own.
    pub is_autopkgtest: bool,
}

/// What a log says of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedTest {
    /// Its name.
    pub name: String,
    /// The line after which its output comes, counted from 1.
    pub line: u64,
    /// How long its output took to come, where both ends are there.
    pub duration: Option<Duration>,
}

/// Seconds of a day.
const DAY: i64 = 86_400;
const BEGIN: &str = "[-----------------------";
const END: &str = "-----------------------]";
const SECTION: &str = "@@@@@@@@@@@@@@@@@@@@ ";
const SUMMARY: &str = "@@@@@@@@@@@@@@@@@@@@ summary";

/// Reads a log of any size.
///
/// # Errors
/// When the log cannot be read.
pub fn parse(log: impl Read) -> io::Result<LogFacts> {
    let mut reading = Reading::default();
    let mut reader = BufReader::with_capacity(64 * 1024, log);
    let mut line = Vec::new();
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let piece = &buffer[..end.unwrap_or(buffer.len())];
        line.extend_from_slice(&piece[..piece.len().min(LONGEST_LINE - line.len())]);
        let used = piece.len() + usize::from(end.is_some());
        if end.is_some() {
            reading.line(&line);
            line.clear();
        }
        reader.consume(used);
    }
    if !line.is_empty() {
        reading.line(&line);
    }
    Ok(reading.facts)
}

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Elsewhere,
    /// Between a test's marks.
    Inside,
    /// Until the end.
    Summary,
}

#[derive(Debug, Default)]
struct Reading {
    facts: LogFacts,
    place: Place,
    /// When the running test began.
    begun: Option<Clock>,
}

/// The clock that a line has.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// Seconds since midnight.
    of_day: i64,
    /// Seconds since the log's beginning.
    elapsed: Option<u64>,
}

impl Clock {
    fn since(self, earlier: Self) -> Duration {
        let seconds = match (self.elapsed, earlier.elapsed) {
            (Some(now), Some(then)) => now.saturating_sub(then),
            _ => u64::try_from((self.of_day - earlier.of_day).rem_euclid(DAY)).unwrap_or_default(),
        };
        Duration::from_secs(seconds)
    }
}

impl Reading {
    fn line(&mut self, raw: &[u8]) {
        self.facts.lines += 1;
        let own = ["autopkgtest [", "adt-run ["]
            .iter()
            .any(|head| memchr::memmem::find(raw, head.as_bytes()).is_some());
        if !own && self.place == Place::Inside {
            return;
        }
        let text = plain(raw);
        let (elapsed, text) = without_prefix(&text);
        match own_line(text) {
            Some((of_day, message)) => self.own(message, Clock { of_day, elapsed }),
            None => self.other(text),
        }
    }

    fn own(&mut self, message: &str, clock: Clock) {
        self.facts.is_autopkgtest = true;
        if let Some((name, mark)) = test_mark(message) {
            return self.mark(name, mark, clock);
        }
        if self.place == Place::Inside {
            return;
        }
        self.place = Place::Elsewhere;
        if message.starts_with(SUMMARY) {
            self.place = Place::Summary;
            self.facts.summary.clear();
        } else if let Some(section) = message.strip_prefix(SECTION) {
            self.section(section);
        } else {
            self.fact(message);
        }
    }

    fn mark(&mut self, name: &str, mark: Mark, clock: Clock) {
        let tests = &mut self.facts.tests;
        match mark {
            // What a test prints is no test's beginning.
            Mark::Begin if self.place != Place::Inside => {
                self.place = Place::Inside;
                self.begun = Some(clock);
                if tests.len() < MOST_CASES {
                    tests.push(LoggedTest {
                        name: bounded(name, LONGEST_NAME).to_owned(),
                        line: self.facts.lines + 1,
                        duration: None,
                    });
                }
            }
            Mark::End if self.place == Place::Inside => {
                if let Some(test) = tests.last_mut().filter(|test| test.name == name) {
                    test.duration = self.begun.take().map(|begun| clock.since(begun));
                    self.place = Place::Elsewhere;
                }
            }
            Mark::Begin | Mark::End => {}
        }
    }

    fn section(&mut self, section: &str) {
        let mut words = section.split_whitespace();
        let kind = words.next().unwrap_or_default();
        if self.facts.source.is_none() && matches!(kind, "apt-source" | "source") {
            let named = words.next().unwrap_or_default();
            let name = named.rsplit('/').next().unwrap_or_default();
            let name = name
                .strip_suffix(".dsc")
                .map_or(name, |stem| stem.split('_').next().unwrap_or(stem));
            self.facts.source = some(name);
        }
    }

    fn fact(&mut self, message: &str) {
        let facts = &mut self.facts;
        if let Some(text) = after(message, &["starting date and time: ", "starting date: "]) {
            facts.started = facts.started.or_else(|| moment(text));
        } else if let Some(text) = after(message, &["testbed dpkg architecture: "]) {
            facts.architecture = some(text);
        } else if let Some(text) = after(message, &["testbed release detected to be: "]) {
            facts.release = some(text).filter(|release| release != "None");
        } else if let Some(text) = after(message, &["testing package "]) {
            if let Some((source, version)) = text.split_once(" version ") {
                facts.source = some(source);
                facts.version = some(version);
            }
        } else if let Some((_, command)) = message.split_once("command line: ") {
            facts.command.get_or_insert_with(|| command.to_owned());
        }
    }

    fn other(&mut self, text: &str) {
        match self.place {
            Place::Inside => {}
            Place::Summary => {
                if let Some(line) = summary_line(text).filter(|_| self.facts.summary.len() < MOST_CASES) {
                    self.facts.summary.push(line);
                }
            }
            Place::Elsewhere => {
                if let Some(line) = summary_line(text).filter(|line| self.is_result(line)) {
                    self.facts.results.push(line);
                } else if self.facts.release.is_none() && self.facts.tests.is_empty() {
                    self.facts.release = suite_of(text);
                }
            }
        }
    }

    /// Whether it is a result, and not just looks so: of the test that has just ended, or of one that is skipped. It may
    /// come before the mark that announces it: the one is printed, the other is logged.
    fn is_result(&self, line: &SummaryLine) -> bool {
        let SummaryLine::Result { name, status, .. } = line else {
            return false;
        };
        let last = self.facts.tests.last().map(|test| test.name.as_str());
        let is_expected = last == Some(name.as_str()) || *status == TestStatus::Skip;
        is_expected && self.facts.results.len() < MOST_CASES
    }
}

#[derive(Debug, Clone, Copy)]
enum Mark {
    Begin,
    End,
}

/// `test NAME: MARK`
fn test_mark(message: &str) -> Option<(&str, Mark)> {
    let rest = message.strip_prefix("test ")?;
    let (name, text) = rest.rsplit_once(": ")?;
    let mark = match text.trim() {
        BEGIN => Mark::Begin,
        END => Mark::End,
        _ => return None,
    };
    Some((name, mark))
}

/// The time of day and the message of a line of autopkgtest's own.
fn own_line(text: &str) -> Option<(i64, &str)> {
    let rest = after(text, &["autopkgtest [", "adt-run ["])?;
    let (clock, message) = rest.split_once("]: ")?;
    let mut parts = clock.split(':').map(|part| part.parse::<u8>().ok());
    let mut next = || parts.next().flatten().map(i64::from);
    let (hours, minutes, seconds) = (next()?, next()?, next()?);
    Some((hours * 3600 + minutes * 60 + seconds, message))
}

/// Newer versions have the seconds since the beginning before each line: ` 12s `.
fn without_prefix(text: &str) -> (Option<u64>, &str) {
    let trimmed = text.trim_start();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let seconds = trimmed[..digits].parse().ok();
    match (seconds, trimmed[digits..].strip_prefix('s')) {
        (Some(seconds), Some("")) => (Some(seconds), ""),
        (Some(seconds), Some(rest)) if rest.starts_with(' ') => (Some(seconds), &rest[1..]),
        _ => (None, text),
    }
}

/// A line without what a terminal would obey.
fn plain(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut kept = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => {
                if letters.next() == Some('[') {
                    while letters
                        .next()
                        .is_some_and(|letter| !('\u{40}'..='\u{7e}').contains(&letter))
                    {}
                }
            }
            '\t' => kept.push(' '),
            letter if letter.is_control() => {}
            letter => kept.push(letter),
        }
    }
    kept.truncate(kept.trim_end().len());
    kept
}

/// A line of a summary, if it is one.
pub(crate) fn summary_line(text: &str) -> Option<SummaryLine> {
    let mut lines = summary::parse(text).ok()?.into_iter();
    lines.next().filter(|_| lines.next().is_none())
}

/// The suite of a line of apt's: `Get:1 http://mirror.example/ubuntu noble-proposed InRelease [1 kB]`.
fn suite_of(text: &str) -> Option<String> {
    let is_apts = ["Get:", "Hit:", "Ign:"].iter().any(|word| text.starts_with(word));
    let mut words = text.split_whitespace().skip(2);
    let suite = words.next().filter(|_| is_apts && words.next() == Some("InRelease"))?;
    some(suite.split(['-', '/']).next().unwrap_or(suite))
}

fn after<'a>(text: &'a str, beginnings: &[&str]) -> Option<&'a str> {
    beginnings.iter().find_map(|beginning| text.strip_prefix(beginning))
}

fn some(text: &str) -> Option<String> {
    let text = bounded(text.trim(), LONGEST_NAME);
    (!text.is_empty()).then(|| text.to_owned())
}

/// `2026-01-02 03:04:05+0000`, or without a zone, or a day alone.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    jiff::fmt::strtime::parse("%Y-%m-%d %H:%M:%S%z", text)
        .and_then(|parts| parts.to_timestamp())
        .or_else(|_| {
            text.parse::<jiff::civil::DateTime>()
                .and_then(|at| Ok(at.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp()))
        })
        .or_else(|_| {
            let day: jiff::civil::Date = text.parse()?;
            Ok::<_, jiff::Error>(day.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp())
        })
        .ok()
}

#[cfg(test)]
mod tests;
