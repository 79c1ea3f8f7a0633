//! Whether a ticket's repository meets a link's criteria. It reads tickets and links as they stand, and changes nothing.
//!
//! A job counts with its ticket's own run. Where that is a test job, a test that was run once more on the ticket's image
//! with nothing edited takes the place of the first result; one of edited files (dirty) never counts.

use std::collections::BTreeMap;

use super::criteria::{Criteria, HowMany, JobRequirement, Requirement, Which};
use super::link::RepositoryState;
use super::missing::{Found, MissingCriterion, Wanted};
use crate::ids::{JobId, Moment, Series, Sha256};
use crate::job::{Job, JobKind, JobState, Purpose, Rerun};
use crate::result::{Outcome, TestResult, TestStatus};
use crate::state::State;
use crate::ticket::Ticket;

/// autopkgtest's reason of a test whose dependencies cannot be installed.
const BAD_PACKAGE: &str = "badpkg";
/// The reason of a test that passed, which says little.
const SUPERFICIAL: &str = "superficial";

/// Whether this generation of a ticket's repository may be promoted; none is a ticket without a repository.
///
/// # Errors
/// All that is missing.
pub fn evaluate(
    criteria: &Criteria,
    ticket: &Ticket,
    generation: Option<Sha256>,
    state: &State,
    now: Moment,
) -> Result<(), Vec<MissingCriterion>> {
    let mut missing = Vec::new();
    if generation.is_none() {
        missing.push(MissingCriterion {
            wanted: Wanted::Repository,
            found: Found::NoRepository,
        });
    }
    for requirement in &criteria.requires {
        match requirement {
            Requirement::Link(link) => {
                let promoted = generation.is_some_and(|generation| {
                    let candidate = RepositoryState {
                        ticket: ticket.id,
                        generation,
                    };
                    state.link(link).is_some_and(|link| link.has_been_at(candidate))
                });
                if !promoted {
                    missing.push(MissingCriterion {
                        wanted: Wanted::Link(link.clone()),
                        found: Found::NeverThere,
                    });
                }
            }
            Requirement::Jobs(wanted) => {
                let own = std::slice::from_ref(&ticket.series);
                let series = if wanted.series.is_empty() { own } else { &wanted.series };
                for series in series {
                    let judge = Judge {
                        criteria,
                        wanted,
                        series,
                        now,
                    };
                    missing.extend(judge.jobs(speaker(ticket, series, state)));
                }
            }
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

/// The ticket whose jobs say how these sources do on a series.
fn speaker<'a>(ticket: &'a Ticket, series: &Series, state: &'a State) -> Option<&'a Ticket> {
    if ticket.series == *series {
        return Some(ticket);
    }
    let mut newest_first = state.tickets().rev();
    newest_first.find(|other| other.series == *series && sources(other) == sources(ticket))
}

fn sources(ticket: &Ticket) -> BTreeMap<&str, &str> {
    let subtickets = ticket.subtickets.iter();
    subtickets
        .map(|subticket| (subticket.source.as_str(), subticket.version.as_str()))
        .collect()
}

/// One requirement on one series.
struct Judge<'a> {
    criteria: &'a Criteria,
    wanted: &'a JobRequirement,
    series: &'a Series,
    now: Moment,
}

impl Judge<'_> {
    fn jobs(&self, ticket: Option<&Ticket>) -> Vec<MissingCriterion> {
        let Some(ticket) = ticket else {
            return vec![self.missing(None, Found::NoTicket)];
        };
        let is_meant = |job: &&Job| {
            let of_source = job.source.as_deref().is_none_or(|source| self.wanted.source.is(source));
            job.kind == self.wanted.job && job.rerun.is_none() && of_source
        };
        let jobs: Vec<&Job> = ticket.jobs.iter().filter(is_meant).collect();
        if jobs.is_empty() {
            return vec![self.missing(self.named(), Found::NoJob(ticket.id))];
        }
        let bad: Vec<(&Job, Found)> = jobs
            .iter()
            .filter_map(|job| Some((*job, self.job(ticket, job).err()?)))
            .collect();
        if self.wanted.how_many == HowMany::One && bad.len() < jobs.len() {
            return vec![];
        }
        let missing = bad.into_iter();
        missing
            .map(|(job, found)| self.missing(job.source.clone(), found))
            .collect()
    }

    fn missing(&self, source: Option<String>, found: Found) -> MissingCriterion {
        let wanted = Wanted::Job {
            job: self.wanted.job,
            source,
            series: self.series.clone(),
            outcomes: self.wanted.outcomes.clone(),
        };
        MissingCriterion { wanted, found }
    }

    fn named(&self) -> Option<String> {
        match &self.wanted.source {
            Which::Any => None,
            Which::Named(source) => Some(source.clone()),
        }
    }

    fn job(&self, ticket: &Ticket, job: &Job) -> Result<(), Found> {
        let outcome = match job.state {
            JobState::Passed | JobState::Failed => job.newest().and_then(|record| record.outcome),
            _ => None,
        };
        let outcome = outcome.ok_or(Found::State(ticket.id, job.state))?;
        let own = results(ticket, |other| other.id == job.id);
        let verdict = if job.kind == JobKind::Test && together(own.values()) == outcome {
            self.tests(results(ticket, |other| {
                other.id == job.id || is_clean_rerun(other, job)
            }))
        } else {
            // What ended all tests, a broken testbed say, is no single test's result.
            Verdict {
                outcome,
                failed: vec![],
                expired: vec![],
                exempt: self.is_exempt(job),
            }
        };
        if verdict.exempt || self.wanted.outcomes.contains(&verdict.outcome) {
            return Ok(());
        }
        Err(Found::Outcome {
            ticket: ticket.id,
            outcome: verdict.outcome,
            failed: verdict.failed,
            expired: verdict.expired,
        })
    }

    /// Whether all tests of a test job's source are exempt at once.
    fn is_exempt(&self, job: &Job) -> bool {
        let Some(source) = job.source.as_deref().filter(|_| job.kind == JobKind::Test) else {
            return false;
        };
        let mut exemptions = self.criteria.exempt.iter();
        exemptions.any(|exempt| exempt.test == Which::Any && exempt.source.is(source) && exempt.is_valid(self.now))
    }

    /// What tests say together, those that are exempt left out.
    fn tests(&self, results: BTreeMap<&str, &TestResult>) -> Verdict {
        let mut counted = Vec::new();
        let (mut failed, mut expired) = (Vec::new(), Vec::new());
        let all = results.len();
        for result in results.into_values() {
            let exemptions = self.criteria.exempt.iter();
            let about: Vec<_> = exemptions
                .filter(|exemption| exemption.is_about(&result.source, &result.name))
                .collect();
            if about.iter().any(|exemption| exemption.is_valid(self.now)) {
                continue;
            }
            counted.push(result);
            if result.status == TestStatus::Fail {
                failed.push(result.name.clone());
                expired.extend(about.first().map(|_| result.name.clone()));
            }
        }
        Verdict {
            outcome: together(&counted),
            failed,
            expired,
            exempt: counted.is_empty() && all > 0,
        }
    }
}

/// How a job counts.
struct Verdict {
    outcome: Outcome,
    failed: Vec<String>,
    expired: Vec<String>,
    /// Nothing of it counts.
    exempt: bool,
}

/// Whether a job has run one of another's tests once more, to its end, with nothing edited.
fn is_clean_rerun(job: &Job, of: &Job) -> bool {
    let ended = matches!(job.state, JobState::Passed | JobState::Failed);
    // What was run to tell a flaky test, or without the change, says nothing for it.
    let counts = |rerun: &Rerun| !rerun.dirty && rerun.purpose == Purpose::Asked;
    ended && job.source == of.source && job.rerun.as_ref().is_some_and(counts)
}

/// The newest result of each test, by name, as these jobs have it. Where a name stands twice in one run, the worse one
/// counts.
fn results(ticket: &Ticket, counts: impl Fn(&Job) -> bool) -> BTreeMap<&str, &TestResult> {
    let mut newest: BTreeMap<&str, (JobId, &TestResult)> = BTreeMap::new();
    // They stand in the order of jobs.
    for record in &ticket.tests {
        if !ticket.job(record.job).is_some_and(&counts) {
            continue;
        }
        let worse =
            |&(job, result): &(JobId, &TestResult)| job != record.job || badness(&record.result) > badness(result);
        let name = record.result.name.as_str();
        if newest.get(name).is_none_or(worse) {
            newest.insert(name, (record.job, &record.result));
        }
    }
    newest.into_iter().map(|(name, (_, result))| (name, result)).collect()
}

fn badness(result: &TestResult) -> u8 {
    match result.status {
        TestStatus::Pass => 0,
        TestStatus::Skip => 1,
        TestStatus::Flaky => 2,
        TestStatus::Fail => 3,
    }
}

/// autopkgtest's outcome of several tests: its reasons `badpkg` and `superficial` tell what the status does not.
fn together<'a>(results: impl IntoIterator<Item = &'a &'a TestResult>) -> Outcome {
    let results: Vec<&TestResult> = results.into_iter().copied().collect();
    let any = |status| results.iter().any(|result| result.status == status);
    let because = |result: &TestResult, reason| result.reason.as_deref() == Some(reason);
    let bad_package = |result: &&TestResult| result.status == TestStatus::Fail && because(result, BAD_PACKAGE);
    let says_something = |result: &&TestResult| result.status == TestStatus::Pass && !because(result, SUPERFICIAL);
    if results.iter().any(bad_package) {
        Outcome::BadPackage
    } else if any(TestStatus::Fail) {
        Outcome::Fail
    } else if !results.iter().any(says_something) {
        Outcome::NoTests
    } else if any(TestStatus::Skip) || any(TestStatus::Flaky) {
        Outcome::Skipped
    } else {
        Outcome::Pass
    }
}
