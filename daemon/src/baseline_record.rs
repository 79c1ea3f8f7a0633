//! What the baseline of a test has found, kept in the folder of the ticket that ran it and named by all that it depends on, so
//! that a later ticket with the same base and the same tests takes it. Imported tickets have none: what a stranger says of a
//! base is not believed. How a baseline is run is the pipeline's matter.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use preflight_core::{Attempt, ExitCode, JobId, LogName, TestResult, TestStatus, TicketId};
use preflight_protocol as wire;
use preflight_store::TicketFolder;
use serde::{Deserialize, Serialize};

/// Below a ticket's folder: a file a baseline, `JOB.KEY`.
const FOLDER: &str = "baselines";
/// The version of the file that this release writes and reads.
const FORMAT: u32 = 1;

/// What a baseline has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BaselineRecord {
    format: u32,
    /// The ticket and the job that have run it, and which run of the job.
    ticket: u64,
    job: u64,
    attempt: u32,
    /// Whether that is an earlier one than the one that has this record.
    is_taken: bool,
    /// The log's name.
    pub(crate) log: String,
    status: Status,
    reason: Option<String>,
    duration_us: u64,
    /// Where in the log the test's output begins.
    log_line: Option<u64>,
    /// autopkgtest's exit code of the job.
    exit_code: u8,
    /// Why the job ended so.
    pub(crate) ending_reason: Option<String>,
    /// The line of the log that says why, and what it says.
    pub(crate) first_error: Option<(u64, String)>,
    /// What was fetched, as the archive room writes it.
    pub(crate) lock: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pass,
    Fail,
    Skip,
    Flaky,
}

/// A baseline that was run to its end.
#[derive(Debug, Clone)]
pub(crate) struct Found<'a> {
    pub(crate) ticket: TicketId,
    pub(crate) job: JobId,
    pub(crate) attempt: Attempt,
    pub(crate) log: String,
    pub(crate) result: &'a TestResult,
    pub(crate) exit_code: ExitCode,
    pub(crate) ending_reason: Option<String>,
    pub(crate) first_error: Option<(u64, String)>,
    pub(crate) lock: String,
}

impl BaselineRecord {
    /// Of what was just found.
    pub(crate) fn new(found: Found<'_>) -> Self {
        let result = found.result;
        Self {
            format: FORMAT,
            ticket: found.ticket.0,
            job: found.job.0,
            attempt: found.attempt.0,
            is_taken: false,
            log: found.log,
            status: match result.status {
                TestStatus::Pass => Status::Pass,
                TestStatus::Fail => Status::Fail,
                TestStatus::Skip => Status::Skip,
                TestStatus::Flaky => Status::Flaky,
            },
            reason: result.reason.clone(),
            duration_us: u64::try_from(result.duration.as_micros()).unwrap_or(u64::MAX),
            log_line: result.log_line,
            exit_code: found.exit_code.code(),
            ending_reason: found.ending_reason,
            first_error: found.first_error,
            lock: found.lock,
        }
    }

    /// The same for a job that takes it.
    pub(crate) fn taken(&self) -> Self {
        Self {
            is_taken: true,
            ..self.clone()
        }
    }

    /// The test's result.
    pub(crate) fn result(&self, source: &str, name: &str) -> TestResult {
        TestResult {
            source: source.to_owned(),
            name: name.to_owned(),
            status: match self.status {
                Status::Pass => TestStatus::Pass,
                Status::Fail => TestStatus::Fail,
                Status::Skip => TestStatus::Skip,
                Status::Flaky => TestStatus::Flaky,
            },
            reason: self.reason.clone(),
            duration: Duration::from_micros(self.duration_us),
            log_line: self.log_line,
        }
    }

    /// How the job ended.
    pub(crate) fn exit_code(&self) -> Option<ExitCode> {
        ExitCode::try_from(self.exit_code).ok()
    }

    /// Who has run it.
    pub(crate) fn run(&self) -> (TicketId, JobId) {
        (TicketId(self.ticket), JobId(self.job))
    }

    /// The earlier run that it was taken from, where it was.
    pub(crate) fn taken_from(&self) -> Option<wire::verdict::TakenFrom> {
        self.is_taken.then_some(wire::verdict::TakenFrom {
            ticket: wire::ids::TicketId(self.ticket),
            job: wire::ids::JobId(self.job),
        })
    }

    /// Keeps it with its job, whole or not at all.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn write(&self, folder: &TicketFolder, job: JobId, key: &str) -> io::Result<()> {
        let parent = folder.root().join(FOLDER);
        fs::create_dir_all(&parent)?;
        let mut file = tempfile::NamedTempFile::new_in(&parent)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.persist(parent.join(format!("{job}.{key}")))?;
        Ok(())
    }

    /// What is kept with a job.
    pub(crate) fn read(folder: &TicketFolder, job: JobId) -> Option<Self> {
        let prefix = format!("{job}.");
        let is_it = |file: &PathBuf| {
            file.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
        };
        read(&files(folder.root()).find(is_it)?)
    }

    /// An earlier run of the key whose log is still there, in any of the tickets beside this one or in itself: the newest
    /// ticket's. Answers the ticket's folder with it.
    pub(crate) fn find(folder: &TicketFolder, key: &str) -> Option<(TicketFolder, Self)> {
        let tickets = folder.root().parent()?;
        let mut numbers: Vec<u64> = fs::read_dir(tickets)
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        let suffix = format!(".{key}");
        numbers.into_iter().find_map(|number| {
            let ticket = folder.beside(TicketId(number));
            let is_it = |file: &PathBuf| {
                file.file_name()
                    .is_some_and(|name| name.to_string_lossy().ends_with(&suffix))
            };
            let mut records = files(ticket.root()).filter(is_it).filter_map(|file| read(&file));
            // What was taken is where it was taken from, or gone.
            let found = records.find(|record| {
                let is_plain = Path::new(&record.log).components().count() == 1;
                !record.is_taken && is_plain && ticket.log(&LogName(record.log.clone())).is_file()
            });
            found.map(|found| (ticket, found))
        })
    }
}

fn files(ticket: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(ticket.join(FOLDER)).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

fn read(file: &Path) -> Option<BaselineRecord> {
    let record: BaselineRecord = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    (record.format == FORMAT).then_some(record)
}

#[cfg(test)]
mod tests {
    use preflight_store::TicketsFolder;

    use super::*;

    fn found(ticket: u64, job: u64) -> BaselineRecord {
        BaselineRecord::new(Found {
            ticket: TicketId(ticket),
            job: JobId(job),
            attempt: Attempt(1),
            log: format!("{job}-test-hello.1.log"),
            result: &TestResult {
                source: "hello".into(),
                name: "smoke".into(),
                status: TestStatus::Fail,
                reason: Some("non-zero exit status 1".into()),
                duration: Duration::from_millis(12),
                log_line: Some(7),
            },
            exit_code: ExitCode::FAILED,
            ending_reason: Some("smoke: non-zero exit status 1".into()),
            first_error: Some((9, "boom".into())),
            lock: "{}".into(),
        })
    }

    #[test]
    fn the_newest_tickets_is_found_as_long_as_its_log_is_there() {
        let state = tempfile::tempdir().unwrap();
        let tickets = TicketsFolder::below(state.path());
        let ticket = |number: u64| tickets.ticket(TicketId(number));
        for (number, job) in [(2, 20), (10, 100)] {
            ticket(number).create().unwrap();
            let record = found(number, job);
            fs::write(ticket(number).log(&LogName(record.log.clone())), "log").unwrap();
            record.write(&ticket(number), JobId(job), "key").unwrap();
        }
        ticket(11).create().unwrap();
        let run = |key: &str| BaselineRecord::find(&ticket(11), key).map(|(_, record)| record.run());
        assert_eq!(run("key"), Some((TicketId(10), JobId(100))));
        assert_eq!(run("other"), None);

        // What was taken is no run of its own.
        found(10, 100).taken().write(&ticket(11), JobId(110), "key").unwrap();
        let read = BaselineRecord::read(&ticket(11), JobId(110)).unwrap();
        let taken = read.taken_from().unwrap();
        assert_eq!((taken.ticket.0, taken.job.0), (10, 100));
        assert_eq!(read.result("hello", "smoke"), found(10, 100).result("hello", "smoke"));
        assert!(
            BaselineRecord::read(&ticket(11), JobId(11)).is_none(),
            "another job's name begins so"
        );

        fs::remove_dir_all(ticket(10).root()).unwrap();
        assert_eq!(run("key"), Some((TicketId(2), JobId(20))));
        fs::remove_dir_all(ticket(2).root().join("logs")).unwrap();
        assert_eq!(run("key"), None);
    }
}
