//! The packages that an index lists, for people to see what a PPA brings.

use std::io::BufRead;
use std::path::Path;

use crate::index_text::{IndexText, bad, each_line, value};

/// Debian's largest index lists 65 000 packages.
const MOST_PACKAGES: usize = 500_000;
const LONGEST_VALUE: usize = 200;

/// A binary package that a PPA has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PpaPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// Its component; empty where the repository is flat.
    pub component: String,
}

/// All packages of the index in the file `object`; `path` tells its compression. Versions and names are shown only, so
/// they are bounded and not judged.
pub(crate) fn read(object: &Path, path: &str, component: &str) -> std::io::Result<Vec<PpaPackage>> {
    parse(IndexText::open(object, path)?.text, component)
}

fn parse(reader: impl BufRead, component: &str) -> std::io::Result<Vec<PpaPackage>> {
    let mut packages = Vec::new();
    let (mut name, mut version, mut architecture) = (None, None, None);
    each_line(reader, |line| {
        if line.is_empty() {
            if let (Some(name), Some(version)) = (name.take(), version.take()) {
                if packages.len() == MOST_PACKAGES {
                    return Err(bad("the index lists too many packages"));
                }
                packages.push(PpaPackage {
                    name,
                    version,
                    architecture: architecture.take().unwrap_or_default(),
                    component: component.to_owned(),
                });
            }
            (name, version, architecture) = (None, None, None);
        } else if let Some(text) = value(line, "Package") {
            name = Some(shown(text));
        } else if let Some(text) = value(line, "Version") {
            version = Some(shown(text));
        } else if let Some(text) = value(line, "Architecture") {
            architecture = Some(shown(text));
        }
        Ok(())
    })?;
    Ok(packages)
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_VALUE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_listed() {
        let text = "Package: a\nVersion: 1:2-3\nArchitecture: all\nDescription: x\n Version: no\n\nPackage: b\n\n\nPackage: c\nVersion: 1";
        let found = parse(text.as_bytes(), "main").unwrap();
        let shown: Vec<String> = found
            .iter()
            .map(|p| format!("{} {} {}", p.name, p.version, p.architecture))
            .collect();
        assert_eq!(shown, ["a 1:2-3 all", "c 1 "]);
        assert!(found.iter().all(|package| package.component == "main"));
    }
}
