//! All lines of a log that matter, as findings: each once, with what the lines after it say of it, counted, and few whatever
//! a log holds. Which of them is the first error was decided before, by [`super::first_error`].

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::LazyLock;

use preflight_core::{FilePlace, Finding, FindingKind, LogFinding, Severity};
use regex::Regex;

use super::first_error::JobKind;
use super::follow::{More, Open};
use super::judge::{Diagnosis, Judge};
use super::lines::{self, MAX_TEXT};
use super::patterns::{Follow, Rank};
use super::places::SourceFiles;

/// So many findings a log has at most, errors before warnings; how many more there are is told by one more.
pub const MOST_FINDINGS: usize = 200;

/// How a log is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Whose log it is.
    pub job: JobKind,
    /// Whether the job has failed. Where it has not, nothing that the log says was an error.
    pub has_failed: bool,
    /// The line and the text of what went wrong first: it becomes the first finding.
    pub first: Option<(u64, &'a str)>,
    /// What the source has; places lead there.
    pub sources: &'a SourceFiles,
}

/// Finds the lines that matter: the first error first, then in the log's order.
///
/// # Errors
/// When the log cannot be read.
pub fn log_findings(log: impl Read, reading: Reading<'_>) -> io::Result<Vec<Finding>> {
    let mut collector = Collector::new(reading);
    lines::for_each(log, |number, line| collector.look(number, &lines::plain(line)))?;
    Ok(collector.finish())
}

struct Shapes {
    begins: Regex,
    ends: Regex,
    result: Regex,
}

/// What autopkgtest says around a test, with or without the prefix of newer versions.
static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "constant patterns that every test of this room compiles"
    )]
    let shape = |pattern: &str| Regex::new(pattern).expect("a valid pattern");
    Shapes {
        begins: shape(r"^(?:\s*\d+s )?autopkgtest \[\d\d:\d\d:\d\d\]: test (\S+): \[-----------------------$"),
        ends: shape(r"^(?:\s*\d+s )?autopkgtest \[\d\d:\d\d:\d\d\]: test \S+: -----------------------\]$"),
        result: shape(r"^(?:\s*\d+s )?(\S+) +(PASS|SKIP)(?: |$)"),
    }
});

/// A finding whose following lines are being read.
struct Draft {
    diagnosis: Diagnosis,
    open: Option<Open>,
    test: Option<String>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    test: Option<String>,
    severity: Severity,
    message: String,
    place: Option<FilePlace>,
}

struct Collector<'a> {
    reading: Reading<'a>,
    judge: Judge<'a>,
    /// The test whose output is being read.
    test: Option<String>,
    draft: Option<Draft>,
    known: HashMap<Key, usize>,
    found: Vec<Finding>,
    /// Where the first error is among them.
    first: Option<usize>,
    /// The test whose output the first error is in.
    first_test: Option<String>,
    /// So many more there were.
    unlisted: u64,
}

impl<'a> Collector<'a> {
    fn new(reading: Reading<'a>) -> Self {
        Self {
            judge: Judge::new(reading.job, reading.sources),
            reading,
            test: None,
            draft: None,
            known: HashMap::new(),
            found: Vec::new(),
            first: None,
            first_test: None,
            unlisted: 0,
        }
    }

    fn look(&mut self, number: u64, line: &str) {
        if self.reading.job == JobKind::Test && self.is_mark(line) {
            return;
        }
        if self.reading.first.is_some_and(|(first, _)| first == number) {
            self.first_test.clone_from(&self.test);
        }
        let told = match line.trim().is_empty() {
            true => None,
            false => self.judge.look(number, line),
        };
        match told {
            Some(diagnosis) if !self.is_more_of_it(&diagnosis) => self.begin(diagnosis),
            _ => self.go_on(line),
        }
    }

    /// Whether autopkgtest says where in its tests we are.
    fn is_mark(&mut self, line: &str) -> bool {
        if let Some(parts) = SHAPES.begins.captures(line) {
            self.settle();
            self.test = Some(parts[1].to_owned());
            return true;
        }
        if self.test.is_some() {
            let has_ended = SHAPES.ends.is_match(line);
            if has_ended {
                self.settle();
                self.test = None;
            }
            return has_ended;
        }
        if let Some(parts) = SHAPES.result.captures(line) {
            self.settle();
            for finding in &mut self.found {
                if finding.test.as_deref() == Some(&parts[1]) {
                    lower(finding);
                }
            }
        }
        false
    }

    /// Whether a line that says something by itself is a part of what is being read.
    fn is_more_of_it(&self, told: &Diagnosis) -> bool {
        let open = self.draft.as_ref().and_then(|draft| draft.open.as_ref());
        open.is_some_and(|open| open.follow == Follow::Pytest && told.said.follow == Some(Follow::Pytest))
    }

    fn begin(&mut self, diagnosis: Diagnosis) {
        if diagnosis.follows_from_last {
            self.draft = None;
        }
        self.settle();
        let is_first = self.reading.first.is_some_and(|(first, _)| first == diagnosis.line);
        if !is_first && matches!(diagnosis.said.rank, Rank::Hint | Rank::Consequence) {
            return;
        }
        let is_placed = diagnosis.place.as_ref().is_some_and(|place| place.line.is_some());
        // What is placed needs no frames; more of the message, or the column, may come all the same.
        let needs_more = |follow: &Follow| {
            !is_placed || !matches!(follow, Follow::Frames | Follow::Rustc | Follow::PerlAt | Follow::GoLog)
        };
        self.draft = Some(Draft {
            open: diagnosis.said.follow.filter(needs_more).map(Open::new),
            diagnosis,
            test: self.test.clone(),
        });
    }

    fn go_on(&mut self, line: &str) {
        let Some(draft) = &mut self.draft else { return };
        let Some(open) = &mut draft.open else { return };
        let said = &mut draft.diagnosis.said;
        let is_over = match open.go_on(line) {
            More::Nothing => false,
            More::End => true,
            More::Place { file, line, column } => {
                let place = self.judge.place(&file, line, column);
                let is_better = place.as_ref().is_some_and(|place| {
                    place.in_source || !self.judge.knows_source() || open.follow != Follow::Frames
                });
                if is_better {
                    draft.diagnosis.place = place;
                }
                is_better
            }
            More::Column(column) => {
                if let Some(place) = &mut draft.diagnosis.place {
                    place.column = Some(column);
                }
                true
            }
            More::Message(text) => {
                if std::mem::take(&mut said.is_whole_line) {
                    said.message.clear();
                } else {
                    said.message.push(' ');
                }
                said.message.push_str(&text);
                said.message.chars().count() >= MAX_TEXT
            }
            More::Instead(text) => {
                said.message = text;
                true
            }
        };
        if is_over {
            draft.open = None;
        }
    }

    /// What is being read is whole.
    fn settle(&mut self) {
        let Some(Draft { diagnosis, test, .. }) = self.draft.take() else {
            return;
        };
        let is_first = self.reading.first.is_some_and(|(first, _)| first == diagnosis.line);
        let said = LogFinding {
            severity: match is_first {
                true => Severity::Error,
                false => diagnosis.said.severity,
            },
            tool: diagnosis.said.tool,
            message: diagnosis.said.message.chars().take(MAX_TEXT).collect(),
            place: diagnosis.place,
        };
        let key = Key {
            test: test.clone(),
            severity: said.severity,
            message: said.message.clone(),
            place: said.place.clone(),
        };
        let place = match self.known.get(&key) {
            Some(place) => {
                let known = &mut self.found[*place];
                known.count = known.count.saturating_add(1);
                if is_first {
                    known.log_line = Some(diagnosis.line);
                }
                *place
            }
            None => {
                let alike = self
                    .found
                    .iter()
                    .filter(|known| severity(known) == said.severity)
                    .count();
                if alike >= MOST_FINDINGS && !is_first {
                    self.unlisted = self.unlisted.saturating_add(1);
                    return;
                }
                self.known.insert(key, self.found.len());
                self.found.push(Finding {
                    test,
                    kind: FindingKind::Log(said),
                    declared: false,
                    log_line: Some(diagnosis.line),
                    count: 1,
                });
                self.found.len() - 1
            }
        };
        if is_first {
            self.first = Some(place);
        }
    }

    fn finish(mut self) -> Vec<Finding> {
        self.settle();
        let mut found = std::mem::take(&mut self.found);
        let first = match (self.first, self.reading.first) {
            (Some(place), _) => Some(found.remove(place)),
            // No pattern knows it: it was pointed at, or is the last line.
            (None, Some((line, text))) => Some(Finding {
                test: self.first_test.clone(),
                kind: FindingKind::Log(LogFinding {
                    severity: Severity::Error,
                    tool: "log".to_owned(),
                    message: text.trim().chars().take(MAX_TEXT).collect(),
                    place: None,
                }),
                declared: false,
                log_line: Some(line),
                count: 1,
            }),
            (None, None) => None,
        };
        if !self.reading.has_failed {
            found.iter_mut().for_each(lower);
        }
        // Those that are worse stay; the order is the log's.
        let room = MOST_FINDINGS - usize::from(first.is_some());
        if found.len() > room {
            let mut severities: Vec<Severity> = found.iter().map(severity).collect();
            severities.sort_unstable();
            let worst = severities[room - 1];
            let mut left = severities[..room].iter().filter(|severity| **severity == worst).count();
            let before = found.len();
            found.retain(|finding| match severity(finding).cmp(&worst) {
                std::cmp::Ordering::Less => true,
                std::cmp::Ordering::Equal if left > 0 => {
                    left -= 1;
                    true
                }
                _ => false,
            });
            self.unlisted = self.unlisted.saturating_add((before - found.len()) as u64);
        }
        let mut all: Vec<Finding> = first.into_iter().chain(found).collect();
        if self.unlisted > 0 {
            all.push(Finding {
                test: None,
                kind: FindingKind::Log(LogFinding {
                    severity: Severity::Note,
                    tool: "preflight".to_owned(),
                    message: format!("{} more findings of this log are not listed", self.unlisted),
                    place: None,
                }),
                declared: false,
                log_line: None,
                count: 1,
            });
        }
        all
    }
}

fn severity(finding: &Finding) -> Severity {
    match &finding.kind {
        FindingKind::Log(said) => said.severity,
        _ => Severity::Note,
    }
}

/// What failed nothing is no error.
fn lower(finding: &mut Finding) {
    if let FindingKind::Log(said) = &mut finding.kind {
        said.severity = said.severity.max(Severity::Warning);
    }
}

#[cfg(test)]
mod tests;
