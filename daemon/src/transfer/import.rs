//! Reads a bundle and makes a ticket of it that can be taken over.

use std::io;
use std::path::Path;
use std::sync::Arc;

use preflight_archive::ContentStore;
use preflight_bundle::{BundleError, read};
use preflight_core::{ImportedTicket, Origin, TicketId, TicketOrigin};
use preflight_protocol::error::{ErrorCode, RpcError};
use tokio::runtime::Handle;

use super::carried::open_named;
use super::convert;
use super::desk::{Transfer, at};
use super::unpack::{Objects, Unpacking};
use crate::disk::{NO_ROOM_HINT, NoRoom};
use crate::services::Staging;

/// What was read of a bundle; nothing of it is stored yet but aside.
#[derive(Debug)]
pub struct Unpacked {
    /// The ticket, with the numbers that it has where it comes from.
    pub ticket: ImportedTicket,
    /// The machine that it comes from.
    pub origin: TicketOrigin,
    /// Its files.
    pub staging: Staging,
    /// The objects of the archive that came with it.
    pub objects: Arc<Objects>,
}

/// Reads and unpacks.
pub(super) fn unpack(desk: &Transfer, runtime: &Handle, path: &Path) -> Result<Unpacked, RpcError> {
    let file = open_named(path).map_err(|error| {
        let code = match error.kind() {
            io::ErrorKind::NotFound => ErrorCode::NotFound,
            _ => ErrorCode::InvalidParams,
        };
        RpcError::new(code, format!("{}: {error}", path.display()))
            .with_hint("name a file that `preflight export` wrote")
    })?;
    let staging = desk.tickets.staging();
    let unpacking = Unpacking::new(&desk.tickets, desk.budget.clone(), runtime.clone());
    let mut unpacking = unpacking.map_err(|error| at(&staging, &error))?;
    let document = read(file, &mut unpacking).map_err(|error| refused(path, &staging, error))?;
    let incoherent = |why: String| refused(path, &staging, BundleError::Incoherent(why));
    let ticket = convert::from::ticket(&document).map_err(incoherent)?;
    let origin = TicketOrigin {
        host: document.origin.host.clone(),
        ticket: TicketId(document.origin.ticket),
        exported_at: convert::from::moment(document.origin.exported_at),
    };
    let locks = document.locks.iter().map(convert::from::lock).collect();
    let heads = document
        .locks
        .iter()
        .filter_map(|lock| convert::from::head(lock).transpose());
    let heads = heads.collect::<Result<_, _>>().map_err(incoherent)?;
    let (staging, objects) = unpacking.finish();
    Ok(Unpacked {
        ticket: ImportedTicket {
            ticket,
            origin: Origin::Ticket(origin.clone()),
            locks,
            heads,
        },
        origin,
        staging,
        objects: Arc::new(objects),
    })
}

/// Puts objects into the store that it has not.
pub(super) fn keep(store: &ContentStore, objects: &Objects) -> Result<(), RpcError> {
    let broken = |error: io::Error| RpcError::new(ErrorCode::Host, format!("the archive's store: {error}"));
    for (sha256, path) in &objects.list {
        if store.get(*sha256).map_err(broken)?.is_some() {
            continue;
        }
        // The digest was compared when it was unpacked; the store names it by what it copies.
        let object = store.put_file(path).map_err(broken)?;
        if object.sha256 != *sha256 {
            return Err(broken(io::Error::other(format!(
                "{} was changed meanwhile",
                path.display()
            ))));
        }
    }
    Ok(())
}

fn refused(path: &Path, staging: &Path, error: BundleError) -> RpcError {
    let invalid = |hint: &str| {
        let message = format!("{}: {error}", path.display());
        RpcError::new(ErrorCode::InvalidParams, message).with_hint(hint.to_owned())
    };
    match &error {
        BundleError::Store(source) => {
            let no_room = source.get_ref().is_some_and(|source| source.is::<NoRoom>());
            let refused = at(staging, source);
            if no_room {
                refused.with_hint(NO_ROOM_HINT)
            } else {
                refused
            }
        }
        BundleError::TooNew { .. } => invalid("install that release, or a newer one"),
        _ => invalid("copy it once more from where it was written, or export the ticket again; nothing was imported"),
    }
}
