//! Builds the packages' tests and asks them which targets they have. cargo says on standard error what it does.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::error::FuzzError;

/// A target: one test of one program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    /// The package.
    pub(crate) package: String,
    /// The test's name with its modules.
    pub(crate) name: String,
    /// The program that has it.
    pub(crate) program: PathBuf,
    /// The package's folder: tests run there.
    pub(crate) folder: PathBuf,
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.rsplit("::").next().unwrap_or_default();
        out.pad(&format!("{} {name}", self.package))
    }
}

/// All targets whose names hold `only`.
pub(crate) fn targets(root: &Path, packages: &BTreeSet<String>, only: &str) -> Result<Vec<Target>, FuzzError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(root)
        .args([
            "test",
            "--no-run",
            "--profile",
            "fuzz",
            "--all-features",
            "--message-format",
            "json-render-diagnostics",
        ])
        .args(packages.iter().flat_map(|package| ["--package", package.as_str()]))
        .stderr(Stdio::inherit())
        .output()
        .map_err(FuzzError::io("cargo"))?;
    if !built.status.success() {
        return Err(FuzzError::Build);
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let mut targets = Vec::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        if let Some((program, manifest)) = test_program(&message) {
            let folder = manifest.parent().map(Path::to_owned).unwrap_or_default();
            let package = folder.strip_prefix(root.canonicalize().unwrap_or_default());
            let package = package.map_or_else(
                |_| folder.display().to_string(),
                |package| package.display().to_string(),
            );
            for name in listed(&program)? {
                targets.push(Target {
                    package: package.clone(),
                    name,
                    program: program.clone(),
                    folder: folder.clone(),
                });
            }
        }
    }
    targets.retain(|target| target.to_string().contains(only));
    targets.sort();
    if targets.is_empty() {
        return Err(FuzzError::NoTarget(only.to_owned()));
    }
    Ok(targets)
}

/// The program and the manifest of a message that tells of a built test.
fn test_program(message: &Value) -> Option<(PathBuf, PathBuf)> {
    let is_test = message.pointer("/profile/test")?.as_bool()?;
    let program = message.get("executable")?.as_str().filter(|_| is_test)?;
    let manifest = message.get("manifest_path")?.as_str()?;
    Some((program.into(), manifest.into()))
}

fn listed(program: &Path) -> Result<Vec<String>, FuzzError> {
    let listed = Command::new(program)
        .args(["--list", "--format", "terse"])
        .output()
        .map_err(FuzzError::io(program.display().to_string()))?;
    let text = String::from_utf8_lossy(&listed.stdout);
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    let is_target = |name: &&str| name.rsplit("::").next().is_some_and(|name| name.starts_with("fuzz_"));
    Ok(names.filter(is_target).map(ToOwned::to_owned).collect())
}
