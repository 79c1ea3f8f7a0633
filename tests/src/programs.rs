//! Where the programs under test are. They are looked for, never built: cargo builds programs for the tests of their own
//! packages alone.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The variable that names the programs' folder, where it is not the tests' own `target/<profile>`.
pub const VARIABLE: &str = "PREFLIGHT_PROGRAMS";

/// The folder of `preflight`, `preflightd` and `preflight-keeper`.
///
/// # Panics
/// One of them, or the guest agent, is missing.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = match std::env::var_os(VARIABLE) {
            Some(named) => PathBuf::from(named),
            // target/<profile>/deps/<test>
            None => std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned(),
        };
        for name in [
            "preflight",
            "preflightd",
            "preflight-keeper",
            "../lib/preflight/guest-agent",
        ] {
            let program = folder.join(name);
            assert!(
                program.is_file(),
                "{} is missing: run `make test`, or once `make build`",
                program.display()
            );
        }
        folder
    })
}

/// One of the programs.
///
/// # Panics
/// As [`folder`].
#[must_use]
pub fn program(name: &str) -> PathBuf {
    folder().join(name)
}
