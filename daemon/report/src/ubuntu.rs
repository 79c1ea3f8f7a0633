//! A run as Ubuntu's autopkgtest workers upload it: `result.tar` with the little that machines need, `log.gz` to read, and
//! `artifacts.tar.gz` with all but the log. After autopkgtest-cloud's `worker` and its page on the result store.

use std::io;

use crate::output_directory;
use crate::run::SourceRun;
use crate::tree::{Entry, Tree};

/// What is in `result.tar`, in this order in the worker's; where it is there.
const RESULT: [&str; 6] = [
    "exitcode",
    "testbed-packages",
    "testpkg-version",
    "duration",
    "testinfo.json",
    "summary",
];

/// The three files.
///
/// # Errors
/// A recorded file cannot be read.
pub fn tree(run: &SourceRun) -> io::Result<Tree> {
    let mut files = output_directory::tree(run)?;
    files.remove(["log"]);
    files.add("exitcode", Entry::Text(format!("{}\n", run.exit_code)));
    files.add("duration", Entry::Text(format!("{}\n", run.duration.as_secs())));
    let mut result = Tree::default();
    for name in RESULT {
        if let Some(entry) = files.get(name) {
            result.add(name, entry.clone());
        }
    }
    let mut tree = Tree::default();
    tree.notes = std::mem::take(&mut files.notes);
    tree.add("result.tar", Entry::Tar(result));
    if let Some(log) = &run.log {
        tree.add(
            "log.gz",
            Entry::Gzip {
                of: log.clone(),
                most: u64::MAX,
                cut: String::new(),
            },
        );
    }
    tree.add("artifacts.tar.gz", Entry::TarGz(files));
    Ok(tree)
}
