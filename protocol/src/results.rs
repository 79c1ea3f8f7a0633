//! Results of tests that others have run, and the tickets that are made of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Moment, Series, TicketId};

/// Make a ticket of results that others have: it has ended, and shows their tests, log and files. All of it is taken, or
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultsImport {
    /// The absolute path of a folder or file, or a URL of the scheme http or https.
    pub place: String,
    /// The format's name; without it what is there tells.
    #[serde(default)]
    pub format: Option<String>,
    /// The source package; without it the results must tell.
    #[serde(default)]
    pub source: Option<String>,
    /// Its version.
    #[serde(default)]
    pub version: Option<String>,
    /// The series.
    #[serde(default)]
    pub series: Option<Series>,
    /// The ticket's title.
    #[serde(default)]
    pub title: Option<String>,
    /// Whose ticket it is; without it the daemon's user.
    #[serde(default)]
    pub owner: Option<String>,
}

/// The ticket that came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultsImported {
    /// Its number.
    pub ticket: TicketId,
    /// Where the results come from.
    pub origin: ResultsOrigin,
    /// The source package.
    pub source: String,
    /// Its version.
    pub version: String,
    /// The series.
    pub series: Series,
    /// How many tests there are.
    pub tests: u64,
    /// autopkgtest's exit code for them.
    pub exit_code: u8,
    /// What was not known or not taken, in words.
    pub warnings: Vec<String>,
}

/// The results that a ticket was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultsOrigin {
    /// The folder, file or URL.
    pub place: String,
    /// The format's name: `autopkgtest`, `debci`, `result-tar`, `log`, `subunit-v1`, `subunit`, `junit`.
    pub format: String,
    /// When they were imported.
    pub imported_at: Moment,
}
