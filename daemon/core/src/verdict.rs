//! What a test's result means: held against the same test without the change (its baseline), and against more runs of it.
//! Pure. It says what the archive's own infrastructure would say of two results, and never changes how a ticket ends.

use std::collections::BTreeMap;
use std::fmt;

use crate::job::{Job, JobState, Purpose};
use crate::result::{Outcome, TestRecord, TestResult, TestStatus};
use crate::ticket::Ticket;

/// What a result means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It fails with the change, and does not fail without it.
    Regression,
    /// It fails with the change as it fails without it.
    AlwaysFailed,
    /// It passes with the change, and fails without it.
    Fixed,
    /// It fails now and then: of so many more runs so many passed, or, where none was made, its package says so itself.
    Flaky(Option<Rate>),
    /// Without the change it cannot be run: the archive has no such package.
    New,
    /// What its result means is not known: the testbed of its baseline has failed.
    TestbedBroken,
}

impl Verdict {
    /// In one word or two, without how often.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::AlwaysFailed => "always failed",
            Self::Fixed => "fixed",
            Self::Flaky(_) => "flaky",
            Self::New => "new",
            Self::TestbedBroken => "testbed broken",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flaky(Some(rate)) => write!(f, "flaky: {rate} more runs passed"),
            other => f.write_str(other.word()),
        }
    }
}

/// How often a test has passed when it was run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rate {
    /// Runs that passed; never more than there were.
    pub passed: u32,
    /// All runs that came to a result.
    pub runs: u32,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.passed, self.runs)
    }
}

/// What one run of a test says, as far as a verdict depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Said {
    /// It passed.
    Pass,
    /// It failed.
    Fail,
    /// It failed and is marked flaky.
    Flaky,
    /// It was not run, or said that it can't.
    Skip,
    /// It could not be run, since what it depends on cannot be installed.
    NotInstallable,
}

impl Said {
    /// Of a result.
    #[must_use]
    pub fn of(result: &TestResult) -> Self {
        /// autopkgtest's words where dependencies cannot be satisfied.
        const NOT_INSTALLABLE: [&str; 2] = ["badpkg", "installation fails and skip-not-installable set"];
        let reason = result.reason.as_deref().unwrap_or_default();
        match result.status {
            TestStatus::Pass => Self::Pass,
            _ if NOT_INSTALLABLE.contains(&reason) => Self::NotInstallable,
            TestStatus::Fail => Self::Fail,
            TestStatus::Flaky => Self::Flaky,
            TestStatus::Skip => Self::Skip,
        }
    }
}

/// What became of a test's baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Baseline {
    /// It came to a result.
    Said(Said),
    /// Its testbed has failed, which is never a test's failure.
    Broken,
}

/// The verdict over a result of the change, more runs of the same, and its baseline where there is one. None where the
/// result speaks for itself, or nothing is known to hold it against.
#[must_use]
pub fn judge(own: Said, again: Rate, baseline: Option<Baseline>) -> Option<Verdict> {
    let rate = Some(again).filter(|rate| rate.runs > 0);
    match own {
        Said::Skip => None,
        Said::Pass => match baseline? {
            Baseline::Said(Said::Fail) => Some(Verdict::Fixed),
            Baseline::Said(Said::Flaky) => Some(Verdict::Flaky(None)),
            Baseline::Said(Said::NotInstallable) => Some(Verdict::New),
            Baseline::Said(Said::Pass | Said::Skip) | Baseline::Broken => None,
        },
        Said::Fail | Said::Flaky | Said::NotInstallable if again.passed > 0 => Some(Verdict::Flaky(rate)),
        Said::Fail | Said::Flaky | Said::NotInstallable => match (own, baseline?) {
            (_, Baseline::Broken) => Some(Verdict::TestbedBroken),
            (Said::NotInstallable, Baseline::Said(Said::NotInstallable)) => Some(Verdict::AlwaysFailed),
            (_, Baseline::Said(Said::NotInstallable)) => Some(Verdict::New),
            (_, Baseline::Said(Said::Fail | Said::Flaky)) => Some(Verdict::AlwaysFailed),
            // Its package says that now and then it fails: nobody would call that a regression.
            (Said::Flaky, Baseline::Said(Said::Pass | Said::Skip)) => Some(Verdict::Flaky(rate)),
            // What said nothing did not fail.
            (_, Baseline::Said(Said::Pass | Said::Skip)) => Some(Verdict::Regression),
        },
    }
}

/// A test of a ticket: its source and its name.
type Key<'a> = (&'a str, &'a str);

/// What is known of one test beside its own result.
#[derive(Debug, Clone, Copy, Default)]
struct Known<'a> {
    again: Rate,
    baseline: Option<(&'a Job, Baseline)>,
}

/// The verdicts over a ticket's tests.
#[derive(Debug, Default)]
pub struct Verdicts<'a>(BTreeMap<Key<'a>, Known<'a>>);

impl<'a> Verdicts<'a> {
    /// Looks at all that was run of a ticket beside its own jobs. Of several baselines of a test the newest counts that has
    /// come to a result. A run with edited files counts for nothing.
    #[must_use]
    pub fn of(ticket: &'a Ticket) -> Self {
        let mut results: BTreeMap<_, Vec<&TestRecord>> = BTreeMap::new();
        for record in &ticket.tests {
            results.entry(record.job).or_default().push(record);
        }
        let mut known: BTreeMap<Key<'a>, Known<'a>> = BTreeMap::new();
        for job in &ticket.jobs {
            let (Some(rerun), Some(source)) = (&job.rerun, &job.source) else {
                continue;
            };
            let of_job = results.get(&job.id).map(Vec::as_slice).unwrap_or_default();
            let said = of_job
                .iter()
                .find(|record| record.result.name == rerun.test)
                .map(|record| Said::of(&record.result));
            let entry = known.entry((source, &rerun.test)).or_default();
            match (rerun.purpose, said) {
                (Purpose::Repeat, Some(said)) if is_over(job) => {
                    entry.again.runs += 1;
                    entry.again.passed += u32::from(said == Said::Pass);
                }
                (Purpose::Baseline, said) => {
                    if let Some(baseline) = baseline(job, said)
                        && (entry.baseline.is_none() || baseline != Baseline::Broken)
                    {
                        entry.baseline = Some((job, baseline));
                    }
                }
                (Purpose::Asked | Purpose::Repeat, _) => {}
            }
        }
        Self(known)
    }

    /// The verdict over a result of one of the ticket's own jobs.
    #[must_use]
    pub fn over(&self, result: &TestResult) -> Option<Verdict> {
        let known = self.known(result);
        judge(Said::of(result), known.again, known.baseline.map(|(_, said)| said))
    }

    /// Whether a test's baseline has come to a result.
    #[must_use]
    pub fn has_baseline(&self, result: &TestResult) -> bool {
        matches!(self.known(result).baseline, Some((_, Baseline::Said(_))))
    }

    /// The job that has run a test's baseline to an end.
    #[must_use]
    pub fn baseline(&self, result: &TestResult) -> Option<&'a Job> {
        self.known(result).baseline.map(|(job, _)| job)
    }

    /// How a test's further runs went.
    #[must_use]
    pub fn again(&self, result: &TestResult) -> Rate {
        self.known(result).again
    }

    fn known(&self, result: &TestResult) -> Known<'a> {
        let key = (result.source.as_str(), result.name.as_str());
        self.0.get(&key).copied().unwrap_or_default()
    }
}

fn is_over(job: &Job) -> bool {
    matches!(job.state, JobState::Passed | JobState::Failed)
}

/// What a job that runs a baseline has found; none while it runs, and where it was cancelled.
fn baseline(job: &Job, said: Option<Said>) -> Option<Baseline> {
    if !is_over(job) {
        return None;
    }
    match (job.newest()?.outcome?, said) {
        (Outcome::Cancelled, _) => None,
        (Outcome::TestbedBroken, _) => Some(Baseline::Broken),
        (_, Some(said)) => Some(Baseline::Said(said)),
        // The package as it is cannot be built or planned without the change.
        (Outcome::BadPackage, None) => Some(Baseline::Said(Said::NotInstallable)),
        (_, None) => Some(Baseline::Said(Said::Skip)),
    }
}

#[cfg(test)]
mod tests;
