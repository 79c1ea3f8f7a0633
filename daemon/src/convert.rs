//! From the daemon's own types to the wire's and back. The only room that knows both; it decides nothing.

mod asked;
mod finding;
mod package_sources;
mod ppas;
mod promotions;
mod replays;
pub(crate) mod test_options;
pub(crate) mod verdicts;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use preflight_core as core;
use preflight_protocol as wire;
use preflight_protocol::event::EventKind;
use preflight_protocol::ids;

use crate::beats::Live;

pub(crate) use asked::{options, refusal};
use finding::finding;
pub(crate) use ppas::{ppa, ppa_refusal, ppa_state};
pub(crate) use promotions::{advice, history, link_move, missing, pool_repository, repository_state};
pub(crate) use replays::agreement;

/// What running jobs last said, by job.
pub(crate) type LiveJobs = BTreeMap<core::JobId, Live>;

pub(crate) fn ticket_id(id: core::TicketId) -> ids::TicketId {
    ids::TicketId(id.0)
}

pub(crate) fn job_id(id: core::JobId) -> ids::JobId {
    ids::JobId(id.0)
}

pub(crate) fn sequence(seq: core::Sequence) -> ids::Sequence {
    ids::Sequence(seq.0)
}

/// A moment; one that no calendar has is the epoch.
pub(crate) fn moment(moment: core::Moment) -> ids::Moment {
    ids::Moment(Timestamp::from_microsecond(moment.0).unwrap_or(Timestamp::UNIX_EPOCH))
}

pub(crate) fn image_id(id: &core::ImageId) -> ids::ImageId {
    ids::ImageId(id.0.clone())
}

pub(crate) fn series(series: &core::Series) -> ids::Series {
    ids::Series(series.0.clone())
}

pub(crate) fn log_name(name: &core::LogName) -> wire::log::LogName {
    wire::log::LogName(name.0.clone())
}

pub(crate) fn digest(digest: core::Sha256) -> ids::Sha256 {
    ids::Sha256(digest.to_string())
}

pub(crate) fn outcome(outcome: core::Outcome) -> wire::result::Outcome {
    use wire::result::Outcome;
    match outcome {
        core::Outcome::Pass => Outcome::Pass,
        core::Outcome::Fail => Outcome::Fail,
        core::Outcome::Skipped => Outcome::Skipped,
        core::Outcome::NoTests => Outcome::NoTests,
        core::Outcome::BadPackage => Outcome::BadPackage,
        core::Outcome::TestbedBroken => Outcome::TestbedBroken,
        core::Outcome::Cancelled => Outcome::Cancelled,
    }
}

fn job_kind(kind: core::JobKind) -> wire::job::JobKind {
    use wire::job::JobKind;
    match kind {
        core::JobKind::Snapshot => JobKind::Snapshot,
        core::JobKind::BaseImage => JobKind::BaseImage,
        core::JobKind::Prefetch => JobKind::Prefetch,
        core::JobKind::Source => JobKind::Source,
        core::JobKind::Build => JobKind::Build,
        core::JobKind::Image => JobKind::Image,
        core::JobKind::Test => JobKind::Test,
    }
}

fn job_state(state: core::JobState) -> wire::job::JobState {
    use wire::job::JobState;
    match state {
        core::JobState::Queued => JobState::Queued,
        core::JobState::Running => JobState::Running,
        core::JobState::Passed => JobState::Passed,
        core::JobState::Failed => JobState::Failed,
        core::JobState::Cancelled => JobState::Cancelled,
        core::JobState::Skipped => JobState::Skipped,
    }
}

fn step(step: core::WorkflowStep) -> wire::ticket::WorkflowStep {
    use wire::ticket::WorkflowStep;
    match step {
        core::WorkflowStep::Queued => WorkflowStep::Queued,
        core::WorkflowStep::PackageBuilding => WorkflowStep::PackageBuilding,
        core::WorkflowStep::ImageBuilding => WorkflowStep::ImageBuilding,
        core::WorkflowStep::ImageTesting => WorkflowStep::ImageTesting,
        core::WorkflowStep::PackagePublishing => WorkflowStep::PackagePublishing,
        core::WorkflowStep::Failed => WorkflowStep::Failed,
        core::WorkflowStep::Complete => WorkflowStep::Complete,
    }
}

fn status(status: core::TicketStatus) -> wire::ticket::TicketStatus {
    use wire::ticket::TicketStatus;
    match status {
        core::TicketStatus::Waiting => TicketStatus::Waiting,
        core::TicketStatus::Queued => TicketStatus::Queued,
        core::TicketStatus::Running => TicketStatus::Running,
        core::TicketStatus::Complete => TicketStatus::Complete,
        core::TicketStatus::Failed => TicketStatus::Failed,
        core::TicketStatus::Cancelled => TicketStatus::Cancelled,
    }
}

fn first_error(error: &core::FirstError) -> wire::job::FirstError {
    wire::job::FirstError {
        log: log_name(&error.log),
        line: error.line,
        text: error.text.clone(),
    }
}

/// What a job last said, as it stands at `now`; none before it has said what it does.
pub(crate) fn progress(live: &Live, now: Instant) -> Option<wire::job::Progress> {
    let seconds = |left: Duration| u32::try_from(left.as_secs()).unwrap_or(u32::MAX);
    Some(wire::job::Progress {
        phase: live.phase.clone()?,
        fraction: live.fraction(now),
        estimate_s: live.remaining(now).map(seconds),
    })
}

pub(crate) fn beat(job: core::JobId, live: &Live, now: Instant) -> wire::event::Beat {
    wire::event::Beat {
        ticket: ticket_id(live.ticket),
        job: job_id(job),
        progress: progress(live, now),
        log: log_name(&live.log),
        log_size: live.log_size,
    }
}

fn attempt(record: &core::AttemptRecord) -> wire::job::AttemptRecord {
    wire::job::AttemptRecord {
        attempt: ids::Attempt(record.attempt.0),
        started_at: moment(record.started_at),
        finished_at: record.finished_at.map(moment),
        outcome: record.outcome.map(outcome),
        reason: record.reason.clone(),
        log: log_name(&record.log),
        first_error: record.first_error.as_ref().map(first_error),
        unresponsive: record.unresponsive,
        kept: record.kept,
    }
}

fn job(job: &core::Job, live: &LiveJobs, verdict: Option<core::Verdict>) -> wire::job::Job {
    let newest = job.newest();
    // What interrupted a queued job's last attempt is no reason of the job's.
    let ended = newest.filter(|_| !matches!(job.state, core::JobState::Queued | core::JobState::Running));
    wire::job::Job {
        id: job_id(job.id),
        ticket: ticket_id(job.ticket),
        kind: job_kind(job.kind),
        subticket: job.subticket.map(|id| ids::SubticketId(id.0)),
        source: job.source.clone(),
        needs: job.needs.iter().copied().map(job_id).collect(),
        rerun: job.rerun.as_ref().map(|rerun| wire::job::Rerun {
            test: rerun.test.clone(),
            purpose: match rerun.purpose {
                core::Purpose::Asked => wire::job::Purpose::Asked,
                core::Purpose::Repeat => wire::job::Purpose::Repeat,
                core::Purpose::Baseline => wire::job::Purpose::Baseline,
            },
            dirty: rerun.dirty,
            verdict: verdict.map(verdicts::verdict),
        }),
        state: job_state(job.state),
        attempt: ids::Attempt(job.attempt().0),
        started_at: newest.map(|record| moment(record.started_at)),
        finished_at: newest.and_then(|record| record.finished_at).map(moment),
        outcome: match job.state {
            core::JobState::Cancelled => Some(wire::result::Outcome::Cancelled),
            _ => ended.and_then(|record| record.outcome).map(outcome),
        },
        reason: match job.state {
            core::JobState::Cancelled => Some("cancelled".to_owned()),
            _ => job
                .reason
                .clone()
                .or_else(|| ended.and_then(|record| record.reason.clone())),
        },
        first_error: ended.and_then(|record| record.first_error.as_ref()).map(first_error),
        log: newest.map(|record| log_name(&record.log)),
        progress: live
            .get(&job.id)
            .filter(|_| job.state == core::JobState::Running)
            .and_then(|live| progress(live, Instant::now())),
        attempts: job.attempts.iter().map(attempt).collect(),
    }
}

pub(crate) fn test_status(status: core::TestStatus) -> wire::result::TestStatus {
    use wire::result::TestStatus;
    match status {
        core::TestStatus::Pass => TestStatus::Pass,
        core::TestStatus::Fail => TestStatus::Fail,
        core::TestStatus::Skip => TestStatus::Skip,
        core::TestStatus::Flaky => TestStatus::Flaky,
    }
}

fn test(test: &core::TestRecord, ticket: &core::Ticket, verdict: Option<core::Verdict>) -> wire::result::TestResult {
    let result = &test.result;
    wire::result::TestResult {
        source: result.source.clone(),
        name: result.name.clone(),
        status: test_status(result.status),
        reason: result.reason.clone(),
        duration_s: result.duration.as_secs_f64(),
        job: job_id(test.job),
        log_line: result.log_line,
        dirty: rerun_of(test, ticket).is_some_and(|rerun| rerun.dirty),
        verdict: verdict.map(verdicts::verdict),
    }
}

fn rerun_of<'a>(test: &core::TestRecord, ticket: &'a core::Ticket) -> Option<&'a core::Rerun> {
    ticket.job(test.job)?.rerun.as_ref()
}

fn artifact(artifact: &core::ArtifactRecord) -> wire::result::Artifact {
    wire::result::Artifact {
        name: artifact.artifact.name.clone(),
        sha256: digest(artifact.artifact.sha256),
        size: artifact.artifact.size,
        path: artifact.artifact.path.clone(),
        job: job_id(artifact.job),
    }
}

fn subticket(subticket: &core::Subticket) -> wire::ticket::Subticket {
    use wire::ticket::Signature;
    wire::ticket::Subticket {
        id: ids::SubticketId(subticket.id.0),
        source: subticket.source.clone(),
        version: subticket.version.clone(),
        origin: subticket.origin.clone(),
        signature: match subticket.signature.clone() {
            core::Signature::None => Signature::None,
            core::Signature::Good { signer, fingerprint } => Signature::Good { signer, fingerprint },
            core::Signature::Unverified { reason } => Signature::Unverified { reason },
        },
    }
}

pub(crate) fn summary(ticket: &core::Ticket, live: &LiveJobs) -> wire::ticket::TicketSummary {
    let mut counts = wire::ticket::TestCounts::default();
    for test in ticket.tests.iter().filter(|test| rerun_of(test, ticket).is_none()) {
        *match test.result.status {
            core::TestStatus::Pass => &mut counts.pass,
            core::TestStatus::Fail => &mut counts.fail,
            core::TestStatus::Flaky => &mut counts.flaky,
            core::TestStatus::Skip => &mut counts.skip,
        } += 1;
    }
    let end = ticket.end.as_ref();
    let own = ticket.jobs.iter().filter(|job| job.rerun.is_none());
    let running = own.into_iter().find(|job| job.state == core::JobState::Running);
    wire::ticket::TicketSummary {
        id: ticket_id(ticket.id),
        title: ticket.title.clone(),
        owner: ticket.owner.clone(),
        series: series(&ticket.series),
        workflow_step: step(ticket.step),
        status: status(ticket.status),
        outcome: end.map(|end| outcome(end.outcome)),
        exit_code: end.map(|end| end.exit_code.code()),
        reason: end.and_then(|end| end.reason.clone()),
        sources: ticket
            .subtickets
            .iter()
            .map(|subticket| subticket.source.clone())
            .collect(),
        created_at: moment(ticket.created_at),
        started_at: ticket.started_at.map(moment),
        finished_at: end.map(|end| moment(end.at)),
        queue_position: ticket.queue_position,
        progress: running
            .and_then(|job| live.get(&job.id))
            .and_then(|live| progress(live, Instant::now())),
        test_counts: counts,
        kept: ticket.kept,
        gone: ticket
            .gone
            .iter()
            .map(|files| match files {
                core::TicketFiles::Artifacts => wire::ticket::TicketFiles::Artifacts,
                core::TicketFiles::Sources => wire::ticket::TicketFiles::Sources,
            })
            .collect(),
    }
}

pub(crate) fn ticket(ticket: &core::Ticket, live: &LiveJobs) -> wire::ticket::Ticket {
    wire::ticket::Ticket {
        summary: summary(ticket, live),
        description: ticket.description.clone(),
        bug: ticket.bug.clone(),
        add_packages: ticket.options.add_packages.clone(),
        remove_packages: ticket.options.remove_packages.clone(),
        snapshot: ticket
            .options
            .sources
            .snapshot
            .as_ref()
            .map(|snapshot| snapshot.name.clone()),
        pockets: ticket
            .options
            .sources
            .pockets
            .iter()
            .map(package_sources::pocket)
            .collect(),
        ppas: ticket.options.sources.ppas.iter().map(package_sources::ppa).collect(),
        repositories: ticket
            .options
            .sources
            .repositories
            .iter()
            .map(package_sources::repository)
            .collect(),
        replay_of: ticket.options.replay_of.as_ref().map(replays::replay_of),
        keep_failed: match ticket.options.keep_failed {
            core::KeepFailed::Never => wire::ticket::KeepFailed::Never,
            core::KeepFailed::Newest => wire::ticket::KeepFailed::Newest,
            core::KeepFailed::Always => wire::ticket::KeepFailed::Always,
        },
        test_options: test_options::test_options(&ticket.options.tests),
        priority: match ticket.options.priority {
            core::Priority::Interactive => wire::ticket::Priority::Interactive,
            core::Priority::Normal => wire::ticket::Priority::Normal,
            core::Priority::Background => wire::ticket::Priority::Background,
        },
        subtickets: ticket.subtickets.iter().map(subticket).collect(),
        jobs: ticket.jobs.iter().map(|one| job(one, live, None)).collect(),
        tests: {
            let verdicts = core::Verdicts::of(ticket);
            let of = |record: &core::TestRecord| match rerun_of(record, ticket) {
                Some(_) => None,
                None => verdicts.over(&record.result),
            };
            let tests = ticket.tests.iter();
            tests.map(|record| test(record, ticket, of(record))).collect()
        },
        findings: ticket.findings.iter().map(|record| finding(record, ticket)).collect(),
        artifacts: ticket.artifacts.iter().map(artifact).collect(),
        image: ticket.image.as_ref().map(image_id),
        warnings: ticket.warnings.clone(),
        origin: match &ticket.origin {
            Some(core::Origin::Ticket(there)) => Some(origin(there)),
            Some(core::Origin::Results(_)) | None => None,
        },
        results_origin: match &ticket.origin {
            Some(core::Origin::Results(there)) => Some(results_origin(there)),
            Some(core::Origin::Ticket(_)) | None => None,
        },
    }
}

/// The results that a ticket was made of.
pub(crate) fn results_origin(origin: &core::ResultsOrigin) -> wire::results::ResultsOrigin {
    wire::results::ResultsOrigin {
        place: origin.place.clone(),
        format: origin.format.clone(),
        imported_at: moment(origin.imported_at),
    }
}

/// Where an imported ticket comes from.
pub(crate) fn origin(origin: &core::TicketOrigin) -> wire::transfer::Origin {
    wire::transfer::Origin {
        host: origin.host.clone(),
        ticket: ticket_id(origin.ticket),
        exported_at: moment(origin.exported_at),
    }
}

pub(crate) fn image(image: &core::ImageRecord, state: &core::State) -> wire::image::ImageInfo {
    wire::image::ImageInfo {
        id: image_id(&image.id),
        series: series(&image.series),
        kind: match image.kind {
            core::ImageKind::Base => wire::image::ImageKind::Base,
            core::ImageKind::BaseBuild => wire::image::ImageKind::BaseBuild,
            core::ImageKind::Ticket => wire::image::ImageKind::Ticket,
        },
        size: image.size,
        created_at: moment(image.created_at),
        users: state.users(image).into_iter().map(ticket_id).collect(),
        path: image.path.clone(),
        names: vec![],
    }
}

/// A job's lock; `sources` are its ticket's.
pub(crate) fn lock(
    job: core::JobId,
    head: Option<&core::LockHead>,
    entries: Vec<core::LockEntry>,
    sources: &core::PackageSources,
) -> wire::archive::Lock {
    let entry = |entry: core::LockEntry| wire::archive::LockEntry {
        url: entry.url,
        sha256: digest(entry.sha256),
        size: entry.size,
        origin: entry.origin,
    };
    wire::archive::Lock {
        job: job_id(job),
        head: head.map(|head| replays::lock_head(head, sources)),
        entries: entries.into_iter().map(entry).collect(),
    }
}

/// What subscribers are told of an event. `state` is the one after it, so that its noun is whole.
pub(crate) fn event(event: &core::Event, state: &core::State, live: &LiveJobs) -> Option<EventKind> {
    use core::Event;
    let whole = event.ticket().and_then(|id| state.ticket(id));
    Some(match event {
        Event::TicketCreated(_) | Event::TicketImported(_) => EventKind::TicketCreated(Box::new(ticket(whole?, live))),
        Event::TicketEdited { .. }
        | Event::TicketQueued { .. }
        | Event::QueuePlaced { .. }
        | Event::TicketAdvanced { .. }
        | Event::FilesForgotten { .. }
        | Event::TicketEnded { .. } => EventKind::TicketChanged(Box::new(summary(whole?, live))),
        Event::TicketRemoved { ticket } => EventKind::TicketRemoved { id: ticket_id(*ticket) },
        Event::JobAdded(added) => EventKind::JobChanged(Box::new(job(whole?.job(added.id)?, live, None))),
        Event::JobStarted { job: id, .. }
        | Event::TestbedKept { job: id, .. }
        | Event::TestbedForgotten { job: id, .. }
        | Event::AttemptEnded { job: id, .. }
        | Event::AttemptInterrupted { job: id, .. }
        | Event::JobSkipped { job: id, .. }
        | Event::JobCancelled { job: id, .. }
        // The lock itself is asked for: it may have thousands of entries.
        | Event::LockHeadRecorded { job: id, .. }
        | Event::LockRecorded { job: id, .. } => {
            let found = whole?.job(*id)?;
            EventKind::JobChanged(Box::new(job(found, live, verdicts::told_by(found, whole?))))
        }
        // What it means is told by the jobs that judge it.
        Event::TestRecorded { test: record, .. } => EventKind::TestRecorded(test(record, whole?, None)),
        Event::FindingRecorded { finding: record, .. } => {
            EventKind::FindingRecorded(Box::new(finding(record, whole?)))
        }
        Event::ArtifactStored { artifact: record, .. } => EventKind::ArtifactStored(artifact(record)),
        Event::WarningRaised { text, .. } => EventKind::WarningRaised { text: text.clone() },
        Event::ImageAdded { image: record, .. } => EventKind::ImageAdded(image(record, state)),
        Event::LinkMoved(step) => EventKind::LinkMoved(link_move(step)),
        Event::PoolChanged(repository) => EventKind::PoolChanged(pool_repository(repository)),
        Event::PpaAdded(added) => EventKind::PpaChanged(Box::new(ppa(added))),
        Event::PpaRefreshed { name, .. } => EventKind::PpaChanged(Box::new(ppa(state.ppa(name)?))),
        Event::PpaRemoved { name } => EventKind::PpaRemoved { name: name.to_string() },
        Event::ImageRemoved { id } => EventKind::ImageRemoved { id: image_id(id) },
    })
}
