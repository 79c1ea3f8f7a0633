//! What of an earlier ticket is run again, by which locks, and why it cannot be. Pure: whether images and files are there is
//! looked up by others.

use std::collections::BTreeSet;

use preflight_core::{
    Artifact, BaselinePolicy, ImageId, Job, JobId, JobKind, JobLabel, JobState, LockEntry, LockHead, NewSubticket,
    NewTicket, Refusal, ReplayOf, SubticketId, Ticket, TicketFiles,
};
use preflight_protocol::error::{ErrorCode, RpcError};

use super::record::{JobReplay, ReplayRecord, lock};
use crate::convert;

/// The jobs that can be run again: all else prepares them.
pub(super) const KINDS: [JobKind; 3] = [JobKind::Build, JobKind::Image, JobKind::Test];

/// The run that is replayed.
#[derive(Debug, Clone)]
pub(crate) struct Earlier {
    /// The ticket.
    pub(crate) ticket: Ticket,
    /// What its jobs have fetched.
    pub(crate) locks: Vec<(JobId, Vec<LockEntry>)>,
    /// What they have started from.
    pub(crate) heads: Vec<(JobId, LockHead)>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What its jobs go by.
    pub(crate) record: ReplayRecord,
    /// The one job, where it is not all of them.
    pub(crate) only: Option<JobLabel>,
    /// The kept image that a lone test job runs on.
    pub(crate) image: Option<ImageId>,
    /// Packages that a lone job is given: the earlier run's.
    pub(crate) given: Vec<Artifact>,
    /// What the locks say of the sources' files.
    pub(crate) sources: Vec<preflight_core::SourceFile>,
}

fn conflict(message: String) -> RpcError {
    RpcError::new(ErrorCode::Conflict, message)
}

/// What is run again: all of the ticket, or one job of it.
///
/// # Errors
/// Why it cannot be.
pub(crate) fn plan(earlier: &Earlier, job: Option<JobId>) -> Result<Plan, RpcError> {
    let ticket = &earlier.ticket;
    let id = ticket.id;
    if ticket.is_active() {
        return Err(convert::refusal(&Refusal::Active(id)));
    }
    if ticket.is_of_results() {
        return Err(convert::refusal(&Refusal::OnlyResults(id)));
    }
    if ticket.subtickets.is_empty() {
        return Err(conflict(format!(
            "ticket {id} has no sources: there is nothing in it to run again"
        )));
    }
    if let Some(lone) = ticket.options.replay_of.as_ref().filter(|replay| replay.job.is_some()) {
        let error = conflict(format!(
            "ticket {id} is itself a replay of one job of ticket {}",
            lone.ticket
        ));
        return Err(error.with_hint(format!("replay that one: `preflight replay {}`", lone.ticket)));
    }
    if ticket.gone.contains(&TicketFiles::Sources) {
        let error = conflict(format!("the sources of ticket {id} were freed"));
        return Err(error.with_hint("check them again: a replay is made from the ticket's own sources"));
    }
    let lone = job.map(|job| lone(ticket, job)).transpose()?;
    let replayed: Vec<&Job> = match lone {
        Some(job) => vec![job],
        None => ticket.jobs.iter().filter(|job| is_replayed(job)).collect(),
    };
    let mut jobs = Vec::new();
    let mut sources = Vec::new();
    for job in replayed {
        if let Some((replay, head)) = of_job(earlier, job)? {
            sources.extend(head.sources.iter().cloned());
            jobs.push((label(job), replay));
        }
    }
    if jobs.is_empty() {
        return Err(conflict(format!(
            "no job of ticket {id} has come to an end: there is nothing to run again"
        )));
    }
    let given = lone.map_or_else(|| Ok(Vec::new()), |job| given(ticket, job))?;
    let image = match lone.map(|job| job.kind) {
        // Where nothing was built, it ran on the base image.
        Some(JobKind::Test) if !ticket.options.tests.no_build => {
            let image = ticket.image.clone();
            Some(image.ok_or_else(|| convert::refusal(&Refusal::NoImage(id)))?)
        }
        _ => None,
    };
    Ok(Plan {
        record: ReplayRecord {
            jobs,
            given: given
                .iter()
                .map(|artifact| (artifact.name.clone(), artifact.sha256, artifact.size))
                .collect(),
        },
        only: lone.map(label),
        image,
        given,
        sources,
    })
}

fn is_replayed(job: &Job) -> bool {
    job.rerun.is_none() && KINDS.contains(&job.kind)
}

fn label(job: &Job) -> JobLabel {
    JobLabel {
        kind: job.kind,
        source: job.source.clone(),
    }
}

fn lone(ticket: &Ticket, id: JobId) -> Result<&Job, RpcError> {
    let job = ticket
        .job(id)
        .ok_or_else(|| RpcError::new(ErrorCode::NotFound, format!("ticket {} has no job {id}", ticket.id)));
    let job = job.map_err(|error| error.with_hint(format!("`preflight ticket show {}` shows its jobs", ticket.id)))?;
    if !is_replayed(job) {
        let what = if job.rerun.is_some() {
            "is a rerun".to_owned()
        } else {
            format!("is of the kind {}", job.kind)
        };
        let error = RpcError::new(ErrorCode::InvalidParams, format!("job {id} {what}"));
        return Err(error.with_hint("builds, images and tests can be run again"));
    }
    if job.state == JobState::Skipped {
        return Err(conflict(format!("job {id} was not run: there is nothing to run again")));
    }
    Ok(job)
}

/// What a job goes by; none where it was not run, since what it needs had failed.
fn of_job<'a>(earlier: &'a Earlier, job: &Job) -> Result<Option<(JobReplay, &'a LockHead)>, RpcError> {
    match job.state {
        JobState::Passed | JobState::Failed => {}
        JobState::Skipped => return Ok(None),
        JobState::Queued | JobState::Running | JobState::Cancelled => {
            let message = format!("{} was cancelled: its lock is not whole", label(job));
            return Err(conflict(format!("ticket {}: the {message}", job.ticket))
                .with_hint("check the sources again, and let it run to its end"));
        }
    }
    let found = earlier.heads.iter().find(|(of, _)| *of == job.id);
    let Some((_, head)) = found else {
        let message = format!(
            "ticket {}: the lock of the {} does not say which base image it started from",
            job.ticket,
            label(job)
        );
        return Err(conflict(message).with_hint("check the sources again: a release before replays ran this ticket"));
    };
    let entries = earlier.locks.iter().find(|(of, _)| *of == job.id);
    let entries = entries.map_or(&[][..], |(_, entries)| entries);
    let lock = lock(entries).map_err(|error| conflict(format!("the lock of the {}: {error}", label(job))))?;
    let replay = JobReplay {
        base: head.base.clone(),
        lock,
    };
    Ok(Some((replay, head)))
}

/// The packages that were there when a job was run.
fn given(ticket: &Ticket, lone: &Job) -> Result<Vec<Artifact>, RpcError> {
    let builds = |job: &&Job| job.kind == JobKind::Build;
    let jobs: BTreeSet<JobId> = match lone.kind {
        JobKind::Build => before(ticket, lone),
        _ => ticket.jobs.iter().filter(builds).map(|job| job.id).collect(),
    };
    let given = ticket.artifacts.iter().filter(|record| jobs.contains(&record.job));
    let given: Vec<Artifact> = given
        .map(|record| record.artifact.clone())
        .filter(|artifact| artifact.name.ends_with(".deb"))
        .collect();
    if !given.is_empty() && ticket.gone.contains(&TicketFiles::Artifacts) {
        let error = conflict(format!("the packages of ticket {} were freed", ticket.id));
        return Err(error.with_hint(format!("replay all of it: `preflight replay {}`", ticket.id)));
    }
    Ok(given)
}

/// All jobs that had to pass before this one.
fn before(ticket: &Ticket, job: &Job) -> BTreeSet<JobId> {
    let mut found = BTreeSet::new();
    let mut open = job.needs.clone();
    while let Some(id) = open.pop() {
        if found.insert(id) {
            open.extend(ticket.job(id).into_iter().flat_map(|job| &job.needs));
        }
    }
    found
}

impl Plan {
    /// The ticket that carries it out.
    pub(crate) fn ticket(&self, earlier: &Ticket, owner: String) -> NewTicket {
        let mut options = earlier.options.clone();
        options.replay_of = Some(ReplayOf {
            ticket: earlier.id,
            job: self.only.clone(),
            image: self.image.clone(),
        });
        // Not in a shell of it either: where packages come from may be a stranger's word, in a ticket that was imported.
        options.offline = true;
        // Its packages are for nobody but who compares them.
        options.pool_repositories = 0;
        // What was run beside the ticket's own jobs is not replayed.
        options.tests.rerun_failed = 0;
        options.tests.baseline = BaselinePolicy::Never;
        NewTicket {
            title: format!("replay of #{}: {}", earlier.id, earlier.title),
            description: earlier.description.clone(),
            bug: earlier.bug.clone(),
            owner,
            series: earlier.series.clone(),
            options,
            subtickets: subtickets(earlier),
            preparation: None,
            wait: false,
            warnings: vec![],
        }
    }
}

/// The same sources in the same order, as source packages.
fn subtickets(ticket: &Ticket) -> Vec<NewSubticket> {
    let builds: Vec<(Option<SubticketId>, BTreeSet<JobId>)> = ticket
        .jobs
        .iter()
        .filter(|job| job.kind == JobKind::Build)
        .map(|job| (job.subticket, before(ticket, job)))
        .collect();
    let build_of = |id: SubticketId| {
        let of = |job: &&Job| job.kind == JobKind::Build && job.subticket == Some(id);
        ticket.jobs.iter().find(of).map(|job| job.id)
    };
    let after = |id: SubticketId| {
        let needed = builds.iter().find(|(of, _)| *of == Some(id)).map(|(_, needed)| needed);
        let places = ticket.subtickets.iter().enumerate();
        let is_needed = |other: SubticketId| {
            build_of(other).is_some_and(|build| needed.is_some_and(|needed| needed.contains(&build)))
        };
        places
            .filter(|(_, other)| is_needed(other.id))
            .map(|(place, _)| place)
            .collect()
    };
    let subticket = |subticket: &preflight_core::Subticket| NewSubticket {
        source: subticket.source.clone(),
        version: subticket.version.clone(),
        origin: subticket.origin.clone(),
        signature: subticket.signature.clone(),
        staged: subticket.staged.clone(),
        needs_source_package: false,
        build_after: after(subticket.id),
    };
    ticket.subtickets.iter().map(subticket).collect()
}
