//! The table of patterns by which a log's lines are judged: `patterns.toml`, with examples that its test holds it to.
//! Judges single lines; which line of a log wins is for [`super::first_error`].

use std::sync::LazyLock;

use regex::{Regex, RegexSet};
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
    category: Category,
    rank: Rank,
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

/// The compiled table.
pub(super) struct Patterns {
    entries: Vec<(Entry, Option<Regex>)>,
    set: RegexSet,
}

/// What a line was recognised as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) rank: Rank,
    pub(super) category: Category,
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
        let entries = table
            .pattern
            .into_iter()
            .map(|entry| {
                let unless = entry.unless.as_deref().map(Regex::new).transpose()?;
                Ok((entry, unless))
            })
            .collect::<Result<_, regex::Error>>()?;
        Ok(Self { entries, set })
    }

    /// What the line says that says most about a failure; of equals, what stands first in the table.
    pub(super) fn judge(&self, line: &str, job: JobKind) -> Option<Match> {
        self.matches(line)
            .filter(|entry| entry.jobs.as_ref().is_none_or(|jobs| jobs.contains(&job)))
            .map(|entry| Match {
                rank: entry.rank,
                category: entry.category,
            })
            .min_by_key(|found| found.rank)
    }

    fn matches(&self, line: &str) -> impl Iterator<Item = &Entry> {
        self.set.matches(line).into_iter().filter_map(|position| {
            let (entry, unless) = &self.entries[position];
            let meant = unless.as_ref().is_none_or(|unless| !unless.is_match(line));
            meant.then_some(entry)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_match_and_counter_examples_do_not() {
        let patterns = Patterns::get();
        for (entry, _) in &patterns.entries {
            assert!(
                !entry.examples.is_empty() && !entry.counter_examples.is_empty(),
                "{} has no examples",
                entry.name
            );
            let names = |line: &str| {
                patterns
                    .matches(line)
                    .map(|entry| entry.name.clone())
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
        let mut names: Vec<_> = Patterns::get().entries.iter().map(|(entry, _)| &entry.name).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
