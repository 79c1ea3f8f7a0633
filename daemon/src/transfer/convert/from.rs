//! From the bundle's types to the daemon's own. What becomes part of a file's name here, or is asked of another program,
//! is judged once more: the file may be a stranger's.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use preflight_bundle as bundle;
use preflight_core as core;
use preflight_debian::{PackageName, Sha256Digest, SourceName, Version};

use super::{finding, test_options, words};
use crate::pipeline::stage::PACKAGE;

/// The longest name of a series or an image.
const LONGEST_NAME: usize = 200;

pub(crate) fn moment(at: Timestamp) -> core::Moment {
    core::Moment(at.as_microsecond())
}

fn digest(digest: Sha256Digest) -> core::Sha256 {
    core::Sha256(*digest.as_bytes())
}

/// A name of the daemon's own making, such as a series' or an image's.
fn name(what: &str, text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    let is_plain = text.bytes().all(plain) && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if is_plain && text.len() <= LONGEST_NAME {
        Ok(text.to_owned())
    } else {
        Err(format!("{:?} is no {what}", text.chars().take(80).collect::<String>()))
    }
}

/// The name of a series.
pub(crate) fn series(text: &str) -> Result<String, String> {
    name("series", text)
}

fn exit_code(code: u8) -> Result<core::ExitCode, String> {
    core::ExitCode::try_from(code).map_err(|code| format!("{code} is no exit code"))
}

/// The ticket with the numbers of there. The paths of its artifacts are their names: where they are here is for others to
/// say. The error is in words.
pub(crate) fn ticket(document: &bundle::Document) -> Result<core::Ticket, String> {
    let ticket = &document.ticket;
    let id = core::TicketId(document.origin.ticket);
    let subtickets: Vec<core::Subticket> = ticket.subtickets.iter().map(subticket).collect::<Result<_, _>>()?;
    let jobs = ticket.jobs.iter().map(|one| job(id, one, &subtickets));
    let status = words::from_status(ticket.status);
    Ok(core::Ticket {
        id,
        title: ticket.title.clone(),
        description: ticket.description.clone(),
        bug: ticket.bug.clone(),
        owner: ticket.owner.clone(),
        series: core::Series(series(&ticket.series)?),
        options: options(&ticket.options)?,
        step: match status {
            core::TicketStatus::Complete => core::WorkflowStep::Complete,
            _ => core::WorkflowStep::Failed,
        },
        status,
        kept: false,
        created_at: moment(ticket.created_at),
        queued_at: ticket.queued_at.map(moment),
        queue_position: None,
        started_at: ticket.started_at.map(moment),
        end: Some(core::TicketEnd {
            outcome: words::from_outcome(ticket.end.outcome),
            exit_code: exit_code(ticket.end.exit_code)?,
            reason: ticket.end.reason.clone(),
            at: moment(ticket.end.at),
        }),
        jobs: jobs.collect::<Result<_, _>>()?,
        subtickets,
        tests: ticket.tests.iter().map(test).collect(),
        findings: ticket.findings.iter().map(finding::from).collect(),
        artifacts: ticket.artifacts.iter().map(artifact).collect(),
        image: match &ticket.image {
            Some(image) => Some(core::ImageId(name("image", image)?)),
            None => None,
        },
        gone: gone(document),
        warnings: ticket.warnings.clone(),
        origin: None,
    })
}

/// What did not come along, since it was freed before.
fn gone(document: &bundle::Document) -> BTreeSet<core::TicketFiles> {
    let names = || document.files.iter().map(|file| &file.name);
    let carried: BTreeSet<&str> = names()
        .filter(|name| name.place() == bundle::Place::Artifacts)
        .map(bundle::EntryName::rest)
        .collect();
    let artifacts = document
        .ticket
        .artifacts
        .iter()
        .any(|artifact| !carried.contains(artifact.name.as_str()));
    let has_package = |subticket: &bundle::Subticket| {
        let package = format!("{}/{PACKAGE}", subticket.staged);
        names().any(|name| name.below(&package).is_some())
    };
    let has_release = |used: &bundle::Repository| {
        let release = bundle::Place::Repositories.file(format!("generation-{}/Release", used.generation));
        release.is_ok_and(|release| names().any(|name| *name == release))
    };
    // They are needed for the same: to run it again.
    let repositories = &document.ticket.options.sources.repositories;
    let sources = !document.ticket.subtickets.iter().all(has_package) || !repositories.iter().all(has_release);
    [
        (core::TicketFiles::Artifacts, artifacts),
        (core::TicketFiles::Sources, sources),
    ]
    .into_iter()
    .filter_map(|(files, gone)| gone.then_some(files))
    .collect()
}

fn options(options: &bundle::Options) -> Result<core::Options, String> {
    let packages = |names: &[String]| {
        let named = |text: &String| match text.parse::<PackageName>() {
            Ok(_) => Ok(text.clone()),
            Err(error) => Err(error.to_string()),
        };
        names.iter().map(named).collect::<Result<Vec<String>, String>>()
    };
    Ok(core::Options {
        add_packages: packages(&options.add_packages)?,
        remove_packages: packages(&options.remove_packages)?,
        sources: sources(&options.sources)?,
        // Such a ticket is not handed on: it has no sources.
        rebuild: None,
        offline: options.offline,
        test_timeout: options.test_timeout_us.map(Duration::from_micros),
        build_timeout: options.build_timeout_us.map(Duration::from_micros),
        keep_going: options.keep_going,
        keep_failed: words::from_keep_failed(options.keep_failed),
        priority: words::from_priority(options.priority),
        // Those of the host that it comes from.
        pool_repositories: 0,
        tests: test_options::from(&options.tests)?,
        replay_of: options.replay_of.as_ref().map(replay_of).transpose()?,
    })
}

fn replay_of(replay: &bundle::ReplayOf) -> Result<core::ReplayOf, String> {
    let label = |job: &bundle::JobLabel| {
        let kind = words::from_kind(&job.kind);
        Ok::<_, String>(core::JobLabel {
            kind: kind.ok_or_else(|| "the job that it ran again is of an unknown kind".to_owned())?,
            source: job.source.as_deref().map(source_name).transpose()?,
        })
    };
    Ok(core::ReplayOf {
        ticket: core::TicketId(replay.ticket),
        job: replay.job.as_ref().map(label).transpose()?,
        image: None,
    })
}

fn source_name(text: &str) -> Result<String, String> {
    let name: SourceName = text.parse().map_err(|error| format!("{error}"))?;
    Ok(name.as_str().to_owned())
}

fn sources(sources: &bundle::PackageSources) -> Result<core::PackageSources, String> {
    let suite = |suite: &bundle::Suite| core::AptSuite {
        uri: suite.uri.clone(),
        suite: suite.suite.clone(),
        components: suite.components.clone(),
    };
    let pocket = |used: &bundle::Pocket| {
        Ok(core::PocketUse {
            pocket: used
                .pocket
                .parse()
                .map_err(|error: core::UnknownPocket| error.to_string())?,
            suite: suite(&used.suite),
            packages: used.packages.clone(),
        })
    };
    let ppa = |used: &bundle::Ppa| core::PpaUse {
        name: used.name.clone(),
        suite: suite(&used.suite),
        upstream: used.upstream.clone(),
        keys: used.keys.clone(),
        state: digest(used.state),
        priority: used.priority,
        packages: used.packages.clone(),
    };
    let repository = |used: &bundle::Repository| {
        let link = used.link.as_deref().map(core::promotion::LinkName::new).transpose();
        Ok(core::RepositoryUse {
            ticket: core::TicketId(used.ticket),
            generation: digest(used.generation),
            link: link.map_err(|error| error.to_string())?,
        })
    };
    Ok(core::PackageSources {
        snapshot: sources.snapshot.as_ref().map(|pinned| core::PinnedSnapshot {
            name: pinned.name.clone(),
            state: digest(pinned.state),
            suites: pinned.suites.iter().map(suite).collect(),
        }),
        pockets: sources.pockets.iter().map(pocket).collect::<Result<_, String>>()?,
        ppas: sources.ppas.iter().map(ppa).collect(),
        repositories: sources
            .repositories
            .iter()
            .map(repository)
            .collect::<Result<_, String>>()?,
    })
}

fn subticket(subticket: &bundle::Subticket) -> Result<core::Subticket, String> {
    let version: Version = subticket.version.parse().map_err(|error| format!("{error}"))?;
    Ok(core::Subticket {
        id: core::SubticketId(subticket.number),
        source: source_name(&subticket.source)?,
        version: version.as_str().to_owned(),
        origin: subticket.origin.clone().into(),
        signature: match subticket.signature.clone() {
            bundle::Signature::None => core::Signature::None,
            bundle::Signature::Good { signer, fingerprint } => core::Signature::Good { signer, fingerprint },
            bundle::Signature::Unverified { reason } => core::Signature::Unverified { reason },
        },
        staged: subticket.staged.as_str().into(),
        needs_source_package: subticket.needs_source_package,
    })
}

fn job(ticket: core::TicketId, job: &bundle::Job, subtickets: &[core::Subticket]) -> Result<core::Job, String> {
    let kind = words::from_kind(&job.kind).ok_or_else(|| {
        let word: String = job.kind.0.chars().take(80).collect();
        format!("job {} is of the kind {word:?}, which is not known here", job.number)
    })?;
    let subticket = job.subticket.map(core::SubticketId);
    let of = subtickets.iter().find(|found| Some(found.id) == subticket);
    Ok(core::Job {
        id: core::JobId(job.number),
        ticket,
        kind,
        subticket,
        source: of.map(|subticket| subticket.source.clone()),
        needs: job.needs.iter().copied().map(core::JobId).collect(),
        rerun: job.rerun.as_ref().map(|rerun| core::Rerun {
            test: rerun.test.clone(),
            purpose: words::from_purpose(rerun.purpose),
            dirty: rerun.dirty,
            staged: rerun.dirty.then(|| format!("reruns/{}", job.number).into()),
        }),
        state: words::from_state(job.state),
        reason: job.reason.clone(),
        attempts: job.attempts.iter().map(attempt).collect::<Result<_, _>>()?,
    })
}

fn attempt(attempt: &bundle::Attempt) -> Result<core::AttemptRecord, String> {
    Ok(core::AttemptRecord {
        attempt: core::Attempt(attempt.number),
        started_at: moment(attempt.started_at),
        finished_at: Some(moment(attempt.finished_at)),
        outcome: attempt.outcome.map(words::from_outcome),
        exit_code: attempt.exit_code.map(exit_code).transpose()?,
        reason: attempt.reason.clone(),
        log: core::LogName(attempt.log.clone()),
        first_error: attempt.first_error.as_ref().map(|error| core::FirstError {
            log: core::LogName(error.log.clone()),
            line: error.line,
            text: error.text.clone(),
        }),
        unresponsive: attempt.unresponsive,
        kept: None,
    })
}

fn test(test: &bundle::Test) -> core::TestRecord {
    core::TestRecord {
        job: core::JobId(test.job),
        attempt: core::Attempt(test.attempt),
        result: core::TestResult {
            source: test.source.clone(),
            name: test.name.clone(),
            status: words::from_test_status(test.status),
            reason: test.reason.clone(),
            duration: Duration::from_micros(test.duration_us),
            log_line: test.log_line,
        },
    }
}

fn artifact(artifact: &bundle::Artifact) -> core::ArtifactRecord {
    core::ArtifactRecord {
        job: core::JobId(artifact.job),
        attempt: core::Attempt(artifact.attempt),
        artifact: core::Artifact {
            name: artifact.name.clone(),
            sha256: digest(artifact.sha256),
            size: artifact.size,
            path: artifact.name.clone().into(),
        },
    }
}

pub(crate) fn lock(lock: &bundle::Lock) -> (core::JobId, Vec<core::LockEntry>) {
    let entry = |entry: &bundle::LockEntry| core::LockEntry {
        url: entry.url.clone(),
        sha256: digest(entry.sha256),
        size: entry.size,
        origin: entry.origin.clone(),
    };
    (core::JobId(lock.job), lock.entries.iter().map(entry).collect())
}

/// What a lock says beside the fetched files, where that was written down.
pub(crate) fn head(lock: &bundle::Lock) -> Result<Option<(core::JobId, core::LockHead)>, String> {
    let Some(head) = &lock.head else { return Ok(None) };
    let source = |file: &bundle::SourceFile| core::SourceFile {
        name: file.name.clone(),
        sha256: digest(file.sha256),
        size: file.size,
    };
    let head = core::LockHead {
        base: core::ImageId(name("image", &head.base)?),
        archive_state: head.archive_state.map(digest),
        image: match &head.image {
            Some(image) => Some(core::ImageId(name("image", image)?)),
            None => None,
        },
        sources: head.sources.iter().map(source).collect(),
    };
    Ok(Some((core::JobId(lock.job), head)))
}
