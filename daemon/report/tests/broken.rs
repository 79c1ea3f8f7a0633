//! Real logs of real packages that were broken on purpose (`broken.toml`), and whether what a maintainer wants to see first is
//! the first finding.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs::File;
use std::path::Path;

use preflight_core::{FilePlace, Finding, FindingKind, Severity};
use preflight_report::findings::{
    Category, Ending, FirstError, JobKind, MOST_FINDINGS, Reading, SourceFiles, first_error, log_findings,
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    log: Vec<Log>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    name: String,
    /// What was done to the package.
    how: String,
    job: JobKind,
    /// What else is known of the end: `timed-out`, `not-installed`, or `stderr: ` and its first line.
    ending: Option<String>,
    /// The line that says why.
    line: u64,
    category: Category,
    /// The source's file that it is about, and where in it.
    file: Option<String>,
    at: Option<u32>,
    column: Option<u32>,
    /// What the message must hold.
    says: Option<String>,
    /// The names of the source's files that the log has in it.
    #[serde(default)]
    tree: Vec<String>,
}

impl Log {
    fn open(&self) -> File {
        let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
        File::open(logs.join(format!("{}.log", self.name))).unwrap()
    }

    fn first_error(&self) -> FirstError {
        let ending = match self.ending.as_deref() {
            None => Ending::Failed,
            Some("timed-out") => Ending::TimedOut,
            Some("not-installed") => Ending::NotInstalled,
            Some(other) => Ending::Stderr(other.strip_prefix("stderr: ").unwrap()),
        };
        first_error(self.open(), self.job, ending).unwrap().unwrap()
    }

    fn findings(&self, first: &FirstError, has_failed: bool) -> Vec<Finding> {
        let sources = SourceFiles::new(self.tree.iter().cloned());
        let reading = Reading {
            job: self.job,
            has_failed,
            first: has_failed.then_some((first.line, first.text.as_str())),
            sources: &sources,
        };
        log_findings(self.open(), reading).unwrap()
    }

    /// What is wrong with what was found; nothing where it is right.
    fn miss(&self) -> Option<String> {
        let first = self.first_error();
        let found = self.findings(&first, true);
        let FindingKind::Log(said) = &found[0].kind else {
            panic!("{found:?}")
        };
        let place = said.place.clone().filter(|place| place.in_source);
        let expected = self.file.as_ref().map(|file| FilePlace {
            file: file.clone(),
            in_source: true,
            line: self.at,
            column: self.column,
        });
        let is_right = (first.line, first.category) == (self.line, self.category)
            && found[0].log_line == Some(self.line)
            && place == expected
            && said.severity == Severity::Error
            && self.says.as_ref().is_none_or(|says| said.message.contains(says));
        (!is_right).then(|| {
            format!(
                "{} ({}): line {} {:?} {expected:?}, and not line {} {:?} {place:?}: {} [{}: {}]",
                self.name,
                self.how,
                self.line,
                self.category,
                first.line,
                first.category,
                first.text,
                said.tool,
                said.message
            )
        })
    }
}

fn table() -> Vec<Log> {
    let table: Table = toml::from_str(include_str!("broken.toml")).unwrap();
    table.log
}

#[test]
fn the_first_finding_is_the_cause() {
    let logs = table();
    let misses: Vec<String> = logs.iter().filter_map(Log::miss).collect();
    // Nine of ten is what is promised; what is reached must not be lost.
    assert!(logs.len() >= 40);
    assert!(
        misses.len() * 10 <= logs.len() && misses.len() <= KNOWN_MISSES,
        "{} of {} are missed:\n{}",
        misses.len(),
        logs.len(),
        misses.join("\n")
    );
}

/// What is not found in these logs: `locale` dies with words that nothing tells from other output.
const KNOWN_MISSES: usize = 1;

#[test]
fn every_finding_is_of_the_log_and_few() {
    for log in table() {
        let first = log.first_error();
        for has_failed in [true, false] {
            let found = log.findings(&first, has_failed);
            assert!(found.len() <= MOST_FINDINGS + 1, "{}: {}", log.name, found.len());
            for finding in &found {
                let FindingKind::Log(said) = &finding.kind else {
                    panic!("{finding:?}")
                };
                assert!(
                    !said.message.trim().is_empty() && !said.tool.is_empty(),
                    "{}: {said:?}",
                    log.name
                );
                assert!(!said.to_string().contains(char::is_control), "{}: {said:?}", log.name);
                assert!(has_failed || said.severity != Severity::Error, "{}: {said:?}", log.name);
                assert!(finding.count >= 1 && finding.log_line.is_none_or(|line| line >= 1));
            }
        }
    }
}
