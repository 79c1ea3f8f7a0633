//! A run of tests as its results tell of it, whatever their format. What is missing in them stays missing.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use preflight_core::{ExitCode, TestStatus};

use crate::case::Case;
use crate::error::{ResultsError, no_more};
use crate::format::Format;
use crate::gather::{DOCUMENT, Material};
use crate::identity::{self, Identity};
use crate::limits::LARGEST_DOCUMENT;
use crate::{autopkgtest, compose, junit, outcome, subunit1, subunit2};

/// What stands for the testbed where results know only tests.
const TESTBED: &str = "testbed";

/// A file that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptFile {
    /// The test that it is of; none for one that is of the run.
    pub test: Option<String>,
    /// Its name with its folders, below the test's or the run's folder.
    pub name: String,
    /// Where it is now.
    pub path: PathBuf,
}

/// A run of tests.
#[derive(Debug)]
pub struct Run {
    /// The format that told of it.
    pub format: Format,
    /// Of what it was.
    pub identity: Identity,
    /// When it began.
    pub started: Option<Timestamp>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// autopkgtest's exit code for it.
    pub exit_code: ExitCode,
    /// Why it did not end well, in one line.
    pub reason: Option<String>,
    /// The tests.
    pub cases: Vec<Case>,
    /// The log: autopkgtest's own, or one in its form that was made of a document.
    pub log: PathBuf,
    /// Files beside it.
    pub files: Vec<KeptFile>,
    /// What was not taken, in words.
    pub left_out: Vec<String>,
}

impl Run {
    /// Takes the source's name from before its tests' names, as subunit streams of dep8 tests have it: `SOURCE-TEST`.
    pub fn without_source(&mut self) {
        let Some(source) = &self.identity.source else { return };
        if !matches!(self.format, Format::Subunit1 | Format::Subunit2) {
            return;
        }
        for case in &mut self.cases {
            let own = case
                .name
                .strip_prefix(source.as_str())
                .and_then(|rest| rest.strip_prefix('-'));
            if let Some(own) = own.filter(|name| !name.is_empty()) {
                case.name = own.to_owned();
            }
        }
        if self.exit_code != ExitCode::TESTBED {
            self.reason = reason(&self.cases);
        }
    }
}

/// Reads what was gathered. `place` is what the owner has named: its words may tell of package and release.
///
/// # Errors
/// It is damaged, not of its format, or there is too much of it.
pub fn read(material: Material, place: &str) -> Result<Run, ResultsError> {
    let mut run = match material.format {
        format if format.is_folder() => autopkgtest::read(&material)?,
        format => of_document(&material, format)?,
    };
    run.identity = run.identity.judged().or(identity::of_place(place));
    run.left_out = material.left_out;
    Ok(run)
}

fn of_document(material: &Material, format: Format) -> Result<Run, ResultsError> {
    let path = material.root.join(DOCUMENT);
    let bytes = whole(&path, LARGEST_DOCUMENT)?;
    let document = match format {
        Format::Subunit1 => subunit1::parse(&bytes)?,
        Format::Subunit2 => subunit2::parse(&bytes)?,
        _ => junit::parse(&bytes)?,
    };
    let Document {
        mut cases,
        started,
        duration,
        identity,
    } = document;
    if cases.is_empty() {
        return Err(ResultsError::damaged(format.key(), "there is no test in it"));
    }
    let log = material.free_path();
    compose::log(&log, started, &mut cases).map_err(|error| ResultsError::io(&log, error))?;
    // How a broken testbed is told of where there are only tests; it is none.
    let is_testbed = |case: &mut Case| case.name == TESTBED && case.status == TestStatus::Fail;
    let broken = cases.extract_if(.., is_testbed).last();
    let trouble = broken.map(|case| {
        (
            ExitCode::TESTBED,
            case.reason.unwrap_or_else(|| "testbed failure".to_owned()),
        )
    });
    let exit_code = outcome::exit_code(&cases, trouble.as_ref());
    Ok(Run {
        format,
        identity,
        started,
        duration,
        exit_code,
        reason: trouble.map(|(_, why)| why).or_else(|| reason(&cases)),
        cases,
        log,
        files: Vec::new(),
        left_out: Vec::new(),
    })
}

/// What a document says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// The tests, in order.
    pub cases: Vec<Case>,
    /// When the first one began.
    pub started: Option<Timestamp>,
    /// How long all took.
    pub duration: Option<Duration>,
    /// Of what they are, where Preflight wrote it.
    pub identity: Identity,
}

/// Why a run did not end well: its first failure.
pub(crate) fn reason(cases: &[Case]) -> Option<String> {
    let mut failed = cases.iter().filter(|case| case.status == TestStatus::Fail);
    let first = failed.next()?;
    Some(match &first.reason {
        Some(reason) => format!("{}: {reason}", first.name),
        None => format!("{} failed", first.name),
    })
}

/// A file of at most so many bytes.
pub(crate) fn whole(path: &Path, most: u64) -> Result<Vec<u8>, ResultsError> {
    let failed = |error| ResultsError::io(path, error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    no_more("bytes in one document", bytes.len() as u64, most)?;
    Ok(bytes)
}
