//! autopkgtest's output directory (its `--output-dir`), of what was recorded of a run: the same files, of the same formats.
//! Where it puts the artifacts of all tests into one folder, so does this; what collides is noted.

use std::io;
use std::path::Path;

use crate::packages;
use crate::run::SourceRun;
use crate::tree::{Entry, Tree};

/// The directory.
///
/// # Errors
/// A recorded file cannot be read.
pub fn tree(run: &SourceRun) -> io::Result<Tree> {
    let mut tree = Tree::default();
    if let Some(log) = &run.log {
        tree.add("log", Entry::File(log.clone()));
    }
    tree.add("summary", Entry::Text(run.summary.clone()));
    tree.add("testpkg-version", Entry::Text(testpkg_version(run)));
    for name in ["testinfo.json", "testbed-packages"] {
        if let Some(path) = run.file(name) {
            tree.add(name, Entry::File(path.clone()));
        }
    }
    let testbed = match run.file("testbed-packages") {
        Some(path) => std::fs::read_to_string(path)?,
        None => String::new(),
    };
    for test in &run.tests {
        if let Some(all) = &test.packages {
            let all = std::fs::read_to_string(all)?;
            own(
                &mut tree,
                format!("{}-packages", test.name),
                Entry::Text(packages::beside(&testbed, &all)),
            );
        }
        for (name, path) in test.outputs() {
            own(&mut tree, format!("{}-{name}", test.name), Entry::File(path.clone()));
        }
        if let Some(artifacts) = &test.artifacts {
            tree.merge(Path::new("artifacts"), artifacts, &format!("test {}", test.name))?;
        }
    }
    Ok(tree)
}

/// A test's own file. One test of an odd name may want the name of another file, which autopkgtest would let it have.
fn own(tree: &mut Tree, name: String, entry: Entry) {
    if tree.get(&name).is_some() {
        tree.notes.push(format!(
            "{name} of a test is left out: there is another file of that name"
        ));
    } else {
        tree.add(name, entry);
    }
}

/// `SOURCE VERSION`.
pub(crate) fn testpkg_version(run: &SourceRun) -> String {
    format!("{} {}\n", run.source, run.version)
}
