//! The one line of a log that says what went wrong. A single pass with bounded memory; the table of patterns says what
//! a line is, this room which line wins.

use std::{
    io::{self, Read},
    sync::LazyLock,
};

use regex::Regex;
use serde::Deserialize;

use super::{
    lines,
    patterns::{Category, Match, Patterns, Rank},
};

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
    lines::for_each(log, |number, line| search.look(number, &lines::plain(line)))?;
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

/// A Python traceback that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Traceback {
    No,
    /// In its body; its own lines are indented by more than this.
    Body(usize),
    /// Its last line was just read; what comes may be another that it caused.
    Ended,
}

struct Search<'a> {
    job: JobKind,
    ending: Ending<'a>,
    place: Place,
    /// A test is known to have failed: what comes after it does not count.
    settled: bool,
    traceback: Traceback,
    /// The causes before the traceback that has just ended, in case another follows from it.
    cause_before: Option<FirstError>,
    /// What `ending` itself points at.
    pointed_at: Option<FirstError>,
    cause: Option<FirstError>,
    test: Option<FirstError>,
    hint: Option<FirstError>,
    consequence: Option<FirstError>,
    last: Option<FirstError>,
}

impl<'a> Search<'a> {
    fn new(job: JobKind, ending: Ending<'a>) -> Self {
        Self {
            job,
            ending,
            place: Place::Before,
            settled: false,
            traceback: Traceback::No,
            cause_before: None,
            pointed_at: None,
            cause: None,
            test: None,
            hint: None,
            consequence: None,
            last: None,
        }
    }

    fn look(&mut self, number: u64, line: &str) {
        if self.settled {
            return;
        }
        if let Some(own) = OWN_LINE.captures(line) {
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
        self.last = Some(error(Category::LastLine));
        if self.pointed_at.is_none() {
            self.pointed_at = self.points_at(line).map(error);
        }
        if let Some(found) = self.judge(line) {
            self.keep(found.rank, error(found.category));
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
            Ending::Stderr(first) => (line.trim() == lines::harmless(first).trim()).then_some(Category::Stderr),
            Ending::NetworkRefused { target: Some(target) } => line.contains(target).then_some(Category::Network),
            _ => None,
        }
    }

    fn judge(&mut self, line: &str) -> Option<Match> {
        let indent = line.len() - line.trim_start().len();
        let traceback = std::mem::replace(&mut self.traceback, Traceback::No);
        if line.trim_start() == "Traceback (most recent call last):" {
            self.traceback = Traceback::Body(indent);
            return None;
        }
        match traceback {
            Traceback::Body(own) if indent > own => self.traceback = traceback,
            Traceback::Body(_) => {
                self.traceback = Traceback::Ended;
                self.cause_before = self.cause.clone();
                let named = Patterns::get()
                    .judge(line, self.job)
                    .filter(|found| found.category == Category::Network);
                return Some(named.unwrap_or(Match {
                    rank: Rank::Cause,
                    category: Category::Exception,
                }));
            }
            Traceback::Ended if is_chain(line) => self.cause = self.cause_before.take(),
            Traceback::Ended | Traceback::No => {}
        }
        if matches!(self.traceback, Traceback::Body(_)) {
            None
        } else {
            Patterns::get().judge(line, self.job)
        }
    }

    fn keep(&mut self, rank: Rank, error: FirstError) {
        let any = self.cause.is_some() || self.test.is_some() || self.hint.is_some();
        if self.consequence.is_some() && (any || rank != Rank::Cause) {
            return;
        }
        let kept = match rank {
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
        let found = match self.ending {
            Ending::TimedOut => self.last.clone().map(|last| FirstError {
                category: Category::Timeout,
                ..last
            }),
            Ending::NetworkRefused { .. } if network(&self.cause) => self.cause.clone(),
            Ending::NetworkRefused { .. } | Ending::Stderr(_) => self.pointed_at,
            Ending::Failed | Ending::NotInstalled => None,
        };
        found
            .or(self.cause)
            .or(self.test)
            .or(self.hint)
            .or(self.consequence)
            .or(self.last)
    }
}

/// What Python prints between an exception and the one that it led to.
fn is_chain(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("During handling of the above exception")
        || line.starts_with("The above exception was the direct cause")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(log: &str, job: JobKind, ending: Ending<'_>, line: u64, text: &str, category: Category) {
        let found = first_error(log.as_bytes(), job, ending).unwrap().unwrap();
        assert_eq!(
            (found.line, found.text.as_str(), found.category),
            (line, text, category)
        );
    }

    #[test]
    fn a_compiler_error_before_what_make_says() {
        let log = "gcc -c hello.c\nhello.c: In function 'main':\nhello.c:3:5: error: 'x' undeclared\nmake[1]: *** [Makefile:2: all] Error 1\n\
            make: *** [debian/rules:5: build] Error 2\nother.c:1:1: error: later\ndpkg-buildpackage: error: debian/rules build\n";
        check(
            log,
            JobKind::Build,
            Ending::Failed,
            3,
            "hello.c:3:5: error: 'x' undeclared",
            Category::Compiler,
        );
    }

    #[test]
    fn the_message_right_before_make_gives_up() {
        let log = "cp: cannot stat 'early': No such file or directory\nfine again\ncp: cannot stat 'foo': No such file or directory\n\
            make[1]: *** [debian/rules:8: override_dh_install] Error 1\ndpkg-buildpackage: error: x\n";
        check(
            log,
            JobKind::Build,
            Ending::Failed,
            3,
            "cp: cannot stat 'foo': No such file or directory",
            Category::Command,
        );
        let log = "false\nmake: *** [debian/rules:5: build] Error 1\ndpkg-buildpackage: error: debian/rules build subprocess\n";
        check(
            log,
            JobKind::Build,
            Ending::Failed,
            2,
            "make: *** [debian/rules:5: build] Error 1",
            Category::Build,
        );
    }

    #[test]
    fn a_tracebacks_last_line() {
        let log = "start\nTraceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    int('error: x')\nValueError: invalid\n";
        check(
            log,
            JobKind::Test,
            Ending::Failed,
            5,
            "ValueError: invalid",
            Category::Exception,
        );
        let chained = format!(
            "{log}\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"b\"\nKeyError: 'b'\nmore\n"
        );
        check(
            &chained,
            JobKind::Test,
            Ending::Failed,
            11,
            "KeyError: 'b'",
            Category::Exception,
        );
        let network = "Traceback (most recent call last):\n  File \"a\"\nurllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>\n";
        let found = first_error(network.as_bytes(), JobKind::Test, Ending::Failed)
            .unwrap()
            .unwrap();
        assert_eq!((found.line, found.category), (3, Category::Network));
    }

    const TEST_LOG: &str = "E: Failed to fetch http://mirror.example/x\n\
        autopkgtest [10:00:00]: test two: [-----------------------\n\
        one is fine\n\
        oh: something\n\
        checking the rest\n\
        autopkgtest [10:00:01]: test two: -----------------------]\n\
        autopkgtest [10:00:01]: test two:  - - - - - - - - - - results - - - - - - - - - -\n\
        two                  FAIL stderr: oh: something\n";

    #[test]
    fn what_is_known_of_the_end_points_at_the_line() {
        check(
            TEST_LOG,
            JobKind::Test,
            Ending::Stderr("oh: something"),
            4,
            "oh: something",
            Category::Stderr,
        );
        check(
            TEST_LOG,
            JobKind::Test,
            Ending::TimedOut,
            5,
            "checking the rest",
            Category::Timeout,
        );
        check(
            TEST_LOG,
            JobKind::Test,
            Ending::Failed,
            5,
            "checking the rest",
            Category::LastLine,
        );
        let fetch = "E: Failed to fetch http://mirror.example/x";
        check(
            TEST_LOG,
            JobKind::Test,
            Ending::NotInstalled,
            1,
            fetch,
            Category::Network,
        );
    }

    #[test]
    fn of_several_tests_the_one_that_failed() {
        let one = "autopkgtest [10:00:00]: test one: [-----------------------\nFAIL: not really\n\
            autopkgtest [10:00:01]: test one: -----------------------]\n\
            one                  PASS\nautopkgtest [10:00:01]: test two: preparing testbed\nE: Unable to locate package x\n";
        let after = TEST_LOG
            .replace("two", "three")
            .replace("checking the rest", "hello.c:1:1: error: of the third");
        let log = format!("{one}{TEST_LOG}{after}");
        check(
            &log,
            JobKind::Test,
            Ending::Failed,
            11,
            "checking the rest",
            Category::LastLine,
        );
        let missing = "E: Unable to locate package x";
        check(
            &format!("{one}two                  FAIL badpkg\n"),
            JobKind::Test,
            Ending::NotInstalled,
            6,
            missing,
            Category::Dependency,
        );
    }

    #[test]
    fn a_network_attempt() {
        let log = "hello.c:3:5: warning: x\nTrying example.org\ncurl: (6) Could not resolve host: example.org\nFAIL: download\n";
        let text = "curl: (6) Could not resolve host: example.org";
        for ending in [
            Ending::Failed,
            Ending::NetworkRefused { target: None },
            Ending::NetworkRefused {
                target: Some("example.org"),
            },
        ] {
            check(log, JobKind::Test, ending, 3, text, Category::Network);
        }
        let quiet = "begin\nasking example.org:443\nFAIL: download\n";
        let ending = Ending::NetworkRefused {
            target: Some("example.org"),
        };
        check(
            quiet,
            JobKind::Test,
            ending,
            2,
            "asking example.org:443",
            Category::Network,
        );
    }

    #[test]
    fn what_apt_cannot_do() {
        let log = "Some packages could not be installed.\n foo : Depends: libbar2 (>= 2.1) but 2.0-1 is to be installed\nE: Unable to correct problems, you have held broken packages.\n";
        let text = "foo : Depends: libbar2 (>= 2.1) but 2.0-1 is to be installed";
        check(log, JobKind::Image, Ending::Failed, 2, text, Category::Dependency);
    }

    #[test]
    fn nothing_and_nearly_nothing() {
        assert_eq!(first_error(&b""[..], JobKind::Build, Ending::Failed).unwrap(), None);
        assert_eq!(
            first_error(&b"\n \n\x1b[0m\n"[..], JobKind::Build, Ending::TimedOut).unwrap(),
            None
        );
        check(
            "\n\nlast\n\n",
            JobKind::Build,
            Ending::Failed,
            3,
            "last",
            Category::LastLine,
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_log(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let found = first_error(&bytes[..], JobKind::Test, Ending::Failed).unwrap();
            let lines = bytes.split(|byte| *byte == b'\n').count() as u64;
            if let Some(found) = found {
                prop_assert!(found.line >= 1 && found.line <= lines);
                prop_assert!(found.text.chars().count() <= lines::MAX_TEXT && !found.text.chars().any(char::is_control));
            }
        }
    }
}
