//! `debian/control` of an unpacked source (deb-src-control(5)): the source stanza and its binary packages, as far as
//! intake and the order of builds need them. Substitution variables stay unexpanded.

use std::path::Path;

use crate::error::{Error, Place, Problem};
use crate::input::Document;
use crate::name::{Architecture, PackageName, SourceName};
use crate::order::Buildable;
use crate::relation::{Dependency, dependencies};

pub(crate) const BUILD_DEPENDS: [&str; 3] = ["Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep"];

/// Texlive and the kernel stay under it.
const MOST_BINARIES: usize = 4096;

/// What `debian/control` says.
#[derive(Debug, Clone)]
pub struct Control {
    /// `Source`.
    pub source: SourceName,
    /// `Build-Depends`.
    pub build_depends: Vec<Dependency>,
    /// `Build-Depends-Arch`.
    pub build_depends_arch: Vec<Dependency>,
    /// `Build-Depends-Indep`.
    pub build_depends_indep: Vec<Dependency>,
    /// `Testsuite`, split at commas.
    pub testsuite: Vec<String>,
    /// The binary packages.
    pub binaries: Vec<BinaryStanza>,
}

/// A binary package as the source announces it.
#[derive(Debug, Clone)]
pub struct BinaryStanza {
    /// `Package`.
    pub name: PackageName,
    /// `Architecture`, with wildcards.
    pub architectures: Vec<Architecture>,
    /// The names in `Provides`, without those that hold substitution variables.
    pub provides: Vec<PackageName>,
    /// `Package-Type: udeb` and the like; none for an ordinary package.
    pub package_type: Option<String>,
}

impl Control {
    /// Parses the text of a `debian/control`; `path` is for messages.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let document = Document::parse(path, text)?;
        if document.stanzas.is_empty() {
            return Err(Error::new(
                Place::file(path),
                Problem::Malformed("it is empty".to_owned()),
            ));
        }
        if document.stanzas.len() > MOST_BINARIES {
            return Err(Error::new(Place::file(path), Problem::TooMany { limit: MOST_BINARIES }));
        }
        let source = document.parsed(0, "Source")?;
        let binaries: Vec<BinaryStanza> = (1..document.stanzas.len())
            .map(|stanza| binary(&document, stanza))
            .collect::<Result<_, _>>()?;
        if binaries.is_empty() {
            let problem = Problem::Malformed("it has no binary package's stanza".to_owned());
            return Err(Error::new(Place::file(path), problem));
        }
        let testsuite = document.field(0, "Testsuite").unwrap_or_default();
        Ok(Self {
            source,
            build_depends: relation_fields(&document, 0, &BUILD_DEPENDS[..1])?,
            build_depends_arch: relation_fields(&document, 0, &BUILD_DEPENDS[1..2])?,
            build_depends_indep: relation_fields(&document, 0, &BUILD_DEPENDS[2..])?,
            testsuite: testsuite
                .split(',')
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
                .collect(),
            binaries,
        })
    }

    /// What the order of builds is made from.
    #[must_use]
    pub fn buildable(&self) -> Buildable {
        Buildable {
            source: self.source.clone(),
            produces: self
                .binaries
                .iter()
                .flat_map(|b| std::iter::once(&b.name).chain(&b.provides))
                .cloned()
                .collect(),
            build_depends: [&self.build_depends, &self.build_depends_arch, &self.build_depends_indep]
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
        }
    }
}

fn binary(document: &Document<'_>, stanza: usize) -> Result<BinaryStanza, Error> {
    let mut architectures = Vec::new();
    for word in document.required(stanza, "Architecture")?.split_ascii_whitespace() {
        // A negation (`!hurd-any`) is no place to build for.
        if !word.starts_with('!') {
            architectures.push(word.parse().map_err(|error: crate::NameError| {
                document.error(stanza, "Architecture", Problem::Malformed(error.to_string()))
            })?);
        }
    }
    let provides = document.field(stanza, "Provides").unwrap_or_default();
    Ok(BinaryStanza {
        name: document.parsed(stanza, "Package")?,
        architectures,
        // Names only: their versions may hold variables, which no parser of relations takes.
        provides: provides
            .split(',')
            .filter_map(|entry| entry.trim().split([' ', '(', '\n', ':']).next()?.parse().ok())
            .collect(),
        package_type: document
            .field(stanza, "Package-Type")
            .or_else(|| document.field(stanza, "XC-Package-Type"))
            .map(str::to_owned),
    })
}

/// The dependencies of several relation fields of one stanza, one after the other.
pub(crate) fn relation_fields(
    document: &Document<'_>,
    stanza: usize,
    fields: &[&str],
) -> Result<Vec<Dependency>, Error> {
    let mut all = Vec::new();
    for field in fields {
        let value = document.field(stanza, field).unwrap_or_default();
        all.extend(dependencies(value).map_err(|reason| document.error(stanza, field, Problem::Malformed(reason)))?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# a comment\nSource: demo\nBuild-Depends: debhelper-compat (= 13),\n# why\n python3 <!nocheck>,\nBuild-Depends-Indep: pandoc\nTestsuite: autopkgtest-pkg-perl\n\nPackage: demo\nArchitecture: linux-any all\nDepends: ${misc:Depends}\nProvides: demo-api (= ${binary:Version}), ${x:Provides}, other\nDescription: d\n long\n .\n more\n \t\nPackage: demo-udeb\nArchitecture: any\nPackage-Type: udeb\n";

    #[test]
    fn source_and_binaries() {
        let control = Control::parse(Path::new("debian/control"), GOOD).unwrap();
        assert_eq!(control.source.as_str(), "demo");
        assert_eq!(control.build_depends.len(), 2);
        assert_eq!(control.build_depends_indep[0].alternatives[0].name.as_str(), "pandoc");
        assert_eq!(control.testsuite, ["autopkgtest-pkg-perl"]);
        let names: Vec<&str> = control.binaries.iter().map(|b| b.name.as_str()).collect();
        assert_eq!(names, ["demo", "demo-udeb"]);
        let provides: Vec<&str> = control.binaries[0].provides.iter().map(PackageName::as_str).collect();
        assert_eq!(provides, ["demo-api", "other"]);
        assert_eq!(control.binaries[1].package_type.as_deref(), Some("udeb"));
    }

    #[test]
    fn faults_name_line_and_field() {
        let table = [
            (
                "Source: demo\nMaintainer: x\n",
                "debian/control: it has no binary package's stanza",
            ),
            (
                "Source: Demo\n\nPackage: a1\nArchitecture: any\n",
                "debian/control:1, field Source: ",
            ),
            (
                "Source: demo\n\nPackage: a1\nArchitecture: all\n\nPackage: b1\nArchitecture: a_b\n",
                "debian/control:7, field Architecture: ",
            ),
            (
                "Source: demo\nBuild-Depends: a b\n\nPackage: a1\nArchitecture: all\n",
                "debian/control:2, field Build-Depends: ",
            ),
            (
                "Source: demo\nSource: demo\n",
                "debian/control:1, field source: the field occurs twice",
            ),
            ("Source: demo\nnonsense\n", "debian/control:2: not in deb822 form"),
        ];
        for (text, message) in table {
            let error = Control::parse(Path::new("debian/control"), text)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(message), "{error} should start with {message}");
        }
    }
}
