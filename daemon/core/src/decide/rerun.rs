//! Running one test of a ticket once more: which one is meant, and the job that is added for it.

use std::collections::BTreeSet;

use super::Draft;
use crate::command::Refusal;
use crate::event::Event;
use crate::ids::{JobId, TicketId};
use crate::job::{Job, JobKind, JobState, Purpose, Rerun};
use crate::text::{LONGEST_NAME, clean};
use crate::ticket::{Subticket, Ticket, TicketFiles};

impl Draft<'_> {
    pub(super) fn rerun(&mut self, id: TicketId, test: &str, dirty: bool) -> Result<(), Refusal> {
        self.may_run_tests(id)?;
        let ticket = self.ticket(id)?;
        let (subticket, name) = meant(ticket, test)?;
        let (subticket, name) = (subticket.clone(), name.to_owned());
        self.run_again(id, &subticket, name, Purpose::Asked, dirty)
    }

    /// Whether tests of a ticket can be run once more.
    pub(super) fn may_run_tests(&self, id: TicketId) -> Result<(), Refusal> {
        let ticket = self.ticket(id)?;
        if ticket.is_of_results() {
            return Err(Refusal::OnlyResults(id));
        }
        let is_there = match ticket.options.tests.no_build {
            true => {
                let mut packing = ticket.jobs.iter().filter(|job| job.kind == JobKind::Source);
                ticket.origin.is_none() && packing.all(|job| job.state == JobState::Passed)
            }
            false => {
                let mut images = ticket.jobs.iter().filter(|job| job.kind == JobKind::Image);
                let is_made = images.any(|job| job.state == JobState::Passed);
                let image = ticket.image.as_ref().filter(|_| ticket.origin.is_none());
                is_made && image.is_some_and(|image| self.state.image(image).is_some())
            }
        };
        if !is_there {
            return Err(Refusal::NoImage(id));
        }
        match ticket.gone.contains(&TicketFiles::Sources) {
            true => Err(Refusal::NoSources(id)),
            false => Ok(()),
        }
    }

    /// Adds the job that runs a test once more.
    pub(super) fn run_again(
        &mut self,
        id: TicketId,
        subticket: &Subticket,
        test: String,
        purpose: Purpose,
        dirty: bool,
    ) -> Result<(), Refusal> {
        let ticket = self.ticket(id)?;
        // Where nothing is built there is no image, and a source package at most.
        let is_needed = |job: &&Job| match ticket.options.tests.no_build {
            true => job.kind == JobKind::Source && job.subticket == Some(subticket.id),
            false => job.kind == JobKind::Image && job.state == JobState::Passed,
        };
        let needs: Vec<JobId> = ticket
            .jobs
            .iter()
            .find(is_needed)
            .map(|job| job.id)
            .into_iter()
            .collect();
        let job = self.next_job();
        let rerun = Rerun {
            test,
            purpose,
            dirty,
            // Named after the job, which never is another's.
            staged: dirty.then(|| format!("reruns/{job}").into()),
        };
        self.push(Event::JobAdded(Box::new(Job {
            id: job,
            ticket: id,
            kind: JobKind::Test,
            subticket: Some(subticket.id),
            source: Some(subticket.source.clone()),
            needs,
            rerun: Some(rerun),
            state: JobState::Queued,
            reason: None,
            attempts: vec![],
        })));
        Ok(())
    }

    /// The next job's number; those count that were decided on just now.
    fn next_job(&self) -> JobId {
        let added = self.events.iter().filter_map(|event| match event {
            Event::JobAdded(job) => Some(job.id),
            _ => None,
        });
        added.fold(self.state.numbers().job, JobId::max).next()
    }
}

/// The source and the name of the test that is meant. That there is such a test is known for sure only to who runs it:
/// an edited tree may have a new one.
fn meant<'a>(ticket: &'a Ticket, test: &'a str) -> Result<(&'a Subticket, &'a str), Refusal> {
    let none = || Refusal::NoTest(ticket.id, clean(test, LONGEST_NAME));
    let (source, name) = match test.split_once('/') {
        Some((source, name)) => (Some(source), name),
        None => (None, test),
    };
    if name.is_empty() || clean(name, LONGEST_NAME) != name || name.contains('/') {
        return Err(none());
    }
    let with_result = |subticket: &Subticket| {
        let mut results = ticket.tests.iter().map(|record| &record.result);
        results.any(|result| result.source == subticket.source && result.name == name)
    };
    let candidates: Vec<&Subticket> = match source {
        Some(source) => ticket
            .subtickets
            .iter()
            .filter(|subticket| subticket.source == source)
            .collect(),
        None if ticket.subtickets.len() > 1 => ticket
            .subtickets
            .iter()
            .filter(|subticket| with_result(subticket))
            .collect(),
        None => ticket.subtickets.iter().collect(),
    };
    match candidates[..] {
        [one] => Ok((one, name)),
        [] => Err(none()),
        ref several => Err(Refusal::Ambiguous {
            ticket: ticket.id,
            test: name.to_owned(),
            sources: several
                .iter()
                .map(|subticket| subticket.source.clone())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        }),
    }
}
