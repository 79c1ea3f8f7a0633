//! A new ticket's jobs and what each of them needs. In the order in which they run when one runs at a time.

use crate::command::{NewTicket, Preparation};
use crate::ids::{JobId, TicketId};
use crate::job::{Job, JobKind, JobState};
use crate::ticket::Subticket;

/// The jobs of a ticket: its preparation, then for each source its source package and its build, then the image, then the
/// tests of each source; or the one that is run again alone. Where nothing is to be built there is no image either: the tests
/// run on the base image. `last` is the last job's number that was handed out.
pub(crate) fn jobs(ticket: TicketId, new: &NewTicket, subtickets: &[Subticket], last: JobId) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut add = |kind: JobKind, subticket: Option<&Subticket>, needs: Vec<JobId>| {
        let id = JobId(last.0 + 1 + jobs.len() as u64);
        jobs.push(Job {
            id,
            ticket,
            kind,
            subticket: subticket.map(|subticket| subticket.id),
            source: subticket.map(|subticket| subticket.source.clone()),
            needs,
            rerun: None,
            state: JobState::Queued,
            reason: None,
            attempts: vec![],
        });
        id
    };
    let only = new.options.replay_of.as_ref().and_then(|replay| replay.job.as_ref());
    if let Some(only) = only {
        // What it needs is given to it.
        let of = subtickets
            .iter()
            .find(|subticket| Some(&subticket.source) == only.source.as_ref());
        add(only.kind, of, vec![]);
        return jobs;
    }
    let preparation: &[JobKind] = match new.preparation {
        None => &[],
        Some(Preparation::BaseImage) => &[JobKind::BaseImage],
        Some(Preparation::Snapshot) => &[JobKind::Snapshot],
        Some(Preparation::Prefetch) => &[JobKind::BaseImage, JobKind::Prefetch],
    };
    let mut base: Vec<JobId> = vec![];
    for &kind in preparation {
        base = vec![add(kind, None, base)];
    }
    if new.options.tests.no_build {
        for (source, subticket) in new.subtickets.iter().zip(subtickets) {
            let needs = if source.needs_source_package {
                vec![add(JobKind::Source, Some(subticket), base.clone())]
            } else {
                base.clone()
            };
            add(JobKind::Test, Some(subticket), needs);
        }
        return jobs;
    }
    let mut builds: Vec<JobId> = Vec::new();
    for (source, subticket) in new.subtickets.iter().zip(subtickets) {
        let mut needs = if source.needs_source_package {
            vec![add(JobKind::Source, Some(subticket), base.clone())]
        } else {
            base.clone()
        };
        needs.extend(source.build_after.iter().filter_map(|&place| builds.get(place)));
        builds.push(add(JobKind::Build, Some(subticket), needs));
    }
    if !builds.is_empty() || new.options.rebuild.is_some() {
        let needs = if builds.is_empty() { base } else { builds };
        let image = add(JobKind::Image, None, needs);
        for subticket in subtickets {
            add(JobKind::Test, Some(subticket), vec![image]);
        }
    }
    jobs
}
