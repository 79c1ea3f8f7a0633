//! The one line of a log that says what went wrong. A single pass with bounded memory; the table of patterns says what
//! a line is, this room which line wins.

use std::{
    io::{self, Read},
    sync::LazyLock,
};

use regex::Regex;
use serde::Deserialize;

use super::judge::Judge;
use super::lines;
use super::patterns::{Category, Rank};
use super::places::SourceFiles;

/// Which line it is does not depend on what is in the source.
static NO_SOURCE: LazyLock<SourceFiles> = LazyLock::new(SourceFiles::default);

/// Whose log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobKind {
    /// A package's build.
    Build,
    /// An image's.
    Image,
    /// A dep8 test.
    Test,
}

/// How the job ended, as far as it is known from elsewhere than its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending<'a> {
    /// It failed.
    Failed,
    /// Its time was up: the last line of output is where it hung.
    TimedOut,
    /// It tried to reach the network and was refused.
    NetworkRefused {
        /// The host or URL, if it is known.
        target: Option<&'a str>,
    },
    /// It wrote to stderr; this is the first line of that.
    Stderr(&'a str),
    /// The test's dependencies could not be installed: what precedes the test counts.
    NotInstalled,
}

/// The line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstError {
    /// Its number in the log, from 1.
    pub line: u64,
    /// Its text, harmless and short; see [`super::harmless`].
    pub text: String,
    /// What it is about.
    pub category: Category,
}

/// Finds the line. `None` only when the log has no line with any text.
///
/// # Errors
/// When the log cannot be read.
pub fn first_error(log: impl Read, job: JobKind, ending: Ending<'_>) -> io::Result<Option<FirstError>> {
    let mut search = Search::new(job, ending);
    lines::for_each(log, |number, line| search.look(number, lines::plain(line)))?;
    Ok(search.answer())
}

/// autopkgtest's own lines, with or without the prefix of newer versions.
static OWN_LINE: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "a constant pattern that every test of this module compiles"
    )]
    Regex::new(r"^(?:\s*\d+s )?autopkgtest \[\d\d:\d\d:\d\d\]: (.*)$").expect("a valid pattern")
});

/// A test's result.
static RESULT: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "a constant pattern that every test of this module compiles"
    )]
    Regex::new(r"^\S+ +(PASS|FAIL|SKIP|FLAKY)(?: |$)").expect("a valid pattern")
});

/// Where in the log of a dep8 test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// No test has begun; in other logs, anywhere.
    Before,
    /// In a test's output.
    Inside,
    /// Between tests and after them.
    After,
}

struct Search<'a> {
    job: JobKind,
    ending: Ending<'a>,
    place: Place,
    /// A test is known to have failed: what comes after it does not count.
    settled: bool,
    judge: Judge<'static>,
    /// The causes before the traceback that has just ended, in case another follows from it.
    cause_before: Option<FirstError>,
    /// What `ending` itself points at.
    pointed_at: Option<FirstError>,
    cause: Option<FirstError>,
    test: Option<FirstError>,
    hint: Option<FirstError>,
    consequence: Option<FirstError>,
    last: Option<(u64, String)>,
}

impl<'a> Search<'a> {
    fn new(job: JobKind, ending: Ending<'a>) -> Self {
        Self {
            job,
            ending,
            place: Place::Before,
            settled: false,
            judge: Judge::new(job, &NO_SOURCE),
            cause_before: None,
            pointed_at: None,
            cause: None,
            test: None,
            hint: None,
            consequence: None,
            last: None,
        }
    }

    fn look(&mut self, number: u64, text: String) {
        let line = text.as_str();
        if self.settled {
            return;
        }
        if let Some(own) = line
            .contains("autopkgtest [")
            .then(|| OWN_LINE.captures(line))
            .flatten()
        {
            self.enter(own.get(1).map_or("", |message| message.as_str()));
            return;
        }
        // A test's dependencies are installed before it: no part of its output, but of the other story.
        let beside = if self.ending == Ending::NotInstalled {
            Place::Inside
        } else {
            Place::After
        };
        if self.place == Place::After {
            self.learn_result(line);
        }
        if line.trim().is_empty() || self.place == beside || self.settled {
            return;
        }
        let error = |category| FirstError {
            line: number,
            text: line.trim().chars().take(lines::MAX_TEXT).collect(),
            category,
        };
        if self.pointed_at.is_none() {
            self.pointed_at = self.points_at(line).map(error);
        }
        if let Some(found) = self.judge.look(number, line) {
            if found.said.category == Category::Exception || found.said.category == Category::Network {
                if found.follows_from_last {
                    self.cause = self.cause_before.take();
                } else {
                    self.cause_before.clone_from(&self.cause);
                }
            }
            self.keep(
                found.said.rank,
                FirstError {
                    line: found.line,
                    text: found.text.trim().chars().take(lines::MAX_TEXT).collect(),
                    category: found.said.category,
                },
            );
        }
        // What a shell says of a program that a time-out has ended.
        if !matches!(line.trim(), "Terminated" | "Killed" | "Hangup") {
            self.last = Some((number, text));
        }
    }

    /// Follows autopkgtest's marks around a test's output.
    fn enter(&mut self, message: &str) {
        if message.ends_with(": [-----------------------") {
            if self.place == Place::Before && self.ending != Ending::NotInstalled {
                *self = Self::new(self.job, self.ending);
            }
            self.place = Place::Inside;
        } else if message.ends_with(": -----------------------]") {
            self.place = Place::After;
        }
    }

    /// The result after a test's output tells whether that output is what we look for.
    fn learn_result(&mut self, line: &str) {
        match RESULT
            .captures(line)
            .and_then(|parts| parts.get(1))
            .map(|status| status.as_str())
        {
            Some("FAIL") => self.settled = true,
            Some(_) => {
                *self = Self {
                    place: Place::After,
                    ..Self::new(self.job, self.ending)
                }
            }
            None => {}
        }
    }

    fn points_at(&self, line: &str) -> Option<Category> {
        match self.ending {
            Ending::Stderr(first) => {
                (lines::harmless(line.trim()) == lines::harmless(first.trim())).then_some(Category::Stderr)
            }
            Ending::NetworkRefused { target: Some(target) } => line.contains(target).then_some(Category::Network),
            _ => None,
        }
    }

    fn keep(&mut self, rank: Rank, error: FirstError) {
        let any = self.cause.is_some() || self.test.is_some() || self.hint.is_some();
        if self.consequence.is_some() && (any || rank != Rank::Cause) {
            return;
        }
        let kept = match rank {
            Rank::Remark => return,
            Rank::Cause => &mut self.cause,
            Rank::Test => &mut self.test,
            Rank::Consequence => &mut self.consequence,
            Rank::Hint => {
                self.hint = Some(error);
                return;
            }
        };
        kept.get_or_insert(error);
    }

    fn answer(self) -> Option<FirstError> {
        let network =
            |found: &Option<FirstError>| found.as_ref().is_some_and(|found| found.category == Category::Network);
        let last = self.last.map(|(line, text)| {
            let text = text.trim().chars().take(lines::MAX_TEXT).collect();
            let category = if self.ending == Ending::TimedOut {
                Category::Timeout
            } else {
                Category::LastLine
            };
            FirstError { line, text, category }
        });
        let found = match self.ending {
            Ending::TimedOut => last.clone(),
            Ending::NetworkRefused { .. } if network(&self.cause) => self.cause.clone(),
            Ending::NetworkRefused { .. } | Ending::Stderr(_) => self.pointed_at,
            Ending::Failed | Ending::NotInstalled => None,
        };
        found
            .or(self.cause)
            .or(self.test)
            .or(self.hint)
            .or(self.consequence)
            .or(last)
    }
}

#[cfg(test)]
mod tests;
