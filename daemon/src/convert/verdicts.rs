//! Verdicts in the wire's words.

use preflight_core as core;
use preflight_protocol as wire;
use wire::verdict::{Meaning, Rate, Verdict};

pub(crate) fn verdict(verdict: core::Verdict) -> Verdict {
    Verdict {
        meaning: match verdict {
            core::Verdict::Regression => Meaning::Regression,
            core::Verdict::AlwaysFailed => Meaning::AlwaysFailed,
            core::Verdict::Fixed => Meaning::Fixed,
            core::Verdict::Flaky(_) => Meaning::Flaky,
            core::Verdict::New => Meaning::New,
            core::Verdict::TestbedBroken => Meaning::TestbedBroken,
        },
        again: match verdict {
            core::Verdict::Flaky(again) => again.map(rate),
            _ => None,
        },
    }
}

pub(crate) fn rate(rate: core::Rate) -> Rate {
    Rate {
        passed: rate.passed,
        runs: rate.runs,
    }
}

/// What a ticket's own result means, as the end of a job tells that was run to judge it.
pub(super) fn told_by(job: &core::Job, ticket: &core::Ticket) -> Option<core::Verdict> {
    let judges = |rerun: &&core::Rerun| rerun.purpose != core::Purpose::Asked;
    let rerun = job.rerun.as_ref().filter(judges)?;
    if !job.state.is_final() {
        return None;
    }
    let is_own = |id: core::JobId| ticket.job(id).is_some_and(|job| job.rerun.is_none());
    let is_it = |result: &core::TestResult| Some(&result.source) == job.source.as_ref() && result.name == rerun.test;
    let mut results = ticket.tests.iter().filter(|record| is_it(&record.result));
    let own = results.find(|record| is_own(record.job))?;
    core::Verdicts::of(ticket).over(&own.result)
}
