//! autopkgtest's output directory, which debci and Ubuntu keep in wrappings of their own: `summary` says what came of the
//! tests, `log` where they are in it and how long they ran, other files of which package they are.
//! Layout: autopkgtest(1), `--output-dir`; debci adds `exitcode` and `duration`.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use preflight_core::ExitCode;
use preflight_report::summary::SummaryLine;
use serde::Deserialize;

use crate::case::{Attachment, Case, one_line, seconds};
use crate::compose;
use crate::error::ResultsError;
use crate::gather::{LOG, Material};
use crate::identity::{self, Identity};
use crate::limits::{LARGEST_DOCUMENT, LARGEST_NOTE, LONGEST_REASON};
use crate::log::{self, LogFacts, LoggedTest, summary_line};
use crate::name::{EntryName, is_file_name};
use crate::outcome::{self, Outcome};
use crate::run::{KeptFile, Run, reason, whole};

const SUMMARY: &str = "summary";
/// The files of a test, `NAME-KIND`.
const KINDS: [&str; 3] = ["stdout", "stderr", "packages"];
/// As much of a test's output goes into a log that has to be made.
const MOST_OUTPUT: u64 = 4 << 20;

/// What of `testinfo.json` is of use.
#[derive(Debug, Default, Deserialize)]
struct TestInfo {
    /// The virtualisation server and its arguments, which name the testbed.
    #[serde(default)]
    virt_server: String,
}

pub(crate) fn read(material: &Material) -> Result<Run, ResultsError> {
    let log = material.root.join(LOG);
    let has_log = has(material, LOG);
    let facts = if has_log {
        let file = File::open(&log).map_err(|error| ResultsError::io(&log, error))?;
        log::parse(file).map_err(|error| ResultsError::io(&log, error))?
    } else {
        LogFacts::default()
    };
    let outcome = self::outcome(material, &facts)?;
    let code = note(material, "exitcode")?.and_then(|text| text.trim().parse::<u8>().ok());
    let code = code.and_then(|code| ExitCode::try_from(code).ok());
    if outcome.cases.is_empty() && outcome.trouble.is_none() && code.is_none() {
        let why = "neither a summary, nor a result in a log, nor an exit code";
        return Err(ResultsError::damaged(material.format.key(), why));
    }
    let exit_code = code.unwrap_or_else(|| outcome::exit_code(&outcome.cases, outcome.trouble.as_ref()));
    let identity = self::identity(material, &facts)?;
    let duration = note(material, "duration")?
        .map(|text| seconds(&text))
        .filter(|duration| !duration.is_zero());
    let mut cases = placed(outcome.cases, &facts);
    let files = kept(material, &cases);
    let log = if has_log {
        log
    } else {
        composed(material, &files, &mut cases)?
    };
    let trouble = outcome.trouble.map(|(_, why)| one_line(&why, LONGEST_REASON));
    Ok(Run {
        format: material.format,
        identity,
        started: facts.started,
        duration,
        exit_code,
        reason: trouble.or_else(|| reason(&cases)),
        cases,
        log,
        files,
        left_out: Vec::new(),
    })
}

fn has(material: &Material, name: &str) -> bool {
    EntryName::new(name.as_bytes()).is_some_and(|name| material.files.contains(&name))
}

/// A small text file, if it is there.
fn note(material: &Material, name: &str) -> Result<Option<String>, ResultsError> {
    if !has(material, name) {
        return Ok(None);
    }
    let bytes = whole(&material.root.join(name), LARGEST_NOTE)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// `summary`, or else the log's own, or else the results in the log one by one.
fn outcome(material: &Material, facts: &LogFacts) -> Result<Outcome, ResultsError> {
    if has(material, SUMMARY) {
        let bytes = whole(&material.root.join(SUMMARY), LARGEST_DOCUMENT)?;
        let text = String::from_utf8_lossy(&bytes);
        // A line of a newer version that says something else costs no more than itself.
        let lines: Vec<SummaryLine> = text.lines().filter_map(summary_line).collect();
        return Ok(outcome::of_lines(&lines));
    }
    if facts.summary.is_empty() {
        return Ok(outcome::of_lines(&facts.results));
    }
    Ok(outcome::of_lines(&facts.summary))
}

fn identity(material: &Material, facts: &LogFacts) -> Result<Identity, ResultsError> {
    let package = note(material, "testpkg-version")?.map_or_else(Identity::default, |text| identity::of_package(&text));
    let info = note(material, "testinfo.json")?;
    let info: TestInfo = info
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let release = facts.release.as_deref().and_then(identity::series_of);
    let command = facts.command.as_deref();
    let of_log = Identity {
        source: facts.source.clone(),
        version: facts.version.clone(),
        series: release
            .or_else(|| identity::series_within(&info.virt_server))
            .or_else(|| command.and_then(identity::series_within)),
        architecture: facts.architecture.clone(),
    };
    Ok(package.judged().or(of_log))
}

/// The tests with what the log knows of them; of those that it tells of twice, the last time counts.
fn placed(cases: Vec<Case>, facts: &LogFacts) -> Vec<Case> {
    let logged: HashMap<&str, &LoggedTest> = facts.tests.iter().map(|test| (test.name.as_str(), test)).collect();
    let place = |case: Case| {
        let logged = logged.get(case.name.as_str());
        Case {
            duration: logged.and_then(|test| test.duration).unwrap_or(Duration::ZERO),
            log_line: logged.map(|test| test.line),
            ..case
        }
    };
    cases.into_iter().map(place).collect()
}

/// All files but the log: those of a test are told by their names.
fn kept(material: &Material, cases: &[Case]) -> Vec<KeptFile> {
    let names = cases.iter().filter(|case| is_file_name(&case.name));
    let of_tests: HashMap<String, (&str, &str)> = names
        .flat_map(|case| KINDS.map(|kind| (format!("{}-{kind}", case.name), (case.name.as_str(), kind))))
        .collect();
    let files = material.files.iter().filter(|name| name.as_str() != LOG);
    let keep = |name: &EntryName| {
        let (test, kept) = match of_tests.get(name.as_str()) {
            Some((test, kind)) => (Some((*test).to_owned()), *kind),
            None => (None, name.as_str()),
        };
        KeptFile {
            test,
            name: kept.to_owned(),
            path: material.root.join(name.as_str()),
        }
    };
    files.map(keep).collect()
}

/// A log of what the tests have written.
fn composed(material: &Material, files: &[KeptFile], cases: &mut [Case]) -> Result<PathBuf, ResultsError> {
    let mut with_output = cases.to_vec();
    let mut left = LARGEST_DOCUMENT;
    let mut of_tests: HashMap<&str, Vec<&KeptFile>> = HashMap::new();
    for file in files.iter().filter(|file| file.name != "packages") {
        of_tests
            .entry(file.test.as_deref().unwrap_or_default())
            .or_default()
            .push(file);
    }
    for case in &mut with_output {
        for file in of_tests.remove(case.name.as_str()).unwrap_or_default() {
            let content = beginning(&file.path, left.min(MOST_OUTPUT))?;
            left -= content.len() as u64;
            case.attachments.push(Attachment {
                name: file.name.clone(),
                content,
            });
        }
    }
    let log = material.free_path();
    compose::log(&log, None, &mut with_output).map_err(|error| ResultsError::io(&log, error))?;
    for (case, written) in cases.iter_mut().zip(with_output) {
        case.log_line = written.log_line;
    }
    Ok(log)
}

fn beginning(path: &Path, most: u64) -> Result<Vec<u8>, ResultsError> {
    let failed = |error| ResultsError::io(path, error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
