//! From the daemon's own types to the bundle's.

use std::time::Duration;

use jiff::Timestamp;
use preflight_bundle as bundle;
use preflight_core as core;
use preflight_debian::Sha256Digest;

use super::{finding, test_options, words};

fn moment(moment: core::Moment) -> Timestamp {
    Timestamp::from_microsecond(moment.0).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn digest(digest: core::Sha256) -> Sha256Digest {
    Sha256Digest::from_bytes(digest.0)
}

pub(super) fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A ticket; the error says in words why it cannot be carried.
pub(crate) fn ticket(ticket: &core::Ticket) -> Result<bundle::Ticket, String> {
    let open = || "it has not ended".to_owned();
    let end = ticket.end.as_ref().ok_or_else(open)?;
    Ok(bundle::Ticket {
        title: ticket.title.clone(),
        description: ticket.description.clone(),
        bug: ticket.bug.clone(),
        owner: ticket.owner.clone(),
        series: ticket.series.0.clone(),
        options: options(&ticket.options),
        status: words::to_status(ticket.status).ok_or_else(open)?,
        created_at: moment(ticket.created_at),
        queued_at: ticket.queued_at.map(moment),
        started_at: ticket.started_at.map(moment),
        end: bundle::End {
            outcome: words::to_outcome(end.outcome),
            exit_code: end.exit_code.code(),
            reason: end.reason.clone(),
            at: moment(end.at),
        },
        subtickets: ticket.subtickets.iter().map(subticket).collect::<Result<_, _>>()?,
        jobs: ticket
            .jobs
            .iter()
            .map(|one| job(one).ok_or_else(open))
            .collect::<Result<_, _>>()?,
        tests: ticket.tests.iter().map(test).collect(),
        findings: ticket.findings.iter().map(finding::to).collect(),
        artifacts: ticket.artifacts.iter().map(artifact).collect(),
        image: ticket.image.as_ref().map(|image| image.0.clone()),
        warnings: ticket.warnings.clone(),
    })
}

fn options(options: &core::Options) -> bundle::Options {
    bundle::Options {
        add_packages: options.add_packages.clone(),
        remove_packages: options.remove_packages.clone(),
        sources: sources(&options.sources),
        offline: options.offline,
        test_timeout_us: options.test_timeout.map(microseconds),
        build_timeout_us: options.build_timeout.map(microseconds),
        keep_going: options.keep_going,
        keep_failed: words::to_keep_failed(options.keep_failed),
        priority: words::to_priority(options.priority),
        tests: test_options::to(&options.tests),
        replay_of: options.replay_of.as_ref().map(|replay| bundle::ReplayOf {
            ticket: replay.ticket.0,
            job: replay.job.as_ref().map(|job| bundle::JobLabel {
                kind: words::to_kind(job.kind),
                source: job.source.clone(),
            }),
        }),
    }
}

fn sources(sources: &core::PackageSources) -> bundle::PackageSources {
    let suite = |suite: &core::AptSuite| bundle::Suite {
        uri: suite.uri.clone(),
        suite: suite.suite.clone(),
        components: suite.components.clone(),
    };
    bundle::PackageSources {
        snapshot: sources.snapshot.as_ref().map(|pinned| bundle::Snapshot {
            name: pinned.name.clone(),
            state: digest(pinned.state),
            suites: pinned.suites.iter().map(suite).collect(),
        }),
        pockets: sources
            .pockets
            .iter()
            .map(|used| bundle::Pocket {
                pocket: used.pocket.name().to_owned(),
                suite: suite(&used.suite),
                packages: used.packages.clone(),
            })
            .collect(),
        ppas: sources
            .ppas
            .iter()
            .map(|used| bundle::Ppa {
                name: used.name.clone(),
                suite: suite(&used.suite),
                upstream: used.upstream.clone(),
                keys: used.keys.clone(),
                state: digest(used.state),
                priority: used.priority,
                packages: used.packages.clone(),
            })
            .collect(),
        repositories: sources
            .repositories
            .iter()
            .map(|used| bundle::Repository {
                ticket: used.ticket.0,
                generation: digest(used.generation),
                link: used.link.as_ref().map(ToString::to_string),
            })
            .collect(),
    }
}

fn subticket(subticket: &core::Subticket) -> Result<bundle::Subticket, String> {
    let staged = subticket.staged.to_string_lossy();
    Ok(bundle::Subticket {
        number: subticket.id.0,
        source: subticket.source.clone(),
        version: subticket.version.clone(),
        origin: subticket.origin.to_string_lossy().into_owned(),
        signature: match subticket.signature.clone() {
            core::Signature::None => bundle::Signature::None,
            core::Signature::Good { signer, fingerprint } => bundle::Signature::Good { signer, fingerprint },
            core::Signature::Unverified { reason } => bundle::Signature::Unverified { reason },
        },
        staged: staged.parse().map_err(|error: bundle::NameError| error.to_string())?,
        needs_source_package: subticket.needs_source_package,
    })
}

fn job(job: &core::Job) -> Option<bundle::Job> {
    Some(bundle::Job {
        number: job.id.0,
        kind: words::to_kind(job.kind),
        subticket: job.subticket.map(|id| id.0),
        needs: job.needs.iter().map(|id| id.0).collect(),
        rerun: job.rerun.as_ref().map(|rerun| bundle::Rerun {
            test: rerun.test.clone(),
            purpose: words::to_purpose(rerun.purpose),
            dirty: rerun.dirty,
        }),
        state: words::to_state(job.state)?,
        reason: job.reason.clone(),
        attempts: job.attempts.iter().map(attempt).collect::<Option<_>>()?,
    })
}

fn attempt(record: &core::AttemptRecord) -> Option<bundle::Attempt> {
    Some(bundle::Attempt {
        number: record.attempt.0,
        started_at: moment(record.started_at),
        finished_at: moment(record.finished_at?),
        outcome: record.outcome.map(words::to_outcome),
        exit_code: record.exit_code.map(core::ExitCode::code),
        reason: record.reason.clone(),
        log: record.log.0.clone(),
        first_error: record.first_error.as_ref().map(|error| bundle::FirstError {
            log: error.log.0.clone(),
            line: error.line,
            text: error.text.clone(),
        }),
        unresponsive: record.unresponsive,
    })
}

fn test(record: &core::TestRecord) -> bundle::Test {
    let result = &record.result;
    bundle::Test {
        job: record.job.0,
        attempt: record.attempt.0,
        source: result.source.clone(),
        name: result.name.clone(),
        status: words::to_test_status(result.status),
        reason: result.reason.clone(),
        duration_us: microseconds(result.duration),
        log_line: result.log_line,
    }
}

fn artifact(record: &core::ArtifactRecord) -> bundle::Artifact {
    bundle::Artifact {
        job: record.job.0,
        attempt: record.attempt.0,
        name: record.artifact.name.clone(),
        sha256: digest(record.artifact.sha256),
        size: record.artifact.size,
    }
}

pub(crate) fn lock(job: core::JobId, head: Option<&core::LockHead>, entries: &[core::LockEntry]) -> bundle::Lock {
    let entry = |entry: &core::LockEntry| bundle::LockEntry {
        url: entry.url.clone(),
        sha256: digest(entry.sha256),
        size: entry.size,
        origin: entry.origin.clone(),
    };
    let source = |file: &core::SourceFile| bundle::SourceFile {
        name: file.name.clone(),
        sha256: digest(file.sha256),
        size: file.size,
    };
    bundle::Lock {
        job: job.0,
        head: head.map(|head| bundle::LockHead {
            base: head.base.0.clone(),
            archive_state: head.archive_state.map(digest),
            image: head.image.as_ref().map(|image| image.0.clone()),
            sources: head.sources.iter().map(source).collect(),
        }),
        entries: entries.iter().map(entry).collect(),
    }
}

pub(crate) fn image(image: &core::ImageRecord, base: Option<bundle::BaseFacts>) -> bundle::Image {
    bundle::Image {
        id: image.id.0.clone(),
        kind: words::to_image_kind(image.kind),
        series: image.series.0.clone(),
        parent: image.parent.as_ref().map(|id| id.0.clone()),
        created_at: moment(image.created_at),
        base,
    }
}
