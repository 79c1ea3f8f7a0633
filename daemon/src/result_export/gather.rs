//! One ticket's runs of tests, from its rows and from the files that were recorded while they ran. What was recorded may be
//! missing: an older daemon wrote less, and a bundle need not have all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use preflight_core::{AttemptRecord, Job, JobId, JobKind, Ticket};
use preflight_dep8::name::TestName;
use preflight_dep8::outcome::TestStatus;
use preflight_report::run::{SourceRun, TestRun};
use preflight_report::summary::{self, SummaryLine};
use preflight_store::{RunFile, TestsFolder, TicketFolder};

/// More than any file has of which a line is read.
const LONGEST: u64 = 1 << 20;

/// Which runs of a ticket are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Of this source alone.
    pub(crate) source: Option<String>,
    /// Of this job, in place of the ticket's own.
    pub(crate) job: Option<JobId>,
}

impl Wanted {
    /// The jobs that ran what is wanted.
    pub(crate) fn jobs<'a>(&'a self, ticket: &'a Ticket) -> impl Iterator<Item = &'a Job> {
        ticket.jobs.iter().filter(move |job| {
            let is_wanted = match self.job {
                Some(id) => job.id == id,
                None => job.rerun.is_none(),
            };
            let is_of_source = self.source.is_none() || self.source == job.source;
            job.kind == JobKind::Test && is_wanted && is_of_source
        })
    }
}

/// The runs that are wanted, those that have been. `architecture` is that of testbeds on this host. Reads files.
pub(crate) fn gather(ticket: &Ticket, folder: &TicketFolder, wanted: &Wanted, architecture: &str) -> Vec<SourceRun> {
    let run = |job: &Job| {
        let subticket = ticket.subticket(job.subticket?)?;
        let attempt = job.newest()?;
        let recorded = folder.tests(job.rerun.as_ref().map(|_| job.id), &subticket.source);
        Some(source_run(
            ticket,
            job,
            attempt,
            (&subticket.source, &subticket.version),
            folder,
            &recorded,
            architecture,
        ))
    };
    wanted.jobs(ticket).filter_map(run).collect()
}

fn source_run(
    ticket: &Ticket,
    job: &Job,
    attempt: &AttemptRecord,
    (source, version): (&str, &str),
    folder: &TicketFolder,
    recorded: &TestsFolder,
    architecture: &str,
) -> SourceRun {
    let line = |file: RunFile| {
        let text = text(&recorded.file(file))?;
        text.lines().next().map(|line| line.trim().to_owned())
    };
    let began = Timestamp::from_microsecond(attempt.started_at.0).unwrap_or_default();
    let took = attempt
        .finished_at
        .unwrap_or(attempt.started_at)
        .since(attempt.started_at);
    let records: Vec<_> = ticket.tests.iter().filter(|record| record.job == job.id).collect();
    let rows = || {
        let lines: Vec<SummaryLine> = records.iter().map(|record| row(&record.result)).collect();
        summary::text(&lines)
    };
    let summary = text(&recorded.file(RunFile::Summary))
        .filter(|text| !text.is_empty())
        .unwrap_or_else(rows);
    let lines = summary::parse(&summary).unwrap_or_default();
    let tests = records
        .iter()
        .map(|record| test_run(&record.result, &lines, recorded))
        .collect();
    SourceRun {
        source: source.to_owned(),
        version: version.to_owned(),
        // A series is called DISTRIBUTION-SUITE.
        suite: ticket
            .series
            .as_str()
            .split_once('-')
            .map_or(ticket.series.as_str(), |(_, suite)| suite)
            .to_owned(),
        architecture: line(RunFile::Architecture).unwrap_or_else(|| architecture.to_owned()),
        began,
        duration: line(RunFile::Duration)
            .and_then(|line| line.parse().ok())
            .map_or(took, Duration::from_secs),
        exit_code: line(RunFile::Exitcode)
            .and_then(|line| line.parse().ok())
            .or(attempt.exit_code.map(|code| code.code()))
            .unwrap_or(20),
        trouble: lines.iter().find(|line| is_trouble(line)).map(ToString::to_string),
        tests,
        log: Some(folder.log(&attempt.log)).filter(|path| is_file(path)),
        files: [RunFile::Testinfo, RunFile::TestbedPackages]
            .map(|file| (file.name(), recorded.file(file)))
            .into_iter()
            .filter(|(_, path)| is_file(path))
            .collect(),
        triggers: ticket.options.tests.trigger_list(),
        summary,
    }
}

fn is_trouble(line: &SummaryLine) -> bool {
    matches!(
        line,
        SummaryLine::ErroneousPackage(_) | SummaryLine::TestbedFailure(_) | SummaryLine::Unexpected
    )
}

/// A result's status and reason in the reports' words.
fn status(result: &preflight_core::TestResult) -> (TestStatus, Option<String>) {
    use preflight_core::TestStatus as Core;
    let status = match (result.status, result.reason.as_deref()) {
        (Core::Pass, Some("superficial")) => return (TestStatus::PassSuperficial, None),
        (Core::Pass, _) => TestStatus::Pass,
        (Core::Fail, _) => TestStatus::Fail,
        (Core::Flaky, _) => TestStatus::Flaky,
        (Core::Skip, _) => TestStatus::Skip,
    };
    (status, result.reason.clone())
}

fn row(result: &preflight_core::TestResult) -> SummaryLine {
    let (status, reason) = status(result);
    SummaryLine::Result {
        name: result.name.clone(),
        status,
        reason,
    }
}

fn test_run(result: &preflight_core::TestResult, lines: &[SummaryLine], recorded: &TestsFolder) -> TestRun {
    let (status, reason) = status(result);
    let mut after = lines
        .iter()
        .skip_while(|line| !matches!(line, SummaryLine::Result { name, .. } if *name == result.name))
        .skip(1)
        .take_while(|line| !matches!(line, SummaryLine::Result { .. }) && !is_trouble(line));
    let detail = after.find_map(|line| match line {
        SummaryLine::BadPackage(detail) if status == TestStatus::Fail => Some(detail.clone()),
        _ => None,
    });
    // One that was skipped for its name has no folder.
    let folder = TestName::new(&result.name)
        .ok()
        .map(|name| recorded.test(name.as_str()));
    let with = |path: fn(&preflight_store::TestFolder) -> PathBuf| folder.as_ref().map(path);
    TestRun {
        name: result.name.clone(),
        status,
        reason,
        detail,
        began: with(preflight_store::TestFolder::began).and_then(|path| text(&path)?.trim().parse().ok()),
        duration: result.duration,
        stdout: with(preflight_store::TestFolder::stdout).filter(|path| has_content(path)),
        stderr: with(preflight_store::TestFolder::stderr).filter(|path| has_content(path)),
        packages: with(preflight_store::TestFolder::packages).filter(|path| is_file(path)),
        artifacts: with(preflight_store::TestFolder::artifacts).filter(|path| is_folder_with_files(path)),
    }
}

fn is_file(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

fn has_content(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0)
}

fn is_folder_with_files(path: &Path) -> bool {
    let is_folder = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    is_folder && std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
}

/// A small file of text.
fn text(path: &Path) -> Option<String> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return None;
    }
    let bytes = std::fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
