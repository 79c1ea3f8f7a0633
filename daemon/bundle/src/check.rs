//! Whether a document holds together: it is bounded, its ticket has ended, its numbers name what is there, and every
//! file that it lists belongs to something. What passes can be stored without looking twice.

use std::collections::{BTreeMap, BTreeSet};

use preflight_debian::Sha256Digest;

use crate::document::{CarriedFile, Document, LockHead};
use crate::error::BundleError;
use crate::finding::Found;
use crate::name::{EntryName, Place};
use crate::ticket::{Attempt, FirstError, Job, Ticket};

/// The largest `preflight.json`, in bytes.
pub(crate) const LARGEST_DOCUMENT: u64 = 64 << 20;
/// As many of each kind of thing as a ticket can have here.
const MOST: u64 = 20_000;
/// As many findings as a ticket can have here.
const MOST_FINDINGS: u64 = 2_000;
/// As many lines of its logs as a ticket can have among them here.
const MOST_LOG_FINDINGS: u64 = 8_000;
/// As many fetches as a lock can have here.
const MOST_FETCHES: u64 = 100_000;
/// More files than any ticket has, with all that its locks name.
const MOST_FILES: u64 = 200_000;
/// More bytes than any disk that this is likely to meet; how much fits is the sink's to say.
const MOST_BYTES: u64 = 1 << 44;
/// The longest name or URL, in bytes.
const LONGEST_WORD: u64 = 4096;
/// The longest text that people write, in bytes.
const LONGEST_TEXT: u64 = 1 << 20;
/// The longest name of a release, in bytes.
const LONGEST_RELEASE: usize = 40;

type Result<T> = std::result::Result<T, BundleError>;

pub(crate) fn no_more(what: &'static str, found: u64, most: u64) -> Result<()> {
    if found <= most {
        Ok(())
    } else {
        Err(BundleError::TooLarge { what, found, most })
    }
}

fn bad<T>(why: impl Into<String>) -> Result<T> {
    Err(BundleError::Incoherent(why.into()))
}

fn ensure(is_so: bool, why: impl FnOnce() -> String) -> Result<()> {
    if is_so { Ok(()) } else { bad(why()) }
}

fn count<T>(what: &'static str, list: &[T], most: u64) -> Result<()> {
    no_more(what, list.len() as u64, most)
}

fn word(what: &'static str, text: &str) -> Result<()> {
    no_more(what, text.len() as u64, LONGEST_WORD)
}

/// A release's name, fit to be shown.
pub(crate) fn release(name: &str) -> Result<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".+~-".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_RELEASE || !name.bytes().all(plain) {
        return bad("its release has no name");
    }
    Ok(name)
}

/// Whether it holds together.
pub(crate) fn check(document: &Document) -> Result<()> {
    release(&document.release)?;
    word("bytes in a host's name", &document.origin.host)?;
    count("images", &document.images, MOST)?;
    count("archive states", &document.states, MOST)?;
    for image in &document.images {
        word("bytes in an image's name", &image.id)?;
    }
    let ticket = &document.ticket;
    texts(ticket)?;
    let jobs = jobs(ticket)?;
    made(ticket, &jobs)?;
    count("locks", &document.locks, MOST)?;
    let mut locked = BTreeSet::new();
    for lock in &document.locks {
        let has_run = jobs.get(&lock.job).is_some_and(|job| !job.attempts.is_empty());
        ensure(has_run && locked.insert(lock.job), || {
            format!("the lock of job {} is nobody's, or there twice", lock.job)
        })?;
        lock.head.as_ref().map_or(Ok(()), head)?;
        count("fetches of a job", &lock.entries, MOST_FETCHES)?;
        lock.entries
            .iter()
            .try_for_each(|entry| word("bytes in a URL", &entry.url))?;
    }
    files(document, &jobs)
}

fn head(head: &LockHead) -> Result<()> {
    word("bytes in an image's name", &head.base)?;
    word("bytes in an image's name", head.image.as_deref().unwrap_or_default())?;
    count("files of a source", &head.sources, MOST)?;
    head.sources
        .iter()
        .try_for_each(|file| word("bytes in a file's name", &file.name))
}

fn texts(ticket: &Ticket) -> Result<()> {
    no_more("bytes of title", ticket.title.len() as u64, LONGEST_TEXT)?;
    no_more("bytes of text", ticket.description.len() as u64, LONGEST_TEXT)?;
    word("bytes in a series' name", &ticket.series)?;
    word("bytes in an owner's name", &ticket.owner)?;
    if let Some(job) = ticket.options.replay_of.as_ref().and_then(|replay| replay.job.as_ref()) {
        word("bytes in a job's kind", &job.kind.0)?;
        word("bytes in a source's name", job.source.as_deref().unwrap_or_default())?;
    }
    count("packages", &ticket.options.add_packages, MOST)?;
    count("packages", &ticket.options.remove_packages, MOST)?;
    count("pockets", &ticket.options.sources.pockets, MOST)?;
    count("PPAs", &ticket.options.sources.ppas, MOST)?;
    count("repositories", &ticket.options.sources.repositories, MOST)?;
    for used in &ticket.options.sources.repositories {
        word("bytes in a link's name", used.link.as_deref().unwrap_or_default())?;
    }
    count("subtickets", &ticket.subtickets, MOST)?;
    count("jobs", &ticket.jobs, MOST)?;
    count("tests", &ticket.tests, MOST)?;
    let (of_logs, others): (Vec<_>, Vec<_>) = ticket
        .findings
        .iter()
        .partition(|finding| matches!(finding.found, Found::Log { .. }));
    count("findings", &others, MOST_FINDINGS)?;
    count("findings of logs", &of_logs, MOST_LOG_FINDINGS)?;
    count("artifacts", &ticket.artifacts, MOST)?;
    count("warnings", &ticket.warnings, MOST)
}

/// The jobs by number. Each stands after those that it needs, as numbers are given here.
fn jobs(ticket: &Ticket) -> Result<BTreeMap<u64, &Job>> {
    let mut subtickets = BTreeSet::new();
    let mut folders = BTreeSet::new();
    for subticket in &ticket.subtickets {
        let number = subticket.number;
        word("bytes in a source's name", &subticket.source)?;
        word("bytes in a version", &subticket.version)?;
        ensure(subtickets.insert(number), || {
            format!("subticket {number} is there twice")
        })?;
        let staged = &subticket.staged;
        let is_folder = staged.place() == Place::Sources && !staged.rest().contains('/');
        ensure(is_folder && folders.insert(staged), || {
            format!("{staged} is not the folder of subticket {number} alone")
        })?;
    }
    let mut jobs: BTreeMap<u64, &Job> = BTreeMap::new();
    let mut logs = BTreeSet::new();
    let mut attempts = 0;
    for job in &ticket.jobs {
        let number = job.number;
        word("bytes in a job's kind", &job.kind.0)?;
        if let Some((last, _)) = jobs.last_key_value() {
            ensure(*last < number, || format!("job {number} is not after job {last}"))?;
        }
        ensure(
            job.subticket.is_none_or(|subticket| subtickets.contains(&subticket)),
            || format!("job {number} is of a subticket that is not there"),
        )?;
        count("needs of a job", &job.needs, MOST)?;
        ensure(job.needs.iter().all(|need| jobs.contains_key(need)), || {
            format!("job {number} needs one that does not come before it")
        })?;
        attempts += job.attempts.len() as u64;
        no_more("attempts", attempts, MOST)?;
        let mut last = 0;
        for attempt in &job.attempts {
            ensure(attempt.number > last, || {
                format!("the attempts of job {number} are in disorder")
            })?;
            last = attempt.number;
            log(attempt, &mut logs)?;
        }
        jobs.insert(number, job);
    }
    let errors = ticket
        .jobs
        .iter()
        .flat_map(|job| &job.attempts)
        .filter_map(|attempt| attempt.first_error.as_ref());
    for FirstError { log, .. } in errors {
        ensure(logs.contains(log.as_str()), || format!("there is no log {log:?}"))?;
    }
    Ok(jobs)
}

fn log<'a>(attempt: &'a Attempt, logs: &mut BTreeSet<&'a str>) -> Result<()> {
    let name = attempt.log.as_str();
    let is_name = single(Place::Logs, name).is_some() && !name.ends_with(".idx");
    ensure(is_name && logs.insert(name), || {
        format!("{name:?} is no log's name, or two logs'")
    })
}

/// A file's name where it is one part alone.
fn single(place: Place, name: &str) -> Option<EntryName> {
    place.file(name).ok().filter(|_| !name.contains('/'))
}

/// Tests, findings and artifacts are of the newest attempts: others count no more.
fn made(ticket: &Ticket, jobs: &BTreeMap<u64, &Job>) -> Result<()> {
    let is_newest = |job: u64, attempt: u32| {
        let newest = jobs.get(&job).and_then(|job| job.attempts.last());
        newest.is_some_and(|newest| newest.number == attempt)
    };
    for test in &ticket.tests {
        word("bytes in a test's name", &test.name)?;
        ensure(is_newest(test.job, test.attempt), || {
            format!("the test {:?} is of an attempt that does not count", test.name)
        })?;
    }
    for finding in &ticket.findings {
        ensure(is_newest(finding.job, finding.attempt), || {
            format!("a finding of job {} is of an attempt that does not count", finding.job)
        })?;
    }
    let mut seen = BTreeSet::new();
    for artifact in &ticket.artifacts {
        let name = artifact.name.as_str();
        let is_one = is_newest(artifact.job, artifact.attempt) && seen.insert((artifact.job, name));
        ensure(is_one && single(Place::Artifacts, name).is_some(), || {
            format!("{name:?} is no artifact's name, is there twice, or is of an attempt that does not count")
        })?;
    }
    Ok(())
}

/// Each file once, none where another one's folder must be, and each of something that is there.
fn files(document: &Document, jobs: &BTreeMap<u64, &Job>) -> Result<()> {
    count("files", &document.files, MOST_FILES)?;
    let mut bytes: u64 = 0;
    let mut names = BTreeSet::new();
    let mut folders = BTreeSet::new();
    for file in &document.files {
        let name = file.name.as_str();
        ensure(names.insert(name), || format!("{name} is there twice"))?;
        folders.extend(name.match_indices('/').map(|(at, _)| &name[..at]));
        bytes = bytes.saturating_add(file.size);
        no_more("bytes", bytes, MOST_BYTES)?;
    }
    if let Some(both) = names.intersection(&folders).next() {
        return bad(format!("{both} is both a file and a folder"));
    }
    let ticket = &document.ticket;
    let attempts = || ticket.jobs.iter().flat_map(|job| &job.attempts);
    let logs: BTreeSet<&str> = attempts().map(|attempt| attempt.log.as_str()).collect();
    for file in &document.files {
        let rest = file.name.rest();
        let job = |text: &str| text.parse().ok().filter(|number: &u64| number.to_string() == text);
        let belongs = match file.name.place() {
            Place::Sources => ticket.subtickets.iter().any(|subticket| {
                let below = file.name.below(subticket.staged.as_str());
                below.is_some_and(is_source)
            }),
            Place::Logs => logs.contains(rest.strip_suffix(".idx").unwrap_or(rest)),
            Place::Results => rest
                .strip_suffix(".subunit")
                .and_then(job)
                .is_some_and(|number| jobs.contains_key(&number)),
            Place::Artifacts => is_artifact(file, ticket),
            Place::Tests => true,
            Place::Reruns => {
                let number = rest.split('/').next().and_then(job);
                let found = number.and_then(|number| jobs.get(&number));
                rest.contains('/') && found.is_some_and(|job| job.rerun.is_some())
            }
            Place::Repositories => is_of_repository(file, ticket),
            Place::Objects => rest == file.sha256.to_string(),
        };
        ensure(belongs, || format!("{} belongs to nothing that is there", file.name))?;
    }
    Ok(())
}

/// What is carried of a staged source: its package, and what its tests were planned from.
fn is_source(name: &str) -> bool {
    match name.split_once('/') {
        Some((folder, file)) => folder == "package" && !file.contains('/'),
        None => matches!(name, "control" | "tests-control"),
    }
}

/// A file of a generation, whose name is the digest of its `Release`.
fn is_of_repository(file: &CarriedFile, ticket: &Ticket) -> bool {
    let generations = ticket.options.sources.repositories.iter().map(|used| used.generation);
    let below = |generation: Sha256Digest| {
        let folder = format!("{}/generation-{generation}", Place::Repositories.word());
        file.name.below(&folder).map(|path| (path, generation))
    };
    let found = generations.filter_map(below).next();
    found.is_some_and(|(path, generation)| path != "Release" || file.sha256 == generation)
}

fn is_artifact(file: &CarriedFile, ticket: &Ticket) -> bool {
    let mut of_name = ticket
        .artifacts
        .iter()
        .filter(|artifact| artifact.name == file.name.rest());
    let same = |sha256, size| sha256 == file.sha256 && size == file.size;
    of_name.any(|artifact| same(artifact.sha256, artifact.size))
}
