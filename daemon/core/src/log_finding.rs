//! A line of a log that matters: what a tool said of a source, or of itself. Plain data with its words; how such lines are
//! found is the report room's matter.

use std::fmt;

use crate::text::{LONGEST_LINE, LONGEST_NAME, clean};

/// How bad a log's line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// What it says has failed, or has made something fail.
    Error,
    /// It may be wrong, and nothing failed by it.
    Warning,
    /// It is said beside others.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// A place in a file, as a log tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePlace {
    /// The file: relative to the source's tree where it is there, otherwise as the log names it.
    pub file: String,
    /// Whether the source has this file.
    pub in_source: bool,
    /// The line, as the tool counts it: nearly always from 1.
    pub line: Option<u32>,
    /// The column, as the tool counts it: most from 1, some (meson) from 0.
    pub column: Option<u32>,
}

impl fmt::Display for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}

/// A line of a log that matters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogFinding {
    /// How bad it is.
    pub severity: Severity,
    /// The tool that says it, such as `gcc` or `dh`.
    pub tool: String,
    /// What it says.
    pub message: String,
    /// What it is about, where the log says so.
    pub place: Option<FilePlace>,
}

impl LogFinding {
    /// The same, fit to be stored and shown.
    #[must_use]
    pub(crate) fn bounded(self) -> Self {
        Self {
            tool: clean(&self.tool, LONGEST_NAME),
            message: clean(&self.message, LONGEST_LINE),
            place: self.place.map(|place| FilePlace {
                file: clean(&place.file, LONGEST_LINE),
                ..place
            }),
            ..self
        }
    }
}

/// As compilers say it, so that editors can read it.
impl fmt::Display for LogFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}: {}", self.severity, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(place: Option<FilePlace>) -> LogFinding {
        LogFinding {
            severity: Severity::Error,
            tool: "gcc".to_owned(),
            message: "'x' undeclared".to_owned(),
            place,
        }
    }

    #[test]
    fn words() {
        let at = |line, column| FilePlace {
            file: "src/a.c".to_owned(),
            in_source: true,
            line,
            column,
        };
        for (place, expected) in [
            (None, "error: 'x' undeclared"),
            (Some(at(None, None)), "src/a.c: error: 'x' undeclared"),
            (Some(at(Some(3), None)), "src/a.c:3: error: 'x' undeclared"),
            (Some(at(Some(3), Some(0))), "src/a.c:3:0: error: 'x' undeclared"),
        ] {
            assert_eq!(finding(place).to_string(), expected);
        }
    }

    #[test]
    fn what_a_log_says_is_bounded() {
        let hostile = LogFinding {
            message: "\u{1b}[2J".repeat(10_000),
            tool: "x\n".repeat(10_000),
            place: Some(FilePlace {
                file: "a\u{202e}/".repeat(10_000),
                in_source: false,
                line: None,
                column: None,
            }),
            severity: Severity::Note,
        };
        let shown = hostile.bounded();
        assert!(shown.to_string().len() < 40_000 && shown.tool.len() < 2_000);
        assert!(!shown.to_string().contains(char::is_control));
    }
}
