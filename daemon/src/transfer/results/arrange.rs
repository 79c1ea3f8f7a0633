//! A run's files as those of a ticket: log and side file, the subunit stream, each test's own files. Names of theirs become
//! names of files only where they can be such as they stand.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use preflight_core::{Attempt, FirstError, ImportedTicket, Job, JobId, LogName, TestStatus, Ticket, TicketId};
use preflight_dep8::outcome::{Reason, TestResult as Dep8Result, TestStatus as Word};
use preflight_protocol::error::RpcError;
use preflight_report::findings::{self, Ending, JobKind};
use preflight_report::subunit::{Attachment, RouteCode, StreamWriter, TestId, WriteError};
use preflight_results::{Case, Run, is_file_name};
use preflight_store::{LogStream, LogWriter, TicketsFolder};

use super::super::desk::at;
use super::super::unpack::INCOMING;
use super::{WantedResults, refused, ticket};

/// Copied at once.
const CHUNK: usize = 256 << 10;
/// Files that come with a test, as attachments of its own in the stream.
const STREAMED: [(&str, Attachment); 2] = [("stdout", Attachment::Stdout), ("stderr", Attachment::Stderr)];
/// As much of a file goes into the stream.
const MOST_STREAMED: u64 = 16 << 20;

type Pay<'a> = &'a mut dyn FnMut(u64) -> io::Result<()>;

/// Puts all where a ticket has it, and says what ticket it is.
pub(super) fn arrange(
    wanted: &WantedResults,
    run: Run,
    staging: &Path,
    room: Pay<'_>,
) -> Result<ImportedTicket, RpcError> {
    let mut imported = ticket::of(wanted, &run).map_err(refused)?;
    let folder = Places::new(staging, &imported.ticket);
    let failed = |error: io::Error| at(staging, &error);
    copy_log(&run, &folder, room).map_err(failed)?;
    let left_out = keep_files(&run, &folder, room).map_err(failed)?;
    write_stream(&run, &imported.ticket, &folder, room).map_err(failed)?;
    let ticket = &mut imported.ticket;
    let error = first_error(&run, &folder).map_err(failed)?;
    for record in ticket.jobs.iter_mut().flat_map(|job| &mut job.attempts) {
        let is_bad = record.outcome.is_some_and(|outcome| !outcome.is_good());
        record.first_error = error.clone().filter(|_| is_bad);
    }
    ticket.warnings.extend(left_out);
    Ok(imported)
}

/// Where the files go.
struct Places {
    log: PathBuf,
    index: PathBuf,
    name: LogName,
    stream: PathBuf,
    tests: PathBuf,
    source: String,
}

impl Places {
    fn new(staging: &Path, ticket: &Ticket) -> Self {
        // The store's folder says how files are called; nothing is looked up in this one.
        let nowhere = TicketsFolder::below(Path::new("")).ticket(TicketId(0));
        let incoming = |path: PathBuf| {
            let relative = path.strip_prefix(nowhere.root()).map(Path::to_owned);
            staging.join(INCOMING).join(relative.unwrap_or(path))
        };
        let job = ticket.jobs.first();
        let name = job.map_or_else(|| LogName("1.log".to_owned()), |job: &Job| job.log_name(Attempt(1)));
        let source = ticket.subtickets.first().map(|subticket| subticket.source.clone());
        let source = source.unwrap_or_default();
        Self {
            log: incoming(nowhere.log(&name)),
            index: incoming(nowhere.index(&name)),
            stream: incoming(nowhere.result_stream(job.map_or(JobId(1), |job| job.id))),
            name,
            tests: staging.join("tests").join(&source),
            source,
        }
    }
}

fn copy_log(run: &Run, places: &Places, room: Pay<'_>) -> io::Result<()> {
    let mut from = File::open(&run.log)?;
    let mut writer = LogWriter::create(&places.log, &places.index)?;
    let started = run.started.unwrap_or(Timestamp::UNIX_EPOCH);
    let since = Duration::try_from(started.duration_since(Timestamp::UNIX_EPOCH)).unwrap_or_default();
    let mut buffer = vec![0; CHUNK];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                room(read as u64)?;
                writer.append_at(LogStream::Stdout, &buffer[..read], UNIX_EPOCH + since)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Moves files, and writes those that came within a document. Answers what has no place.
fn keep_files(run: &Run, places: &Places, room: Pay<'_>) -> io::Result<Vec<String>> {
    let mut left_out = Vec::new();
    for file in &run.files {
        let folder = match &file.test {
            Some(test) => places.tests.join(test),
            None => places.tests.clone(),
        };
        let target = folder.join(&file.name);
        let made = target.parent().map_or(Ok(()), std::fs::create_dir_all);
        // Within one file system; and nothing is replaced: a test may be called as a file of the run is.
        let moved = made.and_then(|()| match target.symlink_metadata() {
            Ok(_) => Err(io::Error::from(io::ErrorKind::AlreadyExists)),
            Err(_) => std::fs::rename(&file.path, &target),
        });
        if let Err(error) = moved {
            left_out.push(format!("{}: {error}", file.name));
        }
    }
    let mut seen = BTreeSet::new();
    for case in run.cases.iter().filter(|case| is_file_name(&case.name)) {
        if case.attachments.is_empty() || !seen.insert(&case.name) {
            continue;
        }
        let folder = places.tests.join(&case.name);
        std::fs::create_dir_all(&folder)?;
        for attachment in case
            .attachments
            .iter()
            .filter(|attachment| is_file_name(&attachment.name))
        {
            room(attachment.content.len() as u64)?;
            std::fs::write(folder.join(&attachment.name), &attachment.content)?;
        }
    }
    Ok(left_out)
}

/// The results as a stream, as those of our own tests have it.
fn write_stream(run: &Run, ticket: &Ticket, places: &Places, room: Pay<'_>) -> io::Result<()> {
    if let Some(folder) = places.stream.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = File::create_new(&places.stream)?;
    let architecture = run.identity.architecture.as_deref().unwrap_or("unknown");
    let route = RouteCode::new(ticket.id.0, ticket.series.as_str(), architecture);
    let mut stream = StreamWriter::new(file, route);
    let mut at = run.started.unwrap_or(Timestamp::UNIX_EPOCH).max(Timestamp::UNIX_EPOCH);
    for case in &run.cases {
        // What subunit cannot say is not said there.
        let name = case.name.replace('\0', " ");
        let id = TestId::new(&places.source, &name);
        stream.in_progress(&id, at).map_err(unsayable)?;
        for (file, attachment) in STREAMED {
            let content = content_of(case, file, &places.tests)?;
            if !content.is_empty() {
                room(content.len() as u64)?;
                stream.attach(&id, attachment, &content, at).map_err(unsayable)?;
            }
        }
        let later = jiff::SignedDuration::try_from(case.duration).ok();
        at = later.and_then(|later| at.checked_add(later).ok()).unwrap_or(at);
        stream.result(&id, &dep8_result(case, name), at).map_err(unsayable)?;
    }
    Ok(())
}

fn unsayable(error: WriteError) -> io::Error {
    io::Error::other(error)
}

fn content_of(case: &Case, name: &str, tests: &Path) -> io::Result<Vec<u8>> {
    if let Some(attachment) = case.attachments.iter().find(|attachment| attachment.name == name) {
        return Ok(attachment.content.clone());
    }
    if !is_file_name(&case.name) {
        return Ok(Vec::new());
    }
    let mut content = Vec::new();
    match File::open(tests.join(&case.name).join(name)) {
        Ok(file) => drop(file.take(MOST_STREAMED).read_to_end(&mut content)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(content)
}

fn dep8_result(case: &Case, name: String) -> Dep8Result {
    let is_superficial = case.reason.as_deref() == Some("superficial");
    let status = match case.status {
        TestStatus::Pass if is_superficial => Word::PassSuperficial,
        TestStatus::Pass => Word::Pass,
        TestStatus::Fail => Word::Fail,
        TestStatus::Skip => Word::Skip,
        TestStatus::Flaky => Word::Flaky,
    };
    let reason = case.reason.clone().filter(|_| status != Word::PassSuperficial);
    Dep8Result {
        name,
        status,
        // Their words, whatever they are.
        reason: reason.map(Reason::Unsupported),
        duration: case.duration,
        detail: None,
    }
}

/// The line of the log that says what went wrong.
fn first_error(run: &Run, places: &Places) -> io::Result<Option<FirstError>> {
    let failed = run.cases.iter().find(|case| case.status == TestStatus::Fail);
    let ending = match failed.and_then(|case| case.reason.as_deref()) {
        Some("timed out") => Ending::TimedOut,
        Some("badpkg") => Ending::NotInstalled,
        Some(reason) => match reason.strip_prefix("stderr: ") {
            Some(line) => Ending::Stderr(line),
            None => Ending::Failed,
        },
        None => Ending::Failed,
    };
    let log = BufReader::new(File::open(&places.log)?);
    let found = findings::first_error(log, JobKind::Test, ending)?;
    Ok(found.map(|found| FirstError {
        log: places.name.clone(),
        line: found.line,
        text: found.text,
    }))
}
