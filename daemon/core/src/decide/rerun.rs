//! Running one test of a ticket once more: which one is meant, and the job that is added for it.

use std::collections::BTreeSet;

use super::Draft;
use crate::command::Refusal;
use crate::event::Event;
use crate::ids::TicketId;
use crate::job::{Job, JobKind, JobState, Purpose, Rerun};
use crate::text::{LONGEST_NAME, clean};
use crate::ticket::{Subticket, Ticket, TicketFiles};

impl Draft<'_> {
    pub(super) fn rerun(&mut self, id: TicketId, test: &str, dirty: bool) -> Result<(), Refusal> {
        let ticket = self.ticket(id)?;
        let mut images = ticket.jobs.iter().filter(|job| job.kind == JobKind::Image);
        let made = images.find(|job| job.state == JobState::Passed);
        let is_there = ticket
            .image
            .as_ref()
            .is_some_and(|image| ticket.origin.is_none() && self.state.image(image).is_some());
        let image = made.filter(|_| is_there).ok_or(Refusal::NoImage(id))?.id;
        if ticket.gone.contains(&TicketFiles::Sources) {
            return Err(Refusal::NoSources(id));
        }
        let (subticket, name) = meant(ticket, test)?;
        let job = self.state.numbers().job.next();
        let rerun = Rerun {
            test: name.to_owned(),
            purpose: Purpose::Asked,
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
            needs: vec![image],
            rerun: Some(rerun),
            state: JobState::Queued,
            reason: None,
            attempts: vec![],
        })));
        Ok(())
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
