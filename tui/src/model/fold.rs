//! Applies the daemon's events to a ticket. Each event carries the whole noun, so applying one is replacing; applying
//! one twice changes nothing.

use preflight_protocol::event::{Beat, EventKind};
use preflight_protocol::ids::JobId;
use preflight_protocol::job::Job;
use preflight_protocol::ticket::Ticket;

/// Applies an event that is about this ticket.
pub fn event(ticket: &mut Ticket, kind: &EventKind) {
    match kind {
        EventKind::TicketCreated(whole) => *ticket = (**whole).clone(),
        // Who shows it leaves it; links, the pool and PPAs are no part of it.
        EventKind::TicketRemoved { .. }
        | EventKind::LinkMoved(_)
        | EventKind::PoolChanged(_)
        | EventKind::PpaChanged(_)
        | EventKind::PpaRemoved { .. } => {}
        EventKind::TicketChanged(summary) => ticket.summary = (**summary).clone(),
        EventKind::JobChanged(job) => {
            // What an earlier attempt has revealed counts no more.
            ticket
                .findings
                .retain(|finding| finding.job != job.id || finding.attempt == job.attempt);
            put(&mut ticket.jobs, (**job).clone(), |old| old.id == job.id);
            judge(ticket, job);
        }
        EventKind::TestRecorded(test) => put(&mut ticket.tests, test.clone(), |old| {
            old.job == test.job && old.source == test.source && old.name == test.name
        }),
        EventKind::FindingRecorded(finding) => put(&mut ticket.findings, (**finding).clone(), |old| {
            (old.job, &old.test, &old.kind) == (finding.job, &finding.test, &finding.kind)
        }),
        EventKind::ArtifactStored(artifact) => put(&mut ticket.artifacts, artifact.clone(), |old| {
            old.job == artifact.job && old.name == artifact.name
        }),
        EventKind::WarningRaised { text } => {
            if !ticket.warnings.contains(text) {
                ticket.warnings.push(text.clone());
            }
        }
        EventKind::ImageAdded(image) => ticket.image = Some(image.id.clone()),
        EventKind::ImageRemoved { id } => {
            if ticket.image.as_ref() == Some(id) {
                ticket.image = None;
            }
        }
    }
}

/// A job that judges a test says what its result means.
fn judge(ticket: &mut Ticket, job: &Job) {
    let Some(verdict) = job.rerun.as_ref().and_then(|rerun| rerun.verdict) else {
        return;
    };
    let name = job.rerun.as_ref().map(|rerun| rerun.test.as_str()).unwrap_or_default();
    let own: Vec<JobId> = ticket
        .jobs
        .iter()
        .filter(|job| job.rerun.is_none())
        .map(|job| job.id)
        .collect();
    for test in &mut ticket.tests {
        if own.contains(&test.job) && Some(&test.source) == job.source.as_ref() && test.name == name {
            test.verdict = Some(verdict);
        }
    }
}

/// Applies a beat of one of this ticket's jobs.
pub fn beat(ticket: &mut Ticket, beat: &Beat) {
    if let Some(job) = ticket.jobs.iter_mut().find(|job| job.id == beat.job) {
        job.progress.clone_from(&beat.progress);
    }
    ticket.summary.progress.clone_from(&beat.progress);
}

/// The jobs that hold a first error, the one that failed first before the others, the ticket's own before reruns.
#[must_use]
pub fn failed(ticket: &Ticket) -> Vec<&Job> {
    let mut jobs: Vec<&Job> = ticket.jobs.iter().filter(|job| job.first_error.is_some()).collect();
    jobs.sort_by_key(|job| (job.rerun.is_some(), job.finished_at.is_none(), job.finished_at));
    jobs
}

fn put<T>(list: &mut Vec<T>, item: T, same: impl Fn(&T) -> bool) {
    match list.iter_mut().find(|old| same(old)) {
        Some(old) => *old = item,
        None => list.push(item),
    }
}
