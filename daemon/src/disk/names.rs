//! Which objects of the content store somebody names: tickets' locks, the archive states of images, snapshots, the newest
//! release files. What nobody names can be fetched again by whoever will name it.

use std::collections::BTreeMap;
use std::path::Path;

use preflight_archive::{Archive, ArchiveStateId};
use preflight_core::{Sha256, TicketId};
use preflight_store::Store;

use super::caretaker::DiskError;
use crate::executor::TicketImages;

/// Named objects, and one of those that name each.
pub(super) type Names = BTreeMap<Sha256, String>;

/// Asks everybody. `tickets` come with the archive states that they are pinned to, `pinned` are those of others, `images` is
/// the folder of base images.
///
/// # Errors
/// The database's, or the archive's: nothing is known then, and nothing may go.
pub(super) async fn gather(
    store: &Store,
    tickets: Vec<(TicketId, Vec<Sha256>)>,
    mut pinned: Vec<(Sha256, String)>,
    archive: &Archive,
    images: &Path,
) -> Result<Names, DiskError> {
    let mut names = Names::new();
    for (ticket, states) in tickets {
        pinned.extend(states.into_iter().map(|state| (state, format!("ticket #{ticket}"))));
        let locks = store
            .locks(ticket)
            .await
            .map_err(|error| DiskError::Names(error.to_string()))?;
        for entry in locks.into_iter().flat_map(|(_, entries)| entries) {
            names
                .entry(entry.sha256)
                .or_insert_with(|| format!("the lock of ticket #{ticket}"));
        }
    }
    let (archive, images) = (archive.clone(), images.to_owned());
    let of_archive = tokio::task::spawn_blocking(move || archive_names(&archive, &images, pinned));
    for (object, name) in of_archive
        .await
        .map_err(|error| DiskError::Names(error.to_string()))??
    {
        names.entry(object).or_insert(name);
    }
    Ok(names)
}

fn archive_names(archive: &Archive, images: &Path, pinned: Vec<(Sha256, String)>) -> Result<Names, DiskError> {
    let failed = |error: &dyn std::fmt::Display| DiskError::Names(error.to_string());
    let mut names = Names::new();
    let mut states_of: Vec<(ArchiveStateId, String)> = Vec::new();
    let states = images.join(super::census::ARCHIVE_STATES);
    for entry in super::census::entries(&states).map_err(|error| failed(&error))? {
        let image = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let state = std::fs::read_to_string(&entry).map_err(|error| failed(&error))?;
        let Ok(state) = state.trim().parse() else { continue };
        states_of.push((state, format!("image {image}")));
    }
    let overlays = match images.with_file_name(super::census::TICKET_IMAGES) {
        folder if folder.is_dir() => TicketImages::at(folder).states().map_err(|error| failed(&error))?,
        _ => vec![],
    };
    let pinned = pinned.into_iter().chain(
        overlays
            .into_iter()
            .map(|(state, image)| (state, format!("image {image}"))),
    );
    states_of.extend(pinned.map(|(state, who)| (ArchiveStateId::new(state.0), who)));
    for (state, who) in states_of {
        match archive.named_by_state(state) {
            Ok(named) => {
                for object in named {
                    names.entry(Sha256(*object.as_bytes())).or_insert_with(|| who.clone());
                }
            }
            // No testbed can be served from it either: there is nothing more to lose.
            Err(error) => tracing::warn!(who, %error, "an archive state is damaged"),
        }
    }
    let snapshots = archive.named_by_snapshots().map_err(|error| failed(&error))?;
    for (snapshot, objects) in snapshots {
        for object in objects {
            names
                .entry(Sha256(*object.as_bytes()))
                .or_insert_with(|| format!("snapshot {snapshot}"));
        }
    }
    for object in archive.named_by_heads().map_err(|error| failed(&error))? {
        names
            .entry(Sha256(*object.as_bytes()))
            .or_insert_with(|| "the newest release files".to_owned());
    }
    Ok(names)
}
