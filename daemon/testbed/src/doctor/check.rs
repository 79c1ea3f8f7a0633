//! One line of the doctor's report.

use serde::Serialize;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// Nothing to do.
    Ok,
    /// Preflight works, but not as well as it could.
    Warning,
    /// Preflight does not work without it.
    Missing,
}

/// What was looked at, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it went.
    pub state: CheckState,
    /// What was found.
    pub detail: String,
    /// What to do; a command where there is one.
    pub hint: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            state: CheckState::Ok,
            detail: detail.into(),
            hint: None,
        }
    }

    pub(super) fn warning(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            name,
            state: CheckState::Warning,
            detail: detail.into(),
            hint: Some(hint.into()),
        }
    }

    pub(super) fn missing(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            name,
            state: CheckState::Missing,
            detail: detail.into(),
            hint: Some(hint.into()),
        }
    }
}
