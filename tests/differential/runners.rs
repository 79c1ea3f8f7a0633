//! How each runner is asked about a package. All get the same source, and none of them a network but for packages.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use preflight_protocol::result::TestStatus;
use preflight_tests::programs;
use serde::Deserialize;

use crate::answer::{Answer, Line, Runner, read_summary};
use crate::bed::{self, Bed, SERIES};
use crate::command::{self, Ended};
use crate::error::DifferentialError;
use crate::source::{Source, script};

/// For a package's tests under emulation.
const PATIENCE: Duration = Duration::from_secs(2 * 3600);
/// For a program's version.
const SHORT: Duration = Duration::from_secs(60);

/// Asks a runner about a package. Fails where its testbed has failed.
pub(crate) fn ask(bed: &Bed, runner: Runner, package: &str, source: &Source) -> Result<Answer, DifferentialError> {
    let answer = match runner {
        Runner::Unshare => {
            let chroot = bed.chroot()?;
            let server = ["unshare".as_ref(), "--tarball".as_ref(), chroot.as_os_str()];
            let mut command = Command::new(script("with-subuids"));
            command.arg("autopkgtest");
            let mut answer = autopkgtest(bed, command, runner, package, source, &server)?;
            answer.with = format!("{}, {}", upstream(bed)?, bed::name(chroot));
            answer
        }
        Runner::Server => {
            let image = bed.image()?;
            let mut command = Command::new("autopkgtest");
            command.env("PREFLIGHT_HOME", &bed.home);
            let server = ["preflight", SERIES].map(AsRef::as_ref);
            let mut answer = autopkgtest(bed, command, runner, package, source, &server)?;
            answer.with = format!("{}, {}", upstream(bed)?, bed::name(image));
            answer
        }
        Runner::Ours => ours(bed, package, source)?,
    };
    if answer.is_broken() {
        return Err(DifferentialError::Ended {
            command: format!("{runner}, {package}"),
            code: Some(answer.exit_code),
            log: bed.logs(package)?.join(format!("{runner}.log")),
        });
    }
    Ok(answer)
}

/// Debian's autopkgtest with a virtualisation server: the archive's binaries (`-B`), and no tests that need the internet, as
/// Preflight has it.
fn autopkgtest(
    bed: &Bed,
    mut command: Command,
    runner: Runner,
    package: &str,
    source: &Source,
    server: &[&std::ffi::OsStr],
) -> Result<Answer, DifferentialError> {
    let logs = bed.logs(package)?;
    let out = logs.join(runner.to_string());
    // It wants to make it itself.
    match std::fs::remove_dir_all(&out) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(DifferentialError::io(out.display().to_string())(error));
        }
        _ => {}
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(programs::folder().to_owned()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).map_err(|error| DifferentialError::malformed("PATH", error))?;
    command
        .args(["--no-built-binaries", "--needs-internet=skip", "--output-dir"])
        .args([&out, &source.dsc])
        .arg("--")
        .args(server)
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8");
    let ended = command::run(command, &logs.join(format!("{runner}.log")), None, PATIENCE)?;
    let summary = out.join("summary");
    let text = match std::fs::read_to_string(&summary) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(DifferentialError::io(summary.display().to_string())(error));
        }
        read => read.unwrap_or_default(),
    };
    Ok(answer(source, &ended, read_summary(&text)?))
}

/// Preflight itself.
fn ours(bed: &Bed, package: &str, source: &Source) -> Result<Answer, DifferentialError> {
    let image = bed.image()?;
    let logs = bed.logs(package)?;
    let dsc = source.dsc.display().to_string();
    // All tests to their end, as autopkgtest runs them. A fixture is not signed.
    let arguments = [
        "check",
        "--json",
        "--no-build",
        "--keep-going",
        "--keep-failed=never",
        "--signatures=ignore",
        "--series",
        SERIES,
        dsc.as_str(),
    ];
    let (log, out) = (logs.join("ours.log"), logs.join("ours.json"));
    let ended = command::run(bed.preflight(&arguments), &log, Some(&out), PATIENCE)?;
    let text = std::fs::read_to_string(&out).map_err(DifferentialError::io(out.display().to_string()))?;
    let report = if text.trim().is_empty() {
        Report::default()
    } else {
        read_report(&text)?
    };
    let mut answer = answer(source, &ended, report.lines());
    let version = command::output(bed.preflight(&["--version"]), &logs.join("version.log"), SHORT)?;
    answer.with = format!("{}, {}", version.trim(), bed::name(image));
    Ok(answer)
}

fn answer(source: &Source, ended: &Ended, lines: Vec<Line>) -> Answer {
    Answer {
        version: source.version.clone(),
        at: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M").to_string(),
        seconds: ended.took.as_secs(),
        with: String::new(),
        // What a signal has ended is broken like what failed for its own reasons.
        exit_code: ended.code.unwrap_or(20),
        lines,
    }
}

/// autopkgtest's version.
fn upstream(bed: &Bed) -> Result<String, DifferentialError> {
    let mut command = Command::new("dpkg-query");
    command.args(["-W", "-f", "autopkgtest ${Version}", "autopkgtest"]);
    command::output(command, &bed.folder.join("version.log"), SHORT)
}

/// What is needed of what `preflight check --json` prints.
#[derive(Debug, Default, Deserialize)]
struct Report {
    tests: Vec<Test>,
}

#[derive(Debug, Deserialize)]
struct Test {
    name: String,
    status: TestStatus,
    reason: Option<String>,
}

fn read_report(text: &str) -> Result<Report, DifferentialError> {
    serde_json::from_str(text).map_err(|error| DifferentialError::malformed("`preflight check --json`", error))
}

impl Report {
    fn lines(&self) -> Vec<Line> {
        let line = |test: &Test| Line {
            test: test.name.clone(),
            says: match (test.status, test.reason.as_deref()) {
                (status, None | Some("")) => status.to_string(),
                (TestStatus::Pass, Some(reason)) => {
                    format!("PASS ({})", reason.trim_start_matches('(').trim_end_matches(')'))
                }
                (status, Some(reason)) => format!("{status} {reason}"),
            },
        };
        self.tests.iter().map(line).collect()
    }
}

/// Whether what a runner needs is on this machine: its name where it is not.
pub(crate) fn missing(runner: Runner) -> Option<&'static str> {
    let wanted: &[&'static str] = match runner {
        Runner::Ours => &[],
        Runner::Server => &["autopkgtest"],
        Runner::Unshare => &["autopkgtest", "autopkgtest-virt-unshare", "mmdebstrap", "newuidmap"],
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &str| std::env::split_paths(&path).any(|folder| Path::new(&folder).join(name).is_file());
    wanted.iter().copied().find(|name| !is_there(name))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn our_report_and_a_summary_say_the_same() {
        let report = r#"{"ticket": 3, "exit_code": 6, "tests": [
            {"source": "p", "name": "smoke", "status": "PASS", "reason": "superficial", "duration_s": 0.1},
            {"source": "p", "name": "old", "status": "PASS", "reason": "(superficial)", "duration_s": 0.1},
            {"source": "p", "name": "plain", "status": "PASS", "reason": null, "duration_s": 0.1},
            {"source": "p", "name": "bad", "status": "FAIL", "reason": "non-zero exit status 1", "duration_s": 0.1},
            {"source": "p", "name": "odd", "status": "FLAKY", "reason": "stderr: (a) b", "duration_s": 0.1},
            {"source": "p", "name": "no", "status": "SKIP", "reason": "unknown restriction x", "duration_s": 0}]}"#;
        let summary = "smoke                PASS (superficial)\nold                  PASS (superficial)\nplain                PASS\n\
                       bad                  FAIL non-zero exit status 1\nodd                  FLAKY stderr: (a) b\n\
                       no                   SKIP unknown restriction x\n";
        assert_eq!(read_report(report).unwrap().lines(), read_summary(summary).unwrap());
        assert!(read_report("[]").is_err());
    }
}
