//! What is shown with a verdict: in which packages the testbeds of the two runs differed, and where their logs part. It reads
//! what both runs have left; the verdict itself is core's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use preflight_core::{Job, Said, TestRecord, Ticket, Verdicts};
use preflight_dep8::log::harmless;
use preflight_protocol::verdict::{BaselineRun, JudgedTest, LogDivergence, LogLine, PackageDifference};
use preflight_report::divergence::{Divergence, Line, first_divergence};
use preflight_report::packages::STATUS_LIMIT;
use preflight_store::TicketFolder;

use crate::baseline_record::BaselineRecord;
use crate::convert;

/// More packages than people read of.
const MOST_PACKAGES: usize = 200;
/// As much of a line as is shown, in characters.
const LONGEST_LINE: usize = 500;

/// All tests of a ticket that were run without the change or once more, in the ticket's order. Reads files.
pub(crate) fn judged(ticket: &Ticket, folder: &TicketFolder) -> Vec<JudgedTest> {
    let verdicts = Verdicts::of(ticket);
    let own: BTreeSet<_> = ticket
        .jobs
        .iter()
        .filter(|job| job.rerun.is_none())
        .map(|job| job.id)
        .collect();
    let records = ticket.tests.iter().filter(|record| own.contains(&record.job));
    let judged =
        records.filter(|record| verdicts.baseline(&record.result).is_some() || verdicts.again(&record.result).runs > 0);
    judged.map(|record| one(ticket, folder, &verdicts, record)).collect()
}

fn one(ticket: &Ticket, folder: &TicketFolder, verdicts: &Verdicts<'_>, record: &TestRecord) -> JudgedTest {
    let result = &record.result;
    let verdict = verdicts.over(result);
    let baseline = verdicts.baseline(result).map(|job| {
        let mut results = ticket.tests.iter().filter(|record| record.job == job.id);
        (job, results.find(|other| other.result.name == result.name))
    });
    let without = baseline.and_then(|(job, record)| Some((job, record?)));
    // What went well both times is not explained.
    let differs = |without: &TestRecord| verdict.is_some() || Said::of(&without.result) != Said::of(result);
    let compared = without.filter(|(_, without)| differs(without));
    let mut packages = compared
        .map(|(job, _)| packages(folder, record, job))
        .unwrap_or_default();
    let more_packages = packages.len().saturating_sub(MOST_PACKAGES) as u64;
    packages.truncate(MOST_PACKAGES);
    JudgedTest {
        source: result.source.clone(),
        name: result.name.clone(),
        job: convert::job_id(record.job),
        status: convert::test_status(result.status),
        reason: result.reason.clone(),
        verdict: verdict.map(convert::verdicts::verdict),
        again: convert::verdicts::rate(verdicts.again(result)),
        baseline: baseline.map(|(job, record)| BaselineRun {
            job: convert::job_id(job.id),
            outcome: job.newest().and_then(|record| record.outcome).map(convert::outcome),
            status: record.map(|record| convert::test_status(record.result.status)),
            reason: record.and_then(|record| record.result.reason.clone()),
            taken_from: BaselineRecord::read(folder, job.id).and_then(|record| record.taken_from()),
        }),
        packages,
        more_packages,
        divergence: compared.and_then(|(_, without)| divergence(ticket, folder, record, without)),
    }
}

/// The packages that were not the same when the test began with the change and without it.
fn packages(folder: &TicketFolder, with: &TestRecord, baseline: &Job) -> Vec<PackageDifference> {
    let (source, name) = (with.result.source.as_str(), with.result.name.as_str());
    let of = |rerun| read_packages(&folder.tests(rerun, source).test(name).packages());
    let (Some(with), Some(without)) = (of(None), of(Some(baseline.id))) else {
        return vec![];
    };
    let names: BTreeSet<&String> = with.keys().chain(without.keys()).collect();
    let difference = |name: &String| PackageDifference {
        name: name.clone(),
        with: with.get(name).cloned(),
        without: without.get(name).cloned(),
    };
    let all = names.into_iter().map(difference);
    all.filter(|difference| difference.with != difference.without).collect()
}

/// A list of packages with their versions; none where it is not there.
fn read_packages(file: &Path) -> Option<BTreeMap<String, String>> {
    let mut text = String::new();
    File::open(file)
        .ok()?
        .take(STATUS_LIMIT)
        .read_to_string(&mut text)
        .ok()?;
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    Some(
        lines
            .map(|(name, version)| (harmless(name), harmless(version)))
            .collect(),
    )
}

/// Where the logs of two runs part, from the first line that each of them printed to its last.
fn divergence(
    ticket: &Ticket,
    folder: &TicketFolder,
    with: &TestRecord,
    without: &TestRecord,
) -> Option<LogDivergence> {
    let open = |record: &TestRecord| {
        let log = &ticket.job(record.job)?.record(record.attempt)?.log;
        let from = record.result.log_line?;
        match from_line(&folder.log(log), from) {
            Ok(output) => Some((output, from)),
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::warn!(log = log.as_str(), %error, "a log cannot be compared");
                }
                None
            }
        }
    };
    let ((first, first_from), (second, second_from)) = (open(with)?, open(without)?);
    // What autopkgtest's log says after a test's output; to a test that prints it itself it is its end.
    let end = format!("test {}: -----------------------]", with.result.name);
    let found = first_divergence(first, second, |line| line.ends_with(end.as_bytes()));
    let Divergence { first, second } = found.ok().flatten()?;
    let line = |line: Line, from: u64, record: &TestRecord| LogLine {
        job: convert::job_id(record.job),
        line: from.saturating_add(line.number - 1),
        text: harmless(&String::from_utf8_lossy(&line.bytes))
            .chars()
            .take(LONGEST_LINE)
            .collect(),
    };
    Some(LogDivergence {
        with: first.map(|found| line(found, first_from, with)),
        without: second.map(|found| line(found, second_from, without)),
    })
}

/// A log from a line on, counted from 1.
fn from_line(log: &Path, line: u64) -> io::Result<impl BufRead + use<>> {
    let mut log = BufReader::with_capacity(64 << 10, File::open(log)?);
    let mut ends = line.saturating_sub(1);
    while ends > 0 {
        let buffer = log.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        let end = memchr::memchr(b'\n', buffer);
        let used = end.map_or(buffer.len(), |end| end + 1);
        ends -= u64::from(end.is_some());
        log.consume(used);
    }
    Ok(log)
}
