//! Test results in the formats of others, written to where the client says.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{JobId, TicketId};

/// Write what came of a ticket's tests: all of them, once they have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultsExport {
    /// The ticket.
    pub ticket: TicketId,
    /// How.
    pub format: ResultFormat,
    /// Those of this source alone.
    #[serde(default)]
    pub source: Option<String>,
    /// Those of this test job, a rerun, say, in place of the ticket's own.
    #[serde(default)]
    pub job: Option<JobId>,
    /// The absolute path of the file, which is replaced, or of the folder, which must be missing or empty. What is written is
    /// there whole or not at all.
    pub output: PathBuf,
}

/// A format of test results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResultFormat {
    /// A file: the lines of autopkgtest's summary file, below `SOURCE:` where there are several sources.
    Summary,
    /// A folder: autopkgtest's output directory, or one a source in it.
    Autopkgtest,
    /// A folder: `SUITE/ARCHITECTURE/PREFIX/SOURCE/RUN` as debci's collector takes it.
    Debci,
    /// A file as Ubuntu's workers upload it, with `log.gz` and `artifacts.tar.gz` beside it; of one source.
    ResultTar,
    /// A file: subunit version 1.
    SubunitV1,
    /// A file: JUnit XML.
    Junit,
    /// A file: the text of Python's unittest.
    Pyunit,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultsExported {
    /// Where it is.
    pub output: PathBuf,
    /// The sources whose results it has.
    pub sources: Vec<String>,
    /// How many files were written.
    pub files: u64,
    /// How many bytes they have.
    pub size: u64,
    /// What the owner should know of it: of two tests' artifacts of one name, say, the later one's is there.
    pub notes: Vec<String>,
}
