//! How a ticket's tests were run, as the file has it. Durations are microseconds. What a file does not say is as it was
//! before one could say it.

use serde::{Deserialize, Serialize};

/// How a ticket's tests were run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestOptions {
    /// What became of tests that want the internet.
    #[serde(default, skip_serializing_if = "InternetPolicy::is_default")]
    pub internet: InternetPolicy,
    /// After how long tests were to be ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeouts: Vec<TestTimeout>,
    /// What the run was about: `SOURCE/VERSION`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<String>,
    /// More variables for tests: `NAME=VALUE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// How often a test that had failed was run once more.
    #[serde(default)]
    pub rerun_failed: u32,
    /// Which tests were to be run without the change, too.
    #[serde(default, skip_serializing_if = "BaselinePolicy::is_default")]
    pub baseline: BaselinePolicy,
    /// Nothing was built: the tests ran against the packages that the archive had.
    #[serde(default)]
    pub no_build: bool,
}

/// Which tests are held against the same test without the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaselinePolicy {
    /// None.
    #[default]
    Never,
    /// Those that fail.
    Failed,
    /// All that are run.
    All,
}

impl BaselinePolicy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of tests that want the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InternetPolicy {
    /// They are skipped.
    #[default]
    Skip,
    /// They are run; one that ends with another status than 0 counts as skipped.
    Try,
    /// They are run like any other.
    Run,
}

/// After how long tests were to be ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestTimeout {
    /// Which: `SOURCE` or `SOURCE/TEST`.
    pub of: String,
    /// After how long.
    pub after_us: u64,
}

impl TestOptions {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl InternetPolicy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
