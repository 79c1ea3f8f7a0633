//! Where an imported ticket's files are to be: those whose names have numbers in them get the numbers of here.

use std::io;
use std::path::{Path, PathBuf};

use preflight_core::Ticket;
use preflight_store::TicketsFolder;

use super::unpack::INCOMING;

/// Gives unpacked files their names of here. `staging` becomes the ticket's folder; `there` and `here` are the ticket with
/// the numbers of there and of here.
///
/// # Errors
/// The system's.
pub(crate) fn place(staging: &Path, there: &Ticket, here: &Ticket) -> io::Result<()> {
    let incoming = staging.join(INCOMING);
    for (from, to) in moves(there, here) {
        let to = staging.join(to);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        match std::fs::rename(incoming.join(from), to) {
            // Not everything has to come along.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match std::fs::remove_dir_all(&incoming) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What is renamed, and to what; relative to the ticket's folder.
fn moves(there: &Ticket, here: &Ticket) -> Vec<(PathBuf, PathBuf)> {
    // The store's folder says how files are called; nothing is looked up in this one.
    let root = TicketsFolder::below(Path::new("")).ticket(here.id);
    let relative = |path: PathBuf| path.strip_prefix(root.root()).map(Path::to_path_buf).unwrap_or(path);
    let mut moves = Vec::new();
    for (old, new) in there.jobs.iter().zip(&here.jobs) {
        for (before, after) in old.attempts.iter().zip(&new.attempts) {
            moves.push((relative(root.log(&before.log)), relative(root.log(&after.log))));
            moves.push((relative(root.index(&before.log)), relative(root.index(&after.log))));
        }
        moves.push((
            relative(root.result_stream(old.id)),
            relative(root.result_stream(new.id)),
        ));
        let rerun = |id: preflight_core::JobId| relative(root.reruns().join(id.to_string()));
        moves.push((rerun(old.id), rerun(new.id)));
    }
    moves
}
