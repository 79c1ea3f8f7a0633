//! A new ticket's jobs and what each of them needs. In the order in which they run when one runs at a time.

use crate::command::{NewTicket, Preparation};
use crate::ids::{JobId, TicketId};
use crate::job::{Job, JobKind, JobState};
use crate::ticket::Subticket;

/// The jobs of a ticket: its preparation, then for each source its source package and its build, then the image, then the
/// tests of each source. `last` is the last job's number that was handed out.
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
    let preparation = new.preparation.map(|preparation| match preparation {
        Preparation::BaseImage => JobKind::BaseImage,
        Preparation::Snapshot => JobKind::Snapshot,
    });
    let base: Vec<JobId> = preparation.map(|kind| add(kind, None, vec![])).into_iter().collect();
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
    if !builds.is_empty() {
        let image = add(JobKind::Image, None, builds);
        for subticket in subtickets {
            add(JobKind::Test, Some(subticket), vec![image]);
        }
    }
    jobs
}
