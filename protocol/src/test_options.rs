//! How a ticket's tests are run, beyond what their packages ask for: as it is asked for, and as the ticket has it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a ticket's tests are run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestOptions {
    /// What becomes of tests that want the internet; they are skipped where it is missing.
    #[serde(default)]
    pub internet: InternetPolicy,
    /// After how long tests are ended, where that is not as for all tests of the ticket. Of those that match a test, the one
    /// that names it goes before the one that names its source, the later before the earlier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeouts: Vec<TestTimeout>,
    /// What the run is about, as `SOURCE/VERSION`; told to tests as `ADT_TEST_TRIGGERS`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<String>,
    /// More variables for tests, as `NAME=VALUE`; later ones before earlier ones of the same name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// How often a test that has failed is run once more, to tell a flaky one.
    #[serde(default)]
    pub rerun_failed: u32,
    /// Which tests are run without the change, too, once they have been run with it.
    #[serde(default)]
    pub baseline: BaselinePolicy,
    /// Build nothing: run the tests against the packages that the archive has.
    #[serde(default)]
    pub no_build: bool,
}

/// Which tests are held against the same test without the change: on the base image, with what the archive has in the place
/// of the ticket's packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BaselinePolicy {
    /// None, unless somebody asks later.
    #[default]
    Never,
    /// Those that fail.
    Failed,
    /// All that are run.
    All,
}

/// What becomes of tests that want the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InternetPolicy {
    /// They are skipped: testbeds have no network.
    #[default]
    Skip,
    /// They are run; one that ends with another status than 0 counts as skipped.
    Try,
    /// They are run like any other.
    Run,
}

impl fmt::Display for InternetPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Skip => "skip",
            Self::Try => "try",
            Self::Run => "run",
        })
    }
}

/// After how long tests are ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestTimeout {
    /// Which: `SOURCE` or `SOURCE/TEST`.
    pub of: String,
    /// After how many seconds.
    pub after_s: u32,
}

impl TestOptions {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
