//! Writes a ticket's bundle: first what is there, with its digests, then the description, then the files as they were
//! found. A file that changes in between ends the export.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use preflight_archive::ArchiveStateId;
use preflight_bundle::{ArchiveState, BaseFacts, BundleError, Document, FORMAT, Lock, Origin, Place, Writer};
use preflight_core::{ImageKind, ImageRecord};
use preflight_debian::Sha256Digest;
use preflight_protocol::error::{ErrorCode, RpcError};

use super::carried::{Cargo, open};
use super::convert;
use super::desk::{Exported, Outgoing, Transfer, at};
use crate::output_file::OutputFile;

/// The longest host name that is written down, in characters.
const LONGEST_HOST: usize = 64;

/// The images that a ticket was run on, as far as they are still there: its own, and the base images that its jobs have
/// started from. Where that was not written down, the newest of the series that were there when it ended.
pub(super) fn images(outgoing: &Outgoing) -> Vec<&ImageRecord> {
    let ticket = &outgoing.ticket;
    let by_id = |id| outgoing.images.iter().find(|image| Some(&image.id) == id);
    let own = by_id(ticket.image.as_ref());
    let parent = own.and_then(|image| by_id(image.parent.as_ref()));
    let ended = ticket.end.as_ref().map_or(ticket.created_at, |end| end.at);
    let newest = |kind| {
        let of_kind = outgoing.images.iter().filter(move |image| image.kind == kind);
        let before = of_kind.filter(|image| image.series == ticket.series && image.created_at <= ended);
        before.max_by_key(|image| (image.created_at, &image.id))
    };
    let of_heads = outgoing.heads.iter().filter_map(|(_, head)| by_id(Some(&head.base)));
    let mut images: Vec<&ImageRecord> = own.into_iter().chain(parent).chain(of_heads).collect();
    for kind in [ImageKind::Base, ImageKind::BaseBuild] {
        if !images.iter().any(|image| image.kind == kind) {
            images.extend(newest(kind));
        }
    }
    let mut seen = BTreeSet::new();
    images.retain(|image| seen.insert(&image.id));
    images
}

/// Writes the file.
pub(super) fn write(
    desk: &Transfer,
    outgoing: &Outgoing,
    images: &[(ImageRecord, Option<BaseFacts>)],
    target: &Path,
    with_packages: bool,
) -> Result<Exported, RpcError> {
    let ticket = &outgoing.ticket;
    let folder = desk.tickets.ticket(ticket.id);
    let states = states(outgoing, images);
    let mut cargo = Cargo::default();
    cargo
        .ticket(ticket, &folder)
        .map_err(|error| at(folder.root(), &error))?;
    let files = cargo.files.len();
    if with_packages {
        objects(desk, outgoing, &states, &mut cargo)?;
    }
    let document = Document {
        format: FORMAT,
        release: env!("CARGO_PKG_VERSION").to_owned(),
        origin: Origin {
            host: host_name(),
            ticket: ticket.id.0,
            exported_at: Timestamp::now(),
        },
        ticket: convert::to::ticket(ticket).map_err(refused)?,
        images: images
            .iter()
            .map(|(image, base)| convert::to::image(image, base.clone()))
            .collect(),
        locks: locks(outgoing),
        states,
        files: cargo.files.iter().map(|found| found.file.clone()).collect(),
    };
    let output = OutputFile::begin(target).map_err(|error| at(target, &error))?;
    let mut writer = Writer::begin(output.file(), &document).map_err(|error| failed(target, error))?;
    for found in &cargo.files {
        let file = open(&found.path).map_err(|error| at(&found.path, &error))?;
        writer.append(file).map_err(|error| failed(target, error))?;
    }
    let written = writer.finish().map_err(|error| failed(target, error))?;
    let size = written.metadata().map_err(|error| at(target, &error))?.len();
    output.publish().map_err(|error| at(target, &error))?;
    let is_object = |found: &&super::carried::Found| found.file.name.place() == Place::Objects;
    Ok(Exported {
        size,
        files,
        objects: cargo.files.iter().filter(is_object).count(),
        left_out: cargo.left_out,
    })
}

/// The locks of the jobs that have started from anything or fetched anything.
fn locks(outgoing: &Outgoing) -> Vec<Lock> {
    let jobs = outgoing.ticket.jobs.iter().map(|job| job.id);
    let of = |job| {
        let head = outgoing.heads.iter().find(|(other, _)| *other == job);
        let entries = outgoing.locks.iter().find(|(other, _)| *other == job);
        (head.is_some() || entries.is_some()).then(|| {
            let entries = entries.map_or(&[][..], |(_, entries)| entries);
            convert::to::lock(job, head.map(|(_, head)| head), entries)
        })
    };
    jobs.filter_map(of).collect()
}

/// The archive states that the ticket's sources and its images name.
fn states(outgoing: &Outgoing, images: &[(ImageRecord, Option<BaseFacts>)]) -> Vec<ArchiveState> {
    let sources = &outgoing.ticket.options.sources;
    let digest = |state: preflight_core::Sha256| Sha256Digest::from_bytes(state.0);
    let snapshot = sources
        .snapshot
        .iter()
        .map(|pinned| (digest(pinned.state), format!("snapshot {}", pinned.name)));
    let ppas = sources
        .ppas
        .iter()
        .map(|ppa| (digest(ppa.state), format!("PPA {}", ppa.name)));
    let bases = images.iter().filter_map(|(image, base)| {
        let state = base.as_ref()?.state?;
        Some((state, format!("image {}", image.id)))
    });
    let all = snapshot.chain(ppas).chain(bases);
    all.map(|(digest, named_by)| ArchiveState { digest, named_by })
        .collect()
}

/// All objects that locks and states name. Of a state most indices were never fetched; of a lock all were.
fn objects(desk: &Transfer, outgoing: &Outgoing, states: &[ArchiveState], cargo: &mut Cargo) -> Result<(), RpcError> {
    let store = desk.store();
    let broken = |error: std::io::Error| RpcError::new(ErrorCode::Host, format!("the archive's store: {error}"));
    let mut seen = BTreeSet::new();
    for entry in outgoing.locks.iter().flat_map(|(_, entries)| entries) {
        let sha256 = Sha256Digest::from_bytes(entry.sha256.0);
        if seen.insert(sha256) && !cargo.object(store, sha256).map_err(broken)? {
            cargo
                .left_out
                .push(format!("{}: it is no longer in the store", entry.url));
        }
    }
    for state in states {
        let id: Option<ArchiveStateId> = state.digest.to_string().parse().ok();
        let named = id.and_then(|id| desk.archive.named_by_state(id).ok());
        let Some(named) = named else {
            cargo.left_out.push(format!(
                "the archive state of the {}: it is no longer in the store",
                state.named_by
            ));
            continue;
        };
        for sha256 in named {
            if seen.insert(sha256) {
                cargo.object(store, sha256).map_err(broken)?;
            }
        }
    }
    Ok(())
}

fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().chars().take(LONGEST_HOST).collect()
}

fn refused(why: String) -> RpcError {
    RpcError::new(ErrorCode::Conflict, format!("the ticket cannot be exported: {why}"))
}

fn failed(target: &Path, error: BundleError) -> RpcError {
    match error {
        BundleError::Store(error) => at(target, &error),
        error @ BundleError::Changed { .. } => {
            RpcError::new(ErrorCode::Conflict, error.to_string()).with_hint("try again")
        }
        other => refused(other.to_string()),
    }
}
