//! What is run to judge a ticket's tests: their baselines, and more runs of those that have failed. On demand, or as the
//! ticket's options say, once a source's tests have ended. Nothing of it changes how the ticket ends.

use std::collections::{BTreeMap, BTreeSet};

use super::Draft;
use crate::command::{BaselineTests, Refusal};
use crate::event::Event;
use crate::ids::{JobId, TicketId};
use crate::job::{Job, JobKind, Purpose};
use crate::result::{Outcome, TestResult};
use crate::test_options::BaselinePolicy;
use crate::ticket::{Subticket, Ticket};
use crate::verdict::{Said, Verdicts};

/// How often a failed test is run again at most, whatever its owner wants.
const MOST_REPEATS: u32 = 100;
/// How many such jobs a ticket has at most: a package may name thousands of tests.
const MOST_JOBS: usize = 2_000;

impl Draft<'_> {
    /// Runs the baselines that are wanted and missing.
    pub(super) fn baselines(&mut self, id: TicketId, wanted: &BaselineTests) -> Result<(), Refusal> {
        let ticket = self.ticket(id)?;
        if ticket.options.tests.no_build {
            return Err(Refusal::NothingBuilt(id));
        }
        if let BaselineTests::Named(names) = wanted {
            let is_there = |name: &&String| !own_results(ticket).any(|(_, result)| is_named(result, name));
            if let Some(name) = names.iter().find(is_there) {
                return Err(Refusal::NoTest(id, name.clone()));
            }
        }
        self.may_run_tests(id)?;
        let missing = missing(self.ticket(id)?, |_, result| is_wanted(wanted, result));
        self.run_all(id, missing, Purpose::Baseline)
    }

    /// A test job of the ticket's own has ended: what is run of its tests now, as the ticket's options say.
    pub(super) fn judge_tests(&mut self, id: TicketId, job: JobId) {
        let Ok(ticket) = self.ticket(id) else { return };
        let options = &ticket.options.tests;
        let is_own = |job: &Job| job.kind == JobKind::Test && job.rerun.is_none();
        if !ticket.job(job).is_some_and(is_own) || self.may_run_tests(id).is_err() {
            return;
        }
        let mut repeats = Vec::new();
        for (of, result) in own_results(ticket).filter(|(of, result)| of.id == job && has_failed(result)) {
            let times = options.rerun_failed.min(MOST_REPEATS);
            repeats.extend((0..times).filter_map(|_| test_of(ticket, of, result)));
        }
        let wanted = match options.baseline {
            BaselinePolicy::Never => None,
            BaselinePolicy::Failed => Some(BaselineTests::Failed),
            BaselinePolicy::All => Some(BaselineTests::All),
        };
        let wanted = wanted.filter(|_| !options.no_build);
        let baselines = wanted.map(|wanted| missing(ticket, |of, result| of.id == job && is_wanted(&wanted, result)));
        let all = [
            (Purpose::Baseline, baselines.unwrap_or_default()),
            (Purpose::Repeat, repeats),
        ];
        for (purpose, tests) in all {
            // They can be run: that was asked before.
            let _ = self.run_all(id, tests, purpose);
        }
    }

    fn run_all(&mut self, id: TicketId, tests: Vec<(Subticket, String)>, purpose: Purpose) -> Result<(), Refusal> {
        let there = self.ticket(id)?.jobs.iter().filter(|job| judges(job)).count();
        let room = MOST_JOBS.saturating_sub(there);
        if tests.len() > room {
            let text = format!(
                "of {} more runs of tests {room} are made: a ticket has {MOST_JOBS} at most",
                tests.len()
            );
            self.push(Event::WarningRaised { ticket: id, text });
        }
        let mut tests = tests.into_iter().take(room);
        tests.try_for_each(|(subticket, test)| self.run_again(id, &subticket, test, purpose, false))
    }

    /// Whether a job that judges tests is to be tried once more: its testbed has failed, which says nothing of any test.
    pub(super) fn may_judge_again(&self, id: JobId, outcome: Outcome) -> bool {
        let is_first = |job: &Job| {
            let mut earlier = job.attempts.iter().rev().skip(1);
            earlier.all(|record| record.outcome.is_none())
        };
        outcome == Outcome::TestbedBroken && self.job(id).is_ok_and(|(_, job)| judges(job) && is_first(job))
    }
}

/// Whether a job is there to judge what others have found.
fn judges(job: &Job) -> bool {
    job.rerun.as_ref().is_some_and(|rerun| rerun.purpose != Purpose::Asked)
}

/// The results of a ticket's own jobs, that of no whole package.
fn own_results(ticket: &Ticket) -> impl Iterator<Item = (&Job, &TestResult)> {
    let own = ticket.jobs.iter().filter(|job| job.rerun.is_none());
    let own: BTreeMap<JobId, &Job> = own.map(|job| (job.id, job)).collect();
    let results = ticket.tests.iter().filter(|record| record.result.name != "*");
    results.filter_map(move |record| Some((*own.get(&record.job)?, &record.result)))
}

fn test_of(ticket: &Ticket, job: &Job, result: &TestResult) -> Option<(Subticket, String)> {
    let subticket = ticket.subticket(job.subticket?)?;
    Some((subticket.clone(), result.name.clone()))
}

/// The tests of these results that have no baseline, nor one that is just being run.
fn missing(ticket: &Ticket, is_wanted: impl Fn(&Job, &TestResult) -> bool) -> Vec<(Subticket, String)> {
    let verdicts = Verdicts::of(ticket);
    let unfinished = ticket.jobs.iter().filter(|job| !job.state.is_final());
    let running: BTreeSet<(&str, &str)> = unfinished
        .filter_map(|job| {
            let rerun = job.rerun.as_ref().filter(|rerun| rerun.purpose == Purpose::Baseline)?;
            Some((job.source.as_deref()?, rerun.test.as_str()))
        })
        .collect();
    let is_missing = |result: &TestResult| {
        !running.contains(&(result.source.as_str(), result.name.as_str())) && !verdicts.has_baseline(result)
    };
    let wanted = own_results(ticket).filter(|(job, result)| is_wanted(job, result) && is_missing(result));
    wanted
        .filter_map(|(job, result)| test_of(ticket, job, result))
        .collect()
}

fn is_wanted(wanted: &BaselineTests, result: &TestResult) -> bool {
    match wanted {
        BaselineTests::Failed => has_failed(result),
        BaselineTests::All => Said::of(result) != Said::Skip,
        BaselineTests::Named(names) => names.iter().any(|name| is_named(result, name)),
    }
}

fn has_failed(result: &TestResult) -> bool {
    matches!(Said::of(result), Said::Fail | Said::Flaky | Said::NotInstallable)
}

/// Whether a test is meant by `TEST` or `SOURCE/TEST`.
fn is_named(result: &TestResult, name: &str) -> bool {
    match name.split_once('/') {
        Some((source, test)) => result.source == source && result.name == test,
        None => result.name == name,
    }
}
