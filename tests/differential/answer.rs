//! What one runner said of one package's tests: the lines of its summary and its exit code. Knows nothing of how runners
//! are started, nor of what others said.

use std::fmt;

use preflight_report::summary::{self, SummaryLine};
use serde::{Deserialize, Serialize};

use crate::error::DifferentialError;

/// Who runs a package's tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Runner {
    /// autopkgtest with its own unshare server, in a chroot of the same packages as our image has
    Unshare,
    /// `preflight check --no-build`
    Ours,
    /// autopkgtest with our server, in our testbeds
    Server,
}

impl Runner {
    /// All, in the order in which a package is given to them: the cheap one first.
    pub(crate) const ALL: [Self; 3] = [Self::Unshare, Self::Ours, Self::Server];
}

impl fmt::Display for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unshare => "unshare",
            Self::Ours => "ours",
            Self::Server => "server",
        })
    }
}

/// One test's result.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The test; `*` is the whole package.
    pub(crate) test: String,
    /// Status and reason, as a summary has them after the test's name.
    pub(crate) says: String,
}

/// What a runner said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The source's version.
    pub(crate) version: String,
    /// When, in UTC.
    pub(crate) at: String,
    /// How long it took, in seconds.
    pub(crate) seconds: u64,
    /// The runner's version and what it ran on.
    pub(crate) with: String,
    /// autopkgtest's exit code.
    pub(crate) exit_code: i32,
    /// Its tests.
    pub(crate) lines: Vec<Line>,
}

impl Answer {
    /// Whether the testbed failed, or the runner: then nothing was said of the package.
    pub(crate) fn is_broken(&self) -> bool {
        !matches!(self.exit_code, 0 | 2 | 4 | 6 | 8 | 12 | 14)
    }
}

/// The results of a summary file. autopkgtest 5.28 writes those of unsupported tests twice, word by word: they count once.
pub(crate) fn read_summary(text: &str) -> Result<Vec<Line>, DifferentialError> {
    let read = summary::parse(text).map_err(|error| DifferentialError::malformed("a summary", error))?;
    let mut lines: Vec<Line> = Vec::new();
    for line in read {
        if !matches!(line, SummaryLine::Result { .. }) {
            continue;
        }
        // Written as it was read: the name, blanks, and what was said.
        let text = line.to_string();
        let (test, says) = text.split_once(' ').unwrap_or((&text, ""));
        let line = Line {
            test: test.to_owned(),
            says: says.trim_start().to_owned(),
        };
        if !(line.says.starts_with("SKIP") && lines.contains(&line)) {
            lines.push(line);
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn line(test: &str, says: &str) -> Line {
        Line {
            test: test.to_owned(),
            says: says.to_owned(),
        }
    }

    #[test]
    fn a_summary_is_read_as_autopkgtest_has_written_it() {
        let text = "lockfs               SKIP Test restriction \"isolation-machine\" requires testbed capability \"isolation-machine\"\n\
                    lockfs               SKIP Test restriction \"isolation-machine\" requires testbed capability \"isolation-machine\"\n\
                    command1             PASS (superficial)\n\
                    a-name-of-more-than-20-letters FAIL stderr: a:  b\n\
                    broken               FAIL badpkg\n\
                    blame: x\n\
                    badpkg: Test dependencies are unsatisfiable.\n";
        assert_eq!(
            read_summary(text).unwrap(),
            [
                line(
                    "lockfs",
                    "SKIP Test restriction \"isolation-machine\" requires testbed capability \"isolation-machine\""
                ),
                line("command1", "PASS (superficial)"),
                line("a-name-of-more-than-20-letters", "FAIL stderr: a:  b"),
                line("broken", "FAIL badpkg"),
            ]
        );
        assert!(read_summary("what is this?\n").is_err());
    }

    #[test]
    fn what_ran_twice_counts_twice() {
        let text = "same                 PASS\nsame                 PASS\n";
        assert_eq!(read_summary(text).unwrap().len(), 2);
    }
}
