//! Source packages to compare: fetched from the archive, or made of a fixture; kept, so that all runners get the same.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use preflight_tests::fixture;

use crate::command;
use crate::error::DifferentialError;
use crate::list::{Origin, Package};

/// For indices and some hundred kilobytes.
const PATIENCE: Duration = Duration::from_secs(600);

/// A source package.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Its `.dsc`, the other files beside it.
    pub(crate) dsc: PathBuf,
    /// Its version.
    pub(crate) version: String,
}

impl Source {
    /// A package's source, below a folder. The archive is only asked for one that is not there, or where `anew` says so.
    pub(crate) fn of(package: &Package, folder: &Path, series: &str, anew: bool) -> Result<Self, DifferentialError> {
        let sources = folder.join("sources");
        std::fs::create_dir_all(&sources).map_err(DifferentialError::io(sources.display().to_string()))?;
        let dsc = match package.origin {
            Origin::Debian => match dsc_in(&sources.join(&package.name)) {
                Some(dsc) if !anew => dsc,
                _ => fetch(package, &sources, series)?,
            },
            Origin::Fixture => {
                // It may have changed since.
                let own = sources.join(format!("source-{}", package.name));
                match std::fs::remove_dir_all(&own) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(DifferentialError::io(own.display().to_string())(error));
                    }
                    _ => fixture::dsc(&package.name, &sources),
                }
            }
        };
        let text = std::fs::read_to_string(&dsc).map_err(DifferentialError::io(dsc.display().to_string()))?;
        let version = version(&text)
            .ok_or_else(|| DifferentialError::malformed(dsc.display().to_string(), "it names no version"))?;
        Ok(Self { dsc, version })
    }
}

fn fetch(package: &Package, sources: &Path, series: &str) -> Result<PathBuf, DifferentialError> {
    let mut command = Command::new(script("fetch-source"));
    command.arg(sources).arg(series).arg(&package.name);
    let log = sources.join(format!("{}.log", package.name));
    match command::output(command, &log, PATIENCE) {
        Ok(path) => Ok(PathBuf::from(path.trim())),
        Err(DifferentialError::Ended { .. } | DifferentialError::TimedOut { .. }) => Err(DifferentialError::NoSource {
            package: package.name.clone(),
            log,
        }),
        Err(error) => Err(error),
    }
}

/// A script that lies beside this file.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("differential").join(name)
}

fn dsc_in(folder: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    entries.find(|path| path.extension().is_some_and(|ending| ending == "dsc"))
}

/// The version that a `.dsc` names; it may be signed.
fn version(dsc: &str) -> Option<String> {
    let version = dsc.lines().find_map(|line| line.strip_prefix("Version:"))?.trim();
    (!version.is_empty()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_dsc_names_its_version() {
        let text = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nFormat: 3.0 (quilt)\nSource: hello\nVersion: 1:2.10-3\n";
        assert_eq!(version(text).as_deref(), Some("1:2.10-3"));
        assert_eq!(version("Source: hello\nVersion:\n"), None);
    }

    #[test]
    fn a_fixture_is_made_anew_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let packages = crate::list::all().unwrap();
        let package = packages
            .iter()
            .find(|package| package.origin == Origin::Fixture)
            .unwrap();
        let first = Source::of(package, folder.path(), "bookworm", false).unwrap();
        let second = Source::of(package, folder.path(), "bookworm", false).unwrap();
        assert!(second.dsc.is_file());
        assert_eq!((first.dsc, first.version), (second.dsc, second.version));
    }
}
