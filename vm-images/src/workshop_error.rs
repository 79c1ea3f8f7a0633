//! Why images cannot be built, or a build failed, with what to install or do. Knows no more of the workshop.

/// Why a workshop cannot be entered, or its work failed.
#[derive(Debug, thiserror::Error)]
pub enum WorkshopError {
    /// A tool is not installed.
    #[error("`{tool}` is not installed; install the package `{package}`")]
    ToolMissing {
        /// The command.
        tool: &'static str,
        /// The package that brings it.
        package: &'static str,
    },
    /// The host does not let this user have namespaces of their own.
    #[error("images cannot be built by this user: {detail}; {hint}")]
    NoNamespace {
        /// What unshare(1) said.
        detail: String,
        /// What to install or do.
        hint: &'static str,
    },
    /// The work failed.
    #[error("building failed ({status}); the last lines were:\n{tail}")]
    Failed {
        /// How the script ended.
        status: std::process::ExitStatus,
        /// The last lines of the tools' output.
        tail: String,
    },
    /// It was cancelled, and all its processes are gone.
    #[error("building was cancelled")]
    Cancelled,
    /// The system failed us.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What it said.
        source: std::io::Error,
    },
}

pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> WorkshopError {
    let what = what.into();
    move |source| WorkshopError::System { what, source }
}
