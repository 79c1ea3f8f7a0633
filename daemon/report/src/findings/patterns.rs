//! The table of patterns by which a log's lines are judged: `patterns.toml`, with examples that its test holds it to.
//! Judges single lines; which line of a log wins is for [`super::first_error`], what belongs together for [`super::judge`].

use std::sync::LazyLock;

use preflight_core::Severity;
use regex::{Captures, Regex, RegexSet};
use serde::Deserialize;

use super::first_error::JobKind;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Category {
    /// A compiler, interpreter or configuration tool.
    Compiler,
    /// The linker.
    Linker,
    /// An exception, a panic, a failed assertion.
    Exception,
    /// A test framework's word.
    Test,
    /// Dependencies, packages.
    Dependency,
    /// An attempt to reach the network.
    Network,
    /// Packaging tools.
    Packaging,
    /// make and its like: what failed, not why.
    Build,
    /// Another command's message.
    Command,
    /// Output on stderr that was not allowed.
    Stderr,
    /// The last that was heard before a time-out.
    Timeout,
    /// No pattern: the last line.
    LastLine,
}

/// How much a line says about why the job failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rank {
    /// Why. The first of a log wins.
    Cause,
    /// Which test. The first wins.
    Test,
    /// Perhaps why. The last before the first consequence wins.
    Hint,
    /// That something failed; what came before is why.
    Consequence,
    /// Told, and never why.
    Remark,
}

/// How the lines after a line go on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Follow {
    /// `--> file:line:column`.
    Rustc,
    /// The source's line, and a caret below it.
    Caret,
    /// Indented lines are more of the message, up to an empty one (cmake) or one that is not indented (dpkg).
    Indented,
    /// The next line is the message.
    Panic,
    /// Where it came from, innermost first: Java, Go, sanitizers.
    Frames,
    /// `#   at FILE line N.`
    PerlAt,
    /// `FILE:LINE: Error` where the test's traceback ends.
    Pytest,
    /// Lines up to the next in brackets are more of the message.
    Block,
    /// `    x_test.go:25: message`.
    GoLog,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    pattern: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[cfg_attr(not(test), expect(dead_code, reason = "for the table's own test and its readers"))]
    name: String,
    /// Who says such lines, where the line itself does not name it.
    tool: String,
    category: Category,
    rank: Rank,
    severity: Option<WrittenSeverity>,
    follow: Option<Follow>,
    /// In which jobs; all when absent.
    jobs: Option<Vec<JobKind>>,
    regex: String,
    /// A line that this matches too is not meant.
    unless: Option<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "for the table's own test"))]
    examples: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "for the table's own test"))]
    counter_examples: Vec<String>,
}

/// A severity, as the table has it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenSeverity {
    Warning,
}

/// An entry with its compiled patterns.
struct Pattern {
    entry: Entry,
    regex: Regex,
    unless: Option<Regex>,
}

/// The compiled table.
pub(super) struct Patterns {
    all: Vec<Pattern>,
    set: RegexSet,
}

/// What a line was recognised as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) rank: Rank,
    pub(super) category: Category,
    pub(super) severity: Severity,
    pub(super) follow: Option<Follow>,
    pub(super) tool: String,
    /// What it says, without where and how bad it is.
    pub(super) message: String,
    /// The line does not part where from what.
    pub(super) is_whole_line: bool,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
    pub(super) column: Option<u32>,
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the table is part of the program and its test reads it"
    )]
    Patterns::read(include_str!("patterns.toml")).expect("a valid table")
});

impl Patterns {
    pub(super) fn get() -> &'static Self {
        &PATTERNS
    }

    fn read(text: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let table: Table = toml::from_str(text)?;
        let set = RegexSet::new(table.pattern.iter().map(|entry| &entry.regex))?;
        let all = table
            .pattern
            .into_iter()
            .map(|entry| {
                Ok(Pattern {
                    regex: Regex::new(&entry.regex)?,
                    unless: entry.unless.as_deref().map(Regex::new).transpose()?,
                    entry,
                })
            })
            .collect::<Result<_, regex::Error>>()?;
        Ok(Self { all, set })
    }

    /// What the line says that says most about a failure; of equals, what stands first in the table.
    pub(super) fn judge(&self, line: &str, job: JobKind) -> Option<Match> {
        self.matches(line)
            .filter(|pattern| pattern.entry.jobs.as_ref().is_none_or(|jobs| jobs.contains(&job)))
            .min_by_key(|pattern| pattern.entry.rank)
            .map(|pattern| pattern.read_line(line))
    }

    fn matches(&self, line: &str) -> impl Iterator<Item = &Pattern> {
        self.set.matches(line).into_iter().filter_map(|position| {
            let pattern = &self.all[position];
            let meant = pattern.unless.as_ref().is_none_or(|unless| !unless.is_match(line));
            meant.then_some(pattern)
        })
    }
}

impl Pattern {
    fn read_line(&self, line: &str) -> Match {
        let entry = &self.entry;
        let parts = self.regex.captures(line);
        let part = |name: &str| parts.as_ref().and_then(|parts| group(parts, name));
        let number = |name: &str| part(name).and_then(|digits| digits.parse().ok());
        // "error:" alone: what it says stands on the next lines.
        let said = part("message").map(str::trim).filter(|message| !message.is_empty());
        let mut message = said.unwrap_or_else(|| line.trim()).to_owned();
        if let Some(code) = part("code") {
            message = format!("{message} [{code}]");
        }
        Match {
            rank: entry.rank,
            category: entry.category,
            severity: match entry.severity {
                Some(WrittenSeverity::Warning) => Severity::Warning,
                None => Severity::Error,
            },
            follow: entry.follow,
            tool: part("tool").unwrap_or(&entry.tool).to_owned(),
            message,
            is_whole_line: said.is_none(),
            file: part("file").map(str::to_owned),
            line: number("line"),
            column: number("column"),
        }
    }
}

/// What a group has matched, in whichever alternative.
fn group<'l>(parts: &Captures<'l>, name: &str) -> Option<&'l str> {
    [name.to_owned(), format!("{name}2"), format!("{name}3")]
        .iter()
        .find_map(|name| parts.name(name))
        .map(|found| found.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_match_and_counter_examples_do_not() {
        let patterns = Patterns::get();
        for Pattern { entry, .. } in &patterns.all {
            assert!(
                !entry.examples.is_empty() && !entry.counter_examples.is_empty(),
                "{} has no examples",
                entry.name
            );
            let names = |line: &str| {
                patterns
                    .matches(line)
                    .map(|pattern| pattern.entry.name.clone())
                    .collect::<Vec<_>>()
            };
            for line in &entry.examples {
                assert!(names(line).contains(&entry.name), "{} must match: {line}", entry.name);
                let found = patterns.judge(line, entry.jobs.as_ref().map_or(JobKind::Build, |jobs| jobs[0]));
                assert_eq!(
                    found.map(|found| found.rank),
                    Some(entry.rank),
                    "{}: {line}: {:?}",
                    entry.name,
                    names(line)
                );
            }
            for line in &entry.counter_examples {
                assert!(
                    !names(line).contains(&entry.name),
                    "{} must not match: {line}",
                    entry.name
                );
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = Patterns::get().all.iter().map(|pattern| &pattern.entry.name).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn parts_of_lines() {
        for (line, tool, place, message) in [
            (
                "src/hello.c:42:5: error: expected ';'",
                "gcc",
                "src/hello.c 42 5",
                "expected ';'",
            ),
            (
                "lib/Foo.hs:3:1: error:",
                "gcc",
                "lib/Foo.hs 3 1",
                "lib/Foo.hs:3:1: error:",
            ),
            (
                "/build/tree/bc/bc.y:122.11-21: error: symbol x is used",
                "bison",
                "/build/tree/bc/bc.y 122 11",
                "symbol x is used",
            ),
            (
                "error[E0308]: mismatched types",
                "rustc",
                "- - -",
                "mismatched types [E0308]",
            ),
            (
                "/usr/bin/ld: file.o:././file.c:19: multiple definition of `x'; a.o:a.c:28: first defined here",
                "ld",
                "././file.c 19 -",
                "multiple definition of `x'; a.o:a.c:28: first defined here",
            ),
            (
                "/usr/bin/ld: main.c:(.text+0xe): undefined reference to `foo'",
                "ld",
                "- - -",
                "undefined reference to `foo'",
            ),
            (
                "syntax error at lib/A.pm line 12, near \"}\"",
                "perl",
                "lib/A.pm 12 -",
                "syntax error at lib/A.pm line 12, near \"}\"",
            ),
            (
                "test: tests/a.c:21: main: Assertion `x' failed.",
                "assert",
                "tests/a.c 21 -",
                "Assertion `x' failed.",
            ),
            (
                "dpkg-shlibdeps: error: no dependency information found for /usr/lib/libfoo.so",
                "dpkg-shlibdeps",
                "- - -",
                "no dependency information found for /usr/lib/libfoo.so",
            ),
        ] {
            let found = Patterns::get().judge(line, JobKind::Build).unwrap();
            let number = |number: Option<u32>| number.map_or("-".to_owned(), |number| number.to_string());
            let at = format!(
                "{} {} {}",
                found.file.as_deref().unwrap_or("-"),
                number(found.line),
                number(found.column)
            );
            assert_eq!(
                (found.tool.as_str(), at.as_str(), found.message.as_str()),
                (tool, place, message)
            );
        }
    }
}
