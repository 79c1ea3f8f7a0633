//! Whether two runs of one ticket agree: how their jobs ended, what their tests said, what was fetched, and what was
//! built. Pure; it is told of both runs and of nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::ids::{JobId, Sha256};
use crate::job::{Job, JobKind, JobState};
use crate::result::{LockEntry, Outcome, TestStatus};
use crate::text::{LONGEST_NAME, clean};
use crate::ticket::Ticket;

/// A run: a ticket, and of each of its jobs what the newest attempt has fetched.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The ticket.
    pub ticket: &'a Ticket,
    /// The locks by job.
    pub locks: &'a [(JobId, Vec<LockEntry>)],
}

/// A job in words that two runs share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobLabel {
    /// What it does.
    pub kind: JobKind,
    /// The source that it does it for.
    pub source: Option<String>,
}

impl fmt::Display for JobLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{} of {source}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

/// What differs between two runs; displayed in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The job that it is of.
    pub job: JobLabel,
    /// What it is.
    pub what: What,
}

/// What differs. `None` stands for what a run does not have at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// How the job ended.
    Job {
        /// In the earlier run.
        earlier: Option<End>,
        /// In the later one.
        later: Option<End>,
    },
    /// What a test said.
    Test {
        /// The test: its name, with its source's before it where the ticket has several sources.
        test: String,
        /// In the earlier run.
        earlier: Option<TestStatus>,
        /// In the later one.
        later: Option<TestStatus>,
    },
    /// What was fetched.
    Lock {
        /// The files that differ, by URL, sorted.
        files: Vec<String>,
    },
    /// A package that was built.
    Artifact {
        /// Its name.
        name: String,
        /// In the earlier run.
        earlier: Option<Sha256>,
        /// In the later one.
        later: Option<Sha256>,
    },
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// It ran.
    Ran(Outcome),
    /// It never came to an outcome of its own.
    Not(JobState),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ran(outcome) => outcome.fmt(f),
            Self::Not(state) => f.write_str(match state {
                JobState::Queued => "not run",
                JobState::Running => "running",
                JobState::Passed => "passed",
                JobState::Failed => "failed",
                JobState::Cancelled => "cancelled",
                JobState::Skipped => "not run, since what it needs has failed",
            }),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Job { earlier, later } => {
                write!(
                    f,
                    "{}: {}, was {}",
                    self.job,
                    or_not_there(later),
                    or_not_there(earlier)
                )
            }
            What::Test { test, earlier, later } => {
                write!(f, "test {test}: {}, was {}", or_not_run(*later), or_not_run(*earlier))
            }
            What::Lock { files } => {
                let (count, noun) = (
                    files.len(),
                    if files.len() == 1 {
                        "file differs"
                    } else {
                        "files differ"
                    },
                );
                write!(f, "lock of the {}: {count} {noun}", self.job)?;
                match files.first() {
                    Some(first) if count == 1 => write!(f, ": {first}"),
                    Some(first) => write!(f, ": {first} …"),
                    None => Ok(()),
                }
            }
            What::Artifact { name, earlier, later } => match (earlier, later) {
                (Some(earlier), Some(later)) => {
                    write!(f, "{name} differs: {}, was {}", short(*later), short(*earlier))
                }
                (Some(_), None) => write!(f, "{name} was not made again"),
                (None, _) => write!(f, "{name} was not made before"),
            },
        }
    }
}

fn or_not_there(word: &Option<End>) -> String {
    word.map_or_else(|| "not there".to_owned(), |word| word.to_string())
}

fn or_not_run(status: Option<TestStatus>) -> &'static str {
    match status {
        None => "not run",
        Some(TestStatus::Pass) => "PASS",
        Some(TestStatus::Fail) => "FAIL",
        Some(TestStatus::Skip) => "SKIP",
        Some(TestStatus::Flaky) => "FLAKY",
    }
}

/// As much of a digest as tells two apart.
fn short(digest: Sha256) -> String {
    digest.to_string().chars().take(12).collect()
}

/// What two runs of one ticket have found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agreement {
    /// What differs, job by job: how it ended, its tests, what it fetched, what it built.
    pub differences: Vec<Difference>,
    /// How much is the same.
    pub same: Counts,
}

/// How much of two runs is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Jobs that ended alike.
    pub jobs: usize,
    /// Tests that said the same.
    pub tests: usize,
    /// Packages that are the same bit for bit.
    pub packages: usize,
    /// Fetched files, of all locks together; what several jobs have fetched counts once.
    pub files: usize,
}

impl Agreement {
    /// Whether nothing differs: the same outcomes, test results, locks and packages.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.differences.is_empty()
    }

    /// Whether jobs and tests ended alike, whatever was fetched, and though a package may not be the same bit for bit.
    #[must_use]
    pub fn same_results(&self) -> bool {
        let is_result = |difference: &Difference| matches!(difference.what, What::Job { .. } | What::Test { .. });
        !self.differences.iter().any(is_result)
    }
}

/// A job, as far as it is compared.
#[derive(Default)]
struct Compared<'a> {
    end: Option<End>,
    tests: BTreeMap<(&'a str, &'a str), TestStatus>,
    lock: BTreeMap<&'a str, Sha256>,
    packages: BTreeMap<&'a str, Sha256>,
}

/// Compares two runs of one ticket: builds, images and tests. Reruns are left out, and so is what prepares a run without
/// being part of it, such as the packing of a folder, which a later run has no need of. Where `only` one job was run again,
/// all else is left out.
#[must_use]
pub fn compare(earlier: Run<'_>, later: Run<'_>, only: Option<&JobLabel>) -> Agreement {
    let has_several = |run: &Run<'_>| run.ticket.subtickets.len() > 1;
    let with_source = has_several(&earlier) || has_several(&later);
    let (before, after) = (gather(earlier), gather(later));
    let mut differences = Vec::new();
    let mut same = Counts::default();
    let mut files = BTreeSet::new();
    let labels: BTreeSet<&JobLabel> = before.keys().chain(after.keys()).collect();
    let labels = labels
        .into_iter()
        .filter(|label| only.is_none_or(|only| only == *label));
    let nothing = Compared::default();
    for label in labels {
        let earlier = before.get(label).unwrap_or(&nothing);
        let later = after.get(label).unwrap_or(&nothing);
        same.jobs += usize::from(earlier.end == later.end);
        same.tests += alike(&earlier.tests, &later.tests);
        same.packages += alike(&earlier.packages, &later.packages);
        let fetched: BTreeSet<Sha256> = earlier.lock.values().copied().collect();
        files.extend(later.lock.values().copied().filter(|digest| fetched.contains(digest)));
        let found = of_job(earlier, later, with_source);
        differences.extend(found.into_iter().map(|what| Difference {
            job: label.clone(),
            what,
        }));
    }
    same.files = files.len();
    Agreement { differences, same }
}

/// How many keys have the same value in both.
fn alike<K: Ord, V: PartialEq>(earlier: &BTreeMap<K, V>, later: &BTreeMap<K, V>) -> usize {
    earlier
        .iter()
        .filter(|(key, value)| later.get(*key) == Some(*value))
        .count()
}

fn gather(run: Run<'_>) -> BTreeMap<JobLabel, Compared<'_>> {
    let is_compared =
        |job: &&Job| job.rerun.is_none() && matches!(job.kind, JobKind::Build | JobKind::Image | JobKind::Test);
    let jobs = run.ticket.jobs.iter().filter(is_compared);
    let one = |job| (label(job), compared(job, run));
    jobs.map(one).collect()
}

fn label(job: &Job) -> JobLabel {
    JobLabel {
        kind: job.kind,
        source: job.source.clone(),
    }
}

fn compared<'a>(job: &'a Job, run: Run<'a>) -> Compared<'a> {
    let outcome = job.newest().and_then(|record| record.outcome);
    let ran = outcome.filter(|_| matches!(job.state, JobState::Passed | JobState::Failed));
    let tests = run.ticket.tests.iter().filter(|record| record.job == job.id);
    let artifacts = run.ticket.artifacts.iter().filter(|record| record.job == job.id);
    let locks = run.locks.iter().filter(|(other, _)| *other == job.id);
    Compared {
        end: Some(ran.map_or(End::Not(job.state), End::Ran)),
        tests: tests
            .map(|record| &record.result)
            .map(|result| ((result.source.as_str(), result.name.as_str()), result.status))
            .collect(),
        lock: locks
            .flat_map(|(_, entries)| entries)
            .map(|entry| (entry.url.as_str(), entry.sha256))
            .collect(),
        packages: artifacts
            .map(|record| &record.artifact)
            .filter(|artifact| is_package(&artifact.name))
            .map(|artifact| (artifact.name.as_str(), artifact.sha256))
            .collect(),
    }
}

/// A `.buildinfo` says when it was made, and a `.changes` lists it: they differ from build to build.
fn is_package(name: &str) -> bool {
    [".deb", ".udeb", ".ddeb"].iter().any(|end| name.ends_with(end))
}

fn of_job(earlier: &Compared<'_>, later: &Compared<'_>, with_source: bool) -> Vec<What> {
    let mut found = Vec::new();
    if earlier.end != later.end {
        found.push(What::Job {
            earlier: earlier.end,
            later: later.end,
        });
    }
    for ((source, name), earlier, later) in unlike(&earlier.tests, &later.tests) {
        let test = match with_source {
            true => format!("{source}/{name}"),
            false => (*name).to_owned(),
        };
        found.push(What::Test { test, earlier, later });
    }
    let files = unlike_files(&earlier.lock, &later.lock);
    if !files.is_empty() {
        found.push(What::Lock { files });
    }
    for (name, earlier, later) in unlike(&earlier.packages, &later.packages) {
        found.push(What::Artifact {
            name: (*name).to_owned(),
            earlier,
            later,
        });
    }
    found
}

/// The keys of both whose values differ, with both values.
fn unlike<'m, K: Ord, V: Copy + PartialEq>(
    earlier: &'m BTreeMap<K, V>,
    later: &'m BTreeMap<K, V>,
) -> Vec<(&'m K, Option<V>, Option<V>)> {
    let keys: BTreeSet<&K> = earlier.keys().chain(later.keys()).collect();
    let both = keys
        .into_iter()
        .map(|key| (key, earlier.get(key).copied(), later.get(key).copied()));
    both.filter(|(_, earlier, later)| earlier != later).collect()
}

/// The fetched files that one run has and the other has not. Another machine may ask another mirror: what has the same
/// content is the same file, wherever it came from.
fn unlike_files(earlier: &BTreeMap<&str, Sha256>, later: &BTreeMap<&str, Sha256>) -> Vec<String> {
    let contents = |lock: &BTreeMap<&str, Sha256>| lock.values().copied().collect::<BTreeSet<Sha256>>();
    let (before, after) = (contents(earlier), contents(later));
    let lost = earlier.iter().filter(|(_, digest)| !after.contains(digest));
    let new = later.iter().filter(|(_, digest)| !before.contains(digest));
    // A file that has changed is one, though both runs name it.
    let urls: BTreeSet<&str> = lost.chain(new).map(|(url, _)| *url).collect();
    urls.into_iter().map(|url| clean(url, LONGEST_NAME)).collect()
}

#[cfg(test)]
mod tests;
