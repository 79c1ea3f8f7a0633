//! Takes away what an earlier daemon has left: its machines, their folders, their overlays.

use std::path::Path;

use preflight_protocol::error::{ErrorCode, RpcError};

use super::remains::destroy;
use super::workshop::Workshop;

/// Removes every machine of this installation and every file of one.
pub(super) async fn leftovers(workshop: &Workshop) -> Result<(), RpcError> {
    let (machines, overlays) = (&workshop.folders.machines, &workshop.folders.overlays);
    // A machine's folder is made before it and removed after it: where there is none, no hypervisor need be woken.
    if is_empty(machines) && is_empty(overlays) {
        return Ok(());
    }
    let cannot = |message: String| RpcError::new(ErrorCode::Host, format!("machines may be left behind: {message}"));
    let hypervisor = match workshop.hypervisor().await {
        Ok(hypervisor) => hypervisor,
        Err(failure) => return Err(cannot(failure.to_string())),
    };
    let left = hypervisor.list().await.map_err(|error| cannot(error.to_string()))?;
    for machine in &left {
        tracing::info!(machine = %machine.id, label = machine.label, "destroying a machine that was left behind");
        destroy(&hypervisor, &machine.id)
            .await
            .map_err(|error| cannot(error.to_string()))?;
    }
    for folder in [machines, overlays] {
        clear(folder).map_err(|error| cannot(format!("{}: {error}", folder.display())))?;
    }
    Ok(())
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

fn clear(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
