//! How two lists of packages differ: pure.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use preflight_debian::{Architecture, PackageName, Sha256Digest};

use super::generation::RepositoryPackage;

/// What became of a package that both lists have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionChange {
    /// Its version rose.
    Upgraded,
    /// Its version fell.
    Downgraded,
    /// Its version is the same, its file is not.
    Rebuilt,
}

/// How two lists of packages differ; each part sorted by name and architecture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackageChanges {
    /// What the second list alone has.
    pub added: Vec<RepositoryPackage>,
    /// What the first list alone has.
    pub removed: Vec<RepositoryPackage>,
    /// What both have, as it was and as it is.
    pub changed: Vec<(RepositoryPackage, RepositoryPackage)>,
    /// How many files both have.
    pub same: usize,
}

impl PackageChanges {
    /// How the second list differs from the first. Packages are the same by name and architecture; of several versions the
    /// highest are compared with one another.
    #[must_use]
    pub fn between(first: &[RepositoryPackage], second: &[RepositoryPackage]) -> Self {
        let (before, after) = (files(first), files(second));
        let kept: BTreeSet<Sha256Digest> = before.intersection(&after).copied().collect();
        let (mut before, mut after) = (grouped(first, &kept), grouped(second, &kept));
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
        let mut changes = Self {
            same: kept.len(),
            ..Self::default()
        };
        for key in keys {
            let mut old = before.remove(&key).unwrap_or_default();
            let mut new = after.remove(&key).unwrap_or_default();
            while !old.is_empty() && !new.is_empty() {
                let pair = old.pop().zip(new.pop());
                changes
                    .changed
                    .extend(pair.map(|(old, new)| (old.clone(), new.clone())));
            }
            changes.removed.extend(old.into_iter().cloned());
            changes.added.extend(new.into_iter().cloned());
        }
        changes
    }

    /// Whether both lists are of the same files.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl VersionChange {
    /// What became of a package.
    #[must_use]
    pub fn of(old: &RepositoryPackage, new: &RepositoryPackage) -> Self {
        match old.version.cmp(&new.version) {
            Ordering::Less => Self::Upgraded,
            Ordering::Greater => Self::Downgraded,
            Ordering::Equal => Self::Rebuilt,
        }
    }
}

fn files(packages: &[RepositoryPackage]) -> BTreeSet<Sha256Digest> {
    packages.iter().map(|package| package.sha256).collect()
}

type Groups<'a> = BTreeMap<(&'a PackageName, &'a Architecture), Vec<&'a RepositoryPackage>>;

/// By name and architecture, the highest version last.
fn grouped<'a>(packages: &'a [RepositoryPackage], without: &BTreeSet<Sha256Digest>) -> Groups<'a> {
    let mut groups = Groups::new();
    for package in packages.iter().filter(|package| !without.contains(&package.sha256)) {
        let key = (&package.name, &package.architecture);
        groups.entry(key).or_default().push(package);
    }
    for group in groups.values_mut() {
        group.sort_by(|one, other| one.version.cmp(&other.version));
    }
    groups
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    /// `NAME VERSION [CONTENT]`
    fn list(text: &str) -> Vec<RepositoryPackage> {
        let packages = text.split(',').filter(|words| !words.is_empty()).map(|words| {
            let mut parts = words.split(' ');
            RepositoryPackage {
                name: parts.next().unwrap().parse().unwrap(),
                version: parts.next().unwrap().parse().unwrap(),
                architecture: "all".parse().unwrap(),
                source: "source".parse().unwrap(),
                path: String::new(),
                size: 1,
                sha256: Sha256Digest::of(words.as_bytes()),
            }
        });
        packages.collect()
    }

    fn words(packages: &[RepositoryPackage]) -> String {
        let words: Vec<String> = packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
        words.join(",")
    }

    #[test]
    fn differences() {
        use VersionChange::{Downgraded, Rebuilt, Upgraded};
        for (first, second, removed, added, changed) in [
            ("aa 1,bb 1", "aa 1,bb 1", "", "", &[][..]),
            ("aa 1", "bb 1", "aa 1", "bb 1", &[]),
            ("aa 1.9", "aa 1.10", "", "", &[Upgraded]),
            ("aa 1", "aa 1~rc1", "", "", &[Downgraded]),
            ("aa 1 x", "aa 1 y", "", "", &[Rebuilt]),
            ("aa 1,aa 2", "aa 1,aa 3", "", "", &[Upgraded]),
            ("aa 1,aa 2", "aa 3", "aa 1", "", &[Upgraded]),
            ("", "aa 1,bb 1", "", "aa 1,bb 1", &[]),
        ] {
            let changes = PackageChanges::between(&list(first), &list(second));
            let kinds: Vec<VersionChange> = changes
                .changed
                .iter()
                .map(|(old, new)| VersionChange::of(old, new))
                .collect();
            assert_eq!(
                (words(&changes.removed), words(&changes.added), &kinds[..]),
                (removed.to_owned(), added.to_owned(), changed),
                "{first} → {second}"
            );
            assert_eq!(changes.is_empty(), first == second);
        }
    }

    proptest! {
        /// Nothing is forgotten and nothing told twice, and the way back is the same.
        #[test]
        fn every_file_is_told_of_once(first in "(,[ab]c [1-3] [xy]){0,6}", second in "(,[ab]c [1-3] [xy]){0,6}") {
            let (mut first, mut second) = (list(&first), list(&second));
            for list in [&mut first, &mut second] {
                list.sort_by_key(|package| package.sha256);
                list.dedup();
            }
            let forth = PackageChanges::between(&first, &second);
            let back = PackageChanges::between(&second, &first);
            prop_assert_eq!(forth.same + forth.removed.len() + forth.changed.len(), first.len());
            prop_assert_eq!(forth.same + forth.added.len() + forth.changed.len(), second.len());
            prop_assert_eq!((&forth.added, &forth.removed), (&back.removed, &back.added));
        }
    }
}
