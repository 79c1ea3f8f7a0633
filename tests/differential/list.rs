//! The packages that are compared, with what each is there for: data, in `packages.toml`.

use serde::Deserialize;

use crate::error::DifferentialError;

/// Where a source comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// The archive.
    #[default]
    Debian,
    /// `tests/fixtures`, where Debian has nothing small for a case.
    Fixture,
}

/// A source package to compare.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Package {
    /// The source's name.
    pub(crate) name: String,
    /// Where it comes from.
    #[serde(default)]
    pub(crate) origin: Origin,
    /// What of dep8 it has, in dep8's words.
    pub(crate) covers: Vec<String>,
    /// Why nobody can run it without a machine of its own; it is given to a chroot otherwise.
    #[serde(default)]
    pub(crate) machine: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    package: Vec<Package>,
}

/// Those of the file beside this one, in its order.
pub(crate) fn all() -> Result<Vec<Package>, DifferentialError> {
    let document: Document = toml::from_str(include_str!("packages.toml"))
        .map_err(|error| DifferentialError::malformed("packages.toml", error))?;
    Ok(document.package)
}

/// The packages of these names, in the list's order; all where none is named.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<Package>, DifferentialError> {
    let all = all()?;
    if let Some(unknown) = names
        .iter()
        .find(|name| all.iter().all(|package| package.name != **name))
    {
        let known: Vec<&str> = all.iter().map(|package| package.name.as_str()).collect();
        return Err(DifferentialError::malformed(
            "the choice of packages",
            format!("no package {unknown:?} in the list; it has {}", known.join(", ")),
        ));
    }
    let is_chosen = |package: &Package| names.is_empty() || names.contains(&package.name);
    Ok(all.into_iter().filter(is_chosen).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What Debian uses of dep8: together the packages have all of it.
    const WANTED: &[&str] = &[
        "Tests",
        "Test-Command",
        "several stanzas",
        "Tests-Directory",
        "test-name",
        "Architecture",
        "Depends: none",
        "@",
        "@builddeps@",
        "@recommends@",
        "alternatives",
        "versions",
        "allow-stderr",
        "breaks-testbed",
        "build-needed",
        "flaky",
        "hint-testsuite-triggers",
        "isolation-container",
        "isolation-machine",
        "needs-internet",
        "needs-reboot",
        "needs-root",
        "needs-sudo",
        "rw-build-tree",
        "skip-not-installable",
        "skippable",
        "superficial",
        "unknown restriction",
        "unknown field",
        "non-zero exit",
        "stderr",
        "badpkg",
        "no tests",
        "only superficial",
        "autodep8 perl",
        "autodep8 python",
        "autodep8 ruby",
        "autodep8 go",
        "autodep8 r",
        "autodep8 nodejs",
        "autodep8 dkms",
    ];

    #[test]
    fn together_they_have_all_that_debian_uses() {
        let packages = all().unwrap();
        let covered: BTreeSet<&str> = packages
            .iter()
            .flat_map(|package| &package.covers)
            .map(String::as_str)
            .collect();
        let missing: Vec<&&str> = WANTED.iter().filter(|word| !covered.contains(**word)).collect();
        assert!(missing.is_empty(), "no package has {missing:?}");
        let stray: Vec<&&str> = covered.iter().filter(|word| !WANTED.contains(word)).collect();
        assert!(stray.is_empty(), "nobody asks for {stray:?}");
        let real = packages
            .iter()
            .filter(|package| package.origin == Origin::Debian)
            .count();
        assert!(real >= 25, "{real} real packages");
    }

    #[test]
    fn each_is_there_once() {
        let packages = all().unwrap();
        let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names.len(), packages.len());
        assert!(packages.iter().all(|package| !package.covers.is_empty()));
    }

    #[test]
    fn packages_are_chosen_by_name() {
        let all = all().unwrap();
        let names = [all[3].name.clone(), all[1].name.clone()];
        let chosen: Vec<String> = chosen(&names)
            .unwrap()
            .into_iter()
            .map(|package| package.name)
            .collect();
        assert_eq!(chosen, [all[1].name.clone(), all[3].name.clone()]);
        let error = super::chosen(&["no-such".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("no-such") && error.contains(&all[0].name), "{error}");
    }
}
