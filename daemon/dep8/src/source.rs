//! What `debian/control` says that tests need to know: the source's binary packages, its build dependencies and
//! recommendations, and whether it asks for generated tests.

use crate::stanza::{self, StanzaError};

/// A binary package of the source that test dependencies may name by `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinaryPackage {
    /// Its name.
    pub name: String,
    /// Words of its `Architecture` field.
    pub architectures: Vec<String>,
    /// `Pre-Depends` and `Depends` as far as they are known before a build: without what holds a substitution variable.
    pub depends: String,
    /// `Provides`, without what holds a substitution variable.
    pub provides: String,
}

/// The parts of `debian/control` that a plan needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceControl {
    /// The binary packages, without udebs and other package types.
    pub binaries: Vec<BinaryPackage>,
    /// `Build-Depends`, `-Arch` and `-Indep`, joined by commas.
    pub build_depends: String,
    /// `Recommends` of all binary packages, without what holds a substitution variable.
    pub recommends: String,
    /// The `Testsuite` field, which may ask for generated tests.
    pub testsuite: String,
}

impl SourceControl {
    /// Reads `debian/control`.
    ///
    /// # Errors
    /// When it is no deb822 file.
    pub fn parse(bytes: &[u8]) -> Result<Self, StanzaError> {
        let mut control = Self::default();
        for (position, stanza) in stanza::parse(bytes)?.iter().enumerate() {
            if position == 0 {
                let field = stanza.get("Testsuite").or_else(|| stanza.get("XS-Testsuite"));
                control.testsuite = field.unwrap_or_default().to_owned();
            }
            for field in ["Build-Depends", "Build-Depends-Indep", "Build-Depends-Arch"] {
                append(&mut control.build_depends, stanza.get(field).unwrap_or_default());
            }
            append(
                &mut control.recommends,
                &without_variables(stanza.get("Recommends").unwrap_or_default()),
            );
            let Some(name) = stanza.get("Package") else { continue };
            let other_type = |field| stanza.get(field).is_some_and(|kind| kind != "deb");
            if other_type("XC-Package-Type") || other_type("Package-Type") {
                continue;
            }
            let mut depends = String::new();
            for field in ["Pre-Depends", "Depends"] {
                append(&mut depends, &without_variables(stanza.get(field).unwrap_or_default()));
            }
            control.binaries.push(BinaryPackage {
                name: name.to_owned(),
                depends,
                provides: without_variables(stanza.get("Provides").unwrap_or_default()),
                architectures: stanza
                    .get("Architecture")
                    .unwrap_or("any")
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect(),
            });
        }
        Ok(control)
    }

    /// The first `Testsuite` that autodep8 would generate tests for.
    #[must_use]
    pub fn generated_testsuite(&self) -> Option<&str> {
        self.testsuite
            .split([',', ' ', '\t'])
            .find(|word| word.starts_with("autopkgtest-pkg-"))
    }
}

fn append(field: &mut String, more: &str) {
    if more.trim().is_empty() {
        return;
    }
    if !field.is_empty() {
        field.push_str(", ");
    }
    field.push_str(more.trim().trim_end_matches(','));
}

/// Binary stanzas of the source hold variables, which nobody has filled in here: an entry that is one goes, a version
/// that is one is dropped from its entry. As autopkgtest's `_filter_variables`.
fn without_variables(depends: &str) -> String {
    depends
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.starts_with("${"))
        .map(|entry| match (entry.find('('), entry.rfind(')')) {
            (Some(open), Some(close)) if open < close && entry[open..close].contains("${") => {
                format!("{}{}", &entry[..open], &entry[close + 1..])
            }
            _ => entry.to_owned(),
        })
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_tests_need() {
        let control = SourceControl::parse(
            b"Source: s\nBuild-Depends: debhelper-compat (= 13),\n libfoo-dev,\nBuild-Depends-Indep: docbook\nTestsuite: autopkgtest-pkg-perl\n\n\
              Package: a\nArchitecture: any\nPre-Depends: dpkg\nDepends: ${shlibs:Depends}, b (= ${binary:Version}), c\nProvides: ${p}, v (= 1)\nRecommends: ${misc:Recommends}, r (>= ${binary:Version}), q\n\n\
              Package: a-udeb\nPackage-Type: udeb\nArchitecture: any\n\n\
              Package: b\nArchitecture: amd64 arm64\n",
        )
        .unwrap();
        assert_eq!(control.build_depends, "debhelper-compat (= 13), libfoo-dev, docbook");
        assert_eq!(control.recommends, "r , q");
        assert_eq!(control.generated_testsuite(), Some("autopkgtest-pkg-perl"));
        let names: Vec<_> = control
            .binaries
            .iter()
            .map(|binary| (binary.name.as_str(), binary.architectures.len()))
            .collect();
        assert_eq!(names, [("a", 1), ("b", 2)]);
        assert_eq!(control.binaries[0].depends, "dpkg, b , c");
        assert_eq!(control.binaries[0].provides, "v (= 1)");
    }
}
