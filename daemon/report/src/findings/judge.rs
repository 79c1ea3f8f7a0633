//! Reads a log's lines one after another and says what each is, with what can only be known from the lines before it: the
//! folder that make is in, a traceback's frames, the file that is being patched, whether a tool's own log is being shown.
//! The table says what a single line is; which line wins and which are kept is for others.

use std::sync::LazyLock;

use preflight_core::{FilePlace, Severity};
use regex::Regex;

use super::first_error::JobKind;
use super::patterns::{Category, Follow, Match, Patterns, Rank};
use super::places::SourceFiles;

/// So many frames of a traceback are remembered; the innermost count.
const MOST_FRAMES: usize = 64;
/// So deep do makes call each other, at most.
const MOST_FOLDERS: usize = 64;

/// What a line is, and what it is about.
#[derive(Debug, Clone)]
pub(super) struct Diagnosis {
    /// The line of the log where it begins, counted from 1.
    pub(super) line: u64,
    /// That line.
    pub(super) text: String,
    pub(super) said: Match,
    pub(super) place: Option<FilePlace>,
    /// It is an exception that the one before it has led to, which counts no more.
    pub(super) follows_from_last: bool,
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

type Frame = (String, Option<u32>);

/// A message of a Go test, which stands before the line that says that the test has failed.
#[derive(Debug, Clone)]
struct GoLog {
    line: u64,
    text: String,
    file: String,
    at: Option<u32>,
    message: String,
}

/// The reader.
pub(super) struct Judge<'s> {
    job: JobKind,
    sources: &'s SourceFiles,
    traceback: Traceback,
    follows_from_last: bool,
    frames: Vec<Frame>,
    folders: Vec<String>,
    patched: Option<String>,
    go_log: Option<GoLog>,
    /// A tool's own log is being shown.
    is_dump: bool,
    /// An error was seen: what such a log says is no news.
    has_seen: bool,
}

struct Shapes {
    frame: Regex,
    pytest_frame: Regex,
    folder: Regex,
    patching: Regex,
    go_log: Regex,
}

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "constant patterns that every test of this room compiles"
    )]
    let shape = |pattern: &str| Regex::new(pattern).expect("a valid pattern");
    Shapes {
        frame: shape(r#"^\s*(?:E\s+)?File "([^"]+)", line (\d+)"#),
        pytest_frame: shape(r"^([^\s:]+\.py):(\d+): (?:in \S|\w*(?:Error|Exception|Failed|Exit)\b)"),
        folder: shape(r"^(?:g?make(?:\[\d+\])?|ninja): (Entering|Leaving) directory [`'](.+)'$"),
        patching: shape(r"^(?:checking|patching) file '?([^\s']+)'?"),
        go_log: shape(r"^\s+([^\s:]+\.go):(\d+): (.*)$"),
    }
});

impl<'s> Judge<'s> {
    pub(super) fn new(job: JobKind, sources: &'s SourceFiles) -> Self {
        Self {
            job,
            sources,
            traceback: Traceback::No,
            follows_from_last: false,
            frames: Vec::new(),
            folders: Vec::new(),
            patched: None,
            go_log: None,
            is_dump: false,
            has_seen: false,
        }
    }

    /// A place in a file that the line which was just read names.
    pub(super) fn place(&self, file: &str, line: Option<u32>, column: Option<u32>) -> Option<FilePlace> {
        let folder = self.folders.last().map(String::as_str);
        self.sources.place(file, line, column, folder)
    }

    /// Whether it is known which files the source has.
    pub(super) fn knows_source(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Reads the next line; empty ones need not come.
    pub(super) fn look(&mut self, number: u64, line: &str) -> Option<Diagnosis> {
        if self.is_shown_log(line) {
            return None;
        }
        self.learn_folder(line);
        if let Some(parts) = SHAPES.patching.captures(line) {
            self.patched = Some(parts[1].to_owned());
        }
        let found = self.judge(number, line);
        if let Some(found) = &found {
            self.has_seen |= matches!(found.said.rank, Rank::Cause | Rank::Test);
        }
        if found.is_none() {
            self.learn_go_log(number, line);
        }
        found
    }

    /// debhelper shows config.log and its like where a build system fails: what failed stands before it.
    fn is_shown_log(&mut self, line: &str) -> bool {
        if line.contains("tail -v -n ") {
            self.is_dump = true;
        } else if self.is_dump && line.starts_with("dh_auto_") && line.contains(": error: ") {
            self.is_dump = false;
        }
        self.is_dump && self.has_seen
    }

    fn learn_folder(&mut self, line: &str) {
        if !line.contains(" directory ") {
            return;
        }
        let Some(parts) = SHAPES.folder.captures(line) else {
            return;
        };
        let folder = &parts[2];
        if &parts[1] == "Leaving" {
            // Several makes run at once: it need not be the one that was entered last.
            if let Some(place) = self.folders.iter().rposition(|known| known == folder) {
                self.folders.remove(place);
            }
        } else if self.folders.len() < MOST_FOLDERS {
            self.folders.push(folder.to_owned());
        }
    }

    fn learn_go_log(&mut self, number: u64, line: &str) {
        if !line.starts_with([' ', '\t']) {
            self.go_log = None;
            return;
        }
        if self.go_log.is_none()
            && let Some(parts) = SHAPES.go_log.captures(line)
        {
            self.go_log = Some(GoLog {
                line: number,
                text: line.to_owned(),
                file: parts[1].to_owned(),
                at: parts[2].parse().ok(),
                message: parts[3].to_owned(),
            });
        }
    }

    fn remember(&mut self, file: &str, line: &str) {
        if self.frames.len() >= MOST_FRAMES {
            self.frames.remove(0);
        }
        self.frames.push((file.to_owned(), line.parse().ok()));
    }

    /// The innermost frame in the source, or the innermost where nothing is known of the source.
    fn innermost(&self) -> Option<FilePlace> {
        let mut places = self
            .frames
            .iter()
            .rev()
            .filter_map(|(file, line)| self.place(file, *line, None));
        match self.knows_source() {
            true => places.find(|place| place.in_source),
            false => places.next(),
        }
    }

    fn judge(&mut self, number: u64, line: &str) -> Option<Diagnosis> {
        let indent = line.len() - line.trim_start().len();
        let traceback = std::mem::replace(&mut self.traceback, Traceback::No);
        // Nothing but this, or the end of an exception's text that is a traceback itself.
        if line.ends_with("Traceback (most recent call last):") {
            self.traceback = Traceback::Body(indent);
            self.frames.clear();
            return None;
        }
        if let Some(parts) = SHAPES.frame.captures(line) {
            self.remember(&parts[1], &parts[2]);
        } else if let Some(parts) = SHAPES.pytest_frame.captures(line) {
            self.remember(&parts[1], &parts[2]);
        }
        match traceback {
            Traceback::Body(own) if indent > own => {
                self.traceback = traceback;
                return None;
            }
            Traceback::Body(_) => {
                self.traceback = Traceback::Ended;
                return Some(self.raised(number, line));
            }
            Traceback::Ended => self.follows_from_last = is_chain(line),
            Traceback::No => {}
        }
        // pytest's headings: another test's frames come.
        if line.starts_with("____") || line.starts_with("====") {
            self.frames.clear();
        }
        let said = Patterns::get().judge(line, self.job)?;
        Some(self.diagnosis(number, line, said))
    }

    /// The last line of a traceback.
    fn raised(&mut self, number: u64, line: &str) -> Diagnosis {
        let network = Patterns::get()
            .judge(line, self.job)
            .filter(|found| found.category == Category::Network);
        let said = Match {
            rank: Rank::Cause,
            category: network.map_or(Category::Exception, |found| found.category),
            severity: Severity::Error,
            follow: None,
            tool: "python".to_owned(),
            message: line.trim().to_owned(),
            is_whole_line: true,
            file: None,
            line: None,
            column: None,
        };
        Diagnosis {
            line: number,
            text: line.to_owned(),
            place: self.innermost(),
            said,
            follows_from_last: std::mem::take(&mut self.follows_from_last),
        }
    }

    fn diagnosis(&mut self, number: u64, line: &str, said: Match) -> Diagnosis {
        let place = match (&said.file, said.follow) {
            (Some(file), _) => self.place(file, said.line, said.column),
            (None, Some(Follow::Pytest)) => self.innermost(),
            (None, _) if said.line.is_some() => {
                let patched = self.patched.clone();
                patched.and_then(|file| self.place(&file, said.line, None))
            }
            (None, _) => None,
        };
        let told = Diagnosis {
            line: number,
            text: line.to_owned(),
            said,
            place,
            follows_from_last: false,
        };
        match self.go_log.take().filter(|_| told.said.follow == Some(Follow::GoLog)) {
            Some(log) => Diagnosis {
                line: log.line,
                place: self.place(&log.file, log.at, None),
                said: Match {
                    message: log.message,
                    ..told.said
                },
                text: log.text,
                ..told
            },
            None => told,
        }
    }
}

/// What Python prints between an exception and the one that it led to.
fn is_chain(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("During handling of the above exception")
        || line.starts_with("The above exception was the direct cause")
}
