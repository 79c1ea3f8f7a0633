//! A run as debci's worker hands it to its collector: autopkgtest's output directory without the tests' own outputs, which the
//! log has, with the log gzipped, and with exit code, duration, worker and trigger, at `SUITE/ARCHITECTURE/PREFIX/SOURCE/RUN`.
//! Beside it is what debci then says of the run, `RUN.json`. After debci 3's `debci-test`, `debci-worker` and `Debci::Job`.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::output_directory;
use crate::run::SourceRun;
use crate::tree::{Entry, Tree};

/// What debci keeps of a log.
const LOG: u64 = 20 << 20;
/// The name of the host that ran it, which is nobody's matter.
const WORKER: &str = "preflight";

/// What debci says of a run.
#[derive(Debug, Serialize)]
struct Record<'a> {
    run_id: String,
    suite: &'a str,
    arch: &'a str,
    package: &'a str,
    version: &'a str,
    trigger: Option<&'a str>,
    status: &'static str,
    message: String,
    worker: &'static str,
    date: String,
    duration_seconds: u64,
    duration_human: String,
}

/// The layout.
///
/// # Errors
/// A recorded file cannot be read.
pub fn tree(run: &SourceRun) -> io::Result<Tree> {
    let mut files = output_directory::tree(run)?;
    let outputs: Vec<String> = run
        .tests
        .iter()
        .flat_map(|test| test.outputs().map(|(name, _)| format!("{}-{name}", test.name)))
        .collect();
    files.remove(outputs.iter().map(String::as_str).chain(["log"]));
    if let Some(log) = &run.log {
        files.add(
            "log.gz",
            Entry::Gzip {
                of: log.clone(),
                most: LOG,
                cut: format!(
                    "\n{CUT}\nWARNING: log file truncated at {} MB (before compression)\n\n{CUT}\n{}",
                    LOG >> 20,
                    run.summary
                ),
            },
        );
    }
    files.add("exitcode", Entry::Text(format!("{}\n", run.exit_code)));
    files.add("duration", Entry::Text(format!("{}\n", run.duration.as_secs())));
    files.add("worker", Entry::Text(format!("{WORKER}\n")));
    if let Some(triggers) = &run.triggers {
        files.add("trigger", Entry::Text(format!("{triggers}\n")));
    }
    let id = run.began.strftime("%Y%m%d_%H%M%S").to_string();
    let package: PathBuf = [&run.suite, &run.architecture, prefix(&run.source), &run.source]
        .iter()
        .collect();
    let mut tree = Tree::default();
    let record = serde_json::to_string_pretty(&record(run, &id)).map_err(io::Error::other)?;
    tree.add(package.join(format!("{id}.json")), Entry::Text(record));
    tree.graft(&package.join(Path::new(&id)), files);
    Ok(tree)
}

const CUT: &str = "----------------8<----------------8<----------------8<-----------------\n";

/// The first letter, and `lib` before it where the name begins so.
fn prefix(source: &str) -> &str {
    let letters = if source.starts_with("lib") { 4 } else { 1 };
    source.get(..letters).unwrap_or(source)
}

fn record<'a>(run: &'a SourceRun, id: &str) -> Record<'a> {
    let (status, message) = match run.exit_code {
        0 => ("pass", "All tests passed".to_owned()),
        2 => ("pass", "Tests passed, but at least one test skipped".to_owned()),
        4 => ("fail", "Tests failed".to_owned()),
        6 => ("fail", "Tests failed, and at least one test skipped".to_owned()),
        12 | 14 => ("fail", "Erroneous package".to_owned()),
        8 => ("neutral", "No tests in this package or all skipped".to_owned()),
        16 => (
            "tmpfail",
            "Could not run tests due to a temporary testbed failure".to_owned(),
        ),
        code => ("tmpfail", format!("Unexpected autopkgtest exit code {code}")),
    };
    let seconds = run.duration.as_secs();
    Record {
        run_id: id.to_owned(),
        suite: &run.suite,
        arch: &run.architecture,
        package: &run.source,
        version: &run.version,
        trigger: run.triggers.as_deref(),
        status,
        message,
        worker: WORKER,
        date: run.began.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        duration_seconds: seconds,
        duration_human: human(seconds),
    }
}

fn human(seconds: u64) -> String {
    let parts = [(seconds / 3600, "h"), (seconds % 3600 / 60, "m"), (seconds % 60, "s")];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if parts.is_empty() {
        "0s".to_owned()
    } else {
        parts.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_those_of_the_archive() {
        for (source, expected) in [("hello", "h"), ("libpng", "libp"), ("lib", "lib"), ("li", "l")] {
            assert_eq!(prefix(source), expected);
        }
    }

    #[test]
    fn durations_for_people() {
        for (seconds, text) in [(0, "0s"), (61, "1m 1s"), (3600, "1h"), (7325, "2h 2m 5s")] {
            assert_eq!(human(seconds), text);
        }
    }
}
