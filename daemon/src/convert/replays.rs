//! Replays and what locks say, as clients are told of them.

use preflight_core as core;
use preflight_core::{LockHead, PackageSources, ReplayOf, TicketId, What};
use preflight_protocol::archive::{self, NamedState};
use preflight_protocol::replay::{Agreement, AgreementCounts, Difference, DifferenceKind, JobLabel};
use preflight_protocol::{self as wire};

use super::{digest, image_id, job_kind, ticket_id};

pub(crate) fn replay_of(replay: &ReplayOf) -> wire::replay::ReplayOf {
    wire::replay::ReplayOf {
        ticket: ticket_id(replay.ticket),
        job: replay.job.as_ref().map(label),
    }
}

fn label(label: &core::JobLabel) -> JobLabel {
    JobLabel {
        kind: job_kind(label.kind),
        source: label.source.clone(),
    }
}

pub(crate) fn agreement(ticket: TicketId, replay: &ReplayOf, found: &core::Agreement) -> Agreement {
    let difference = |difference: &core::Difference| Difference {
        job: label(&difference.job),
        what: match difference.what {
            What::Job { .. } => DifferenceKind::Job,
            What::Test { .. } => DifferenceKind::Test,
            What::Lock { .. } => DifferenceKind::Lock,
            What::Artifact { .. } => DifferenceKind::Package,
        },
        text: difference.to_string(),
    };
    Agreement {
        ticket: ticket_id(ticket),
        replay_of: replay_of(replay),
        agrees: found.agrees(),
        same_results: found.same_results(),
        same: AgreementCounts {
            jobs: found.same.jobs as u64,
            tests: found.same.tests as u64,
            packages: found.same.packages as u64,
            files: found.same.files as u64,
        },
        differences: found.differences.iter().map(difference).collect(),
    }
}

/// What a job's lock says beside the files; `sources` are its ticket's.
pub(crate) fn lock_head(head: &LockHead, sources: &PackageSources) -> archive::LockHead {
    let snapshot = sources.snapshot.iter().map(|pinned| NamedState {
        name: pinned.name.clone(),
        state: digest(pinned.state),
    });
    let ppas = sources.ppas.iter().map(|used| NamedState {
        name: used.name.clone(),
        state: digest(used.state),
    });
    let repositories = sources.repositories.iter().map(|used| NamedState {
        name: used.to_string(),
        state: digest(used.generation),
    });
    archive::LockHead {
        base: image_id(&head.base),
        archive_state: head.archive_state.map(digest),
        image: head.image.as_ref().map(image_id),
        states: snapshot.chain(ppas).chain(repositories).collect(),
        sources: head
            .sources
            .iter()
            .map(|file| archive::SourceFile {
                name: file.name.clone(),
                sha256: digest(file.sha256),
                size: file.size,
            })
            .collect(),
    }
}
