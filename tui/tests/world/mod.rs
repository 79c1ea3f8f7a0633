//! The command line beside a stub daemon, in a folder of its own. What is asked and shown of it is each test's matter.

use std::process::Command;

use crate::stub::{Shared, Stub, fixtures};

/// A stub daemon and its folder.
pub(crate) struct World {
    /// Its home, in which commands run.
    pub(crate) folder: tempfile::TempDir,
    /// What it knows and was asked.
    pub(crate) state: Shared,
    _stub: Stub,
}

impl World {
    pub(crate) fn new() -> Self {
        // The socket's path must be short, whatever TMPDIR is.
        let folder = tempfile::Builder::new().prefix("pf").tempdir_in("/tmp").unwrap();
        let state = fixtures::world(&folder.path().join("logs"), fixtures::noon()).shared();
        let _stub = Stub::start(folder.path(), &state);
        Self { folder, state, _stub }
    }

    /// `preflight`, with these words.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_preflight"));
        command
            .env("PREFLIGHT_HOME", self.folder.path())
            // Nothing that a test starts may be a real daemon.
            .env("PREFLIGHT_DAEMON", "/nonexistent/preflightd")
            .env("LC_ALL", "C.UTF-8")
            .current_dir(self.folder.path())
            .args(arguments.split_whitespace());
        command
    }
}
