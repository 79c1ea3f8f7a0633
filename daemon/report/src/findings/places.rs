//! Where a log's file names lead: the source's own file, whatever folder a tool was in, or a copy of the source that a build
//! tool has made. Knows names only; whoever has the source hands them over.

use std::collections::HashMap;

use preflight_core::FilePlace;

/// So many names of a source are known; the largest sources have some 100,000 files.
const MOST_FILES: usize = 500_000;
/// The longest name that is looked at, in bytes.
const LONGEST_NAME: usize = 4096;

/// Folders of a system, whose files are no source's.
const SYSTEM: [&str; 10] = [
    "/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/", "/etc/", "/proc/", "/sys/", "/dev/", "/var/",
];

/// The names of a source's files.
#[derive(Debug, Default)]
pub struct SourceFiles {
    /// By their last part: names relative to the tree, in their order.
    by_last: HashMap<String, Vec<String>>,
    count: usize,
}

impl SourceFiles {
    /// Takes names that are relative to the tree. Of more than can be of use, the first.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let mut files = Self::default();
        for name in names {
            files.add(name);
        }
        files
    }

    fn add(&mut self, name: String) {
        if self.count >= MOST_FILES || name.is_empty() || name.len() > LONGEST_NAME {
            return;
        }
        let last = name.rsplit('/').next().unwrap_or(&name).to_owned();
        self.by_last.entry(last).or_default().push(name);
        self.count += 1;
    }

    /// Whether nothing is known of the source.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The source's file that a tool in `folder` calls `name`.
    #[must_use]
    pub fn find(&self, name: &str, folder: Option<&str>) -> Option<&str> {
        if name.len() > LONGEST_NAME || SYSTEM.iter().any(|system| name.starts_with(system)) {
            return None;
        }
        let said = parts(name);
        if said.is_empty() {
            return None;
        }
        let from_folder = folder
            .filter(|_| !name.starts_with('/'))
            .map(|folder| format!("{folder}/{name}"));
        let full = from_folder.as_deref().map_or_else(|| said.clone(), parts);
        let candidates = self.by_last.get(*full.last()?)?;
        let tails: Vec<(usize, usize, &str)> = candidates
            .iter()
            .map(|candidate| {
                let own: Vec<&str> = candidate.split('/').collect();
                let alike = own.iter().rev().zip(full.iter().rev());
                (
                    alike.take_while(|(one, other)| one == other).count(),
                    own.len(),
                    candidate.as_str(),
                )
            })
            .collect();
        // The whole name is the end of what the tool says: of several, the longest.
        let whole = tails.iter().filter(|(alike, length, _)| alike == length).max();
        if let Some((_, _, found)) = whole {
            return Some(found);
        }
        // What the tool says is the end of one name, or goes on with a copy of a folder of the source.
        let most = tails.iter().map(|(alike, ..)| *alike).max()?;
        let mut best = tails.iter().filter(|(alike, ..)| *alike == most);
        let (_, _, found) = best.next()?;
        (best.next().is_none() && (most >= 2 || said.len() == 1)).then_some(found)
    }

    /// A place as people see it.
    pub(super) fn place(
        &self,
        name: &str,
        line: Option<u32>,
        column: Option<u32>,
        folder: Option<&str>,
    ) -> Option<FilePlace> {
        let found = self.find(name, folder);
        // A name that is none: such as a line that begins with an URL.
        if found.is_none() && (name.contains("://") || name.len() > 512) {
            return None;
        }
        Some(FilePlace {
            file: found.unwrap_or(name).to_owned(),
            in_source: found.is_some(),
            line,
            column,
        })
    }
}

/// A name's parts, without those that lead nowhere.
fn parts(name: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    fn files() -> SourceFiles {
        SourceFiles::new(
            [
                "main.c",
                "src/main.c",
                "src/deep/util.c",
                "lib/util.c",
                "src/jinja2/__init__.py",
                "tests/__init__.py",
                "stack.go",
                "include/x/assert.h",
                "stdio.h",
            ]
            .map(str::to_owned),
        )
    }

    #[test]
    fn names_lead_to_files() {
        for (name, folder, expected) in [
            ("main.c", None, Some("main.c")),
            ("./main.c", Some("/build/tree"), Some("main.c")),
            ("main.c", Some("/build/tree/src"), Some("src/main.c")),
            ("/build/tree/src/main.c", None, Some("src/main.c")),
            ("/<<PKGBUILDDIR>>/src/main.c", None, Some("src/main.c")),
            (
                "../src/main.c",
                Some("/build/tree/obj-x86_64-linux-gnu"),
                Some("src/main.c"),
            ),
            ("../src/main.c", None, Some("src/main.c")),
            (
                "../../include/x/assert.h",
                Some("/build/tree/src/deep"),
                Some("include/x/assert.h"),
            ),
            (
                "src/github.com/pkg/errors/stack.go",
                Some("/build/tree/obj"),
                Some("stack.go"),
            ),
            (
                "/build/tree/.pybuild/cpython3_3.11/build/jinja2/__init__.py",
                None,
                Some("src/jinja2/__init__.py"),
            ),
            // Two are called so.
            ("util.c", None, None),
            ("util.c", Some("/build/tree/src/deep"), Some("src/deep/util.c")),
            ("assert.h", None, Some("include/x/assert.h")),
            // The system's, and what is nowhere.
            ("/usr/include/stdio.h", None, None),
            ("other.c", None, None),
            ("generated/assert.h", None, None),
            ("", None, None),
            ("..", Some("/"), None),
        ] {
            assert_eq!(files().find(name, folder), expected, "{name} in {folder:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_one_of_them(name in "[ab./]{0,12}", folder in proptest::option::of("[ab./]{0,12}")) {
            let files = SourceFiles::new(["a", "b/a", "a/b", "b/b/a"].map(str::to_owned));
            if let Some(found) = files.find(&name, folder.as_deref()) {
                prop_assert!(["a", "b/a", "a/b", "b/b/a"].contains(&found));
                prop_assert!(name.ends_with(found.rsplit('/').next().unwrap()) || name.contains('/'));
            }
        }

        #[test]
        fn a_files_own_name_leads_to_it(position in 0usize..9) {
            let files = files();
            let name = ["main.c", "src/main.c", "src/deep/util.c", "lib/util.c", "src/jinja2/__init__.py", "tests/__init__.py",
                "stack.go", "include/x/assert.h", "stdio.h"][position];
            let path = format!("/build/hello-2.10/{name}");
            prop_assert_eq!(files.find(&path, None), Some(name));
            prop_assert_eq!(files.find(name, Some("/build/hello-2.10")), Some(name));
        }
    }
}
