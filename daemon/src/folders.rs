//! The daemon's folders and its lock file: made where they are missing, and refused by name where others could meddle.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use preflight_protocol::endpoint::Folders;

/// Folders that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system's.
    #[error("{path:?}: {source}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It is a file, or a link to somewhere else.
    #[error("{0:?} is no folder")]
    NotAFolder(PathBuf),
    /// Another user's.
    #[error("{path:?} belongs to user {owner}, and must belong to user {own}: remove it, or set PREFLIGHT_HOME")]
    Owner {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it should be.
        own: u32,
    },
    /// Others may enter or write.
    #[error("{path:?} has mode {mode:04o}, and must have {must}: run `chmod {must} {path:?}`")]
    Mode {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What it must have.
        must: &'static str,
    },
    /// Another daemon runs.
    #[error("another preflightd runs here{}: {path:?} is locked", .pid.map(|pid| format!(", as process {pid}")).unwrap_or_default())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The other daemon's process.
        pid: Option<u32>,
    },
}

/// Makes the folders that are missing and checks those that matter.
///
/// # Errors
/// Where a folder cannot be made, belongs to somebody else, or lets others in.
pub fn prepare(folders: &Folders, own: u32) -> Result<(), FolderError> {
    // The configuration holds mirrors' passwords, the state keys.
    make(&folders.config, 0o700)?;
    make(&folders.state, 0o700)?;
    // An unprivileged QEMU must be able to reach its images and its sockets.
    make(&folders.cache, 0o755)?;
    make(&folders.runtime, 0o755)?;
    make(&folders.client(), 0o700)?;
    check(&folders.state, own, 0o022, "0700")?;
    check(&folders.runtime, own, 0o022, "0755")?;
    check(&folders.client(), own, 0o077, "0700")
}

fn make(path: &Path, mode: u32) -> Result<(), FolderError> {
    let failed = |source| FolderError::Io {
        path: path.to_owned(),
        source,
    };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => Ok(()),
    }
}

/// `forbidden` are the mode's bits that must not be set.
fn check(path: &Path, own: u32, forbidden: u32, must: &'static str) -> Result<(), FolderError> {
    // Not through a link: whoever owns that could lead it elsewhere.
    let metadata = std::fs::symlink_metadata(path).map_err(|source| FolderError::Io {
        path: path.to_owned(),
        source,
    })?;
    if !metadata.is_dir() {
        return Err(FolderError::NotAFolder(path.to_owned()));
    }
    if metadata.uid() != own {
        return Err(FolderError::Owner {
            path: path.to_owned(),
            owner: metadata.uid(),
            own,
        });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & forbidden != 0 {
        return Err(FolderError::Mode {
            path: path.to_owned(),
            mode,
            must,
        });
    }
    Ok(())
}

/// The lock that says that a daemon runs; it is free again when its holder is gone, however that ended.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not read")] Flock<File>);

/// Takes the lock, and writes this process's number into it.
///
/// # Errors
/// Where another daemon has it.
pub fn lock(path: &Path) -> Result<Lock, FolderError> {
    let failed = |source| FolderError::Io {
        path: path.to_owned(),
        source,
    };
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let mut lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(mut file, errno)| {
        if errno == nix::errno::Errno::EWOULDBLOCK {
            let mut text = String::new();
            let pid = file
                .read_to_string(&mut text)
                .ok()
                .and_then(|_| text.trim().parse().ok());
            FolderError::Locked {
                path: path.to_owned(),
                pid,
            }
        } else {
            failed(errno.into())
        }
    })?;
    lock.set_len(0).map_err(failed)?;
    lock.rewind().map_err(failed)?;
    writeln!(lock, "{}", std::process::id()).map_err(failed)?;
    Ok(Lock(lock))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folders() -> (tempfile::TempDir, Folders, u32) {
        let home = tempfile::tempdir().unwrap();
        let folders = Folders::below(home.path());
        (home, folders, nix::unistd::geteuid().as_raw())
    }

    #[test]
    fn the_clients_folder_is_nobody_elses() {
        let (_home, folders, own) = folders();
        prepare(&folders, own).unwrap();
        prepare(&folders, own).unwrap();
        let client = folders.client();
        assert_eq!(std::fs::metadata(&client).unwrap().mode() & 0o7777, 0o700);

        let other = prepare(&folders, own + 1).unwrap_err();
        assert!(matches!(other, FolderError::Owner { .. }), "{other}");

        std::fs::set_permissions(&client, PermissionsExt::from_mode(0o750)).unwrap();
        let message = prepare(&folders, own).unwrap_err().to_string();
        assert!(
            message.contains("client") && message.contains("0750") && message.contains("chmod 0700"),
            "{message}"
        );

        std::fs::remove_dir(&client).unwrap();
        std::os::unix::fs::symlink("/tmp", &client).unwrap();
        assert!(matches!(prepare(&folders, own), Err(FolderError::NotAFolder(path)) if path == client));
    }

    #[test]
    fn one_daemon_at_a_time_has_the_lock() {
        let (_home, folders, own) = folders();
        prepare(&folders, own).unwrap();
        let path = folders.lock_file();
        std::fs::write(&path, "left by a dead daemon with a long text").unwrap();
        let first = lock(&path).unwrap();
        let message = lock(&path).unwrap_err().to_string();
        assert!(
            message.contains(&format!("as process {}", std::process::id())),
            "{message}"
        );
        drop(first);
        lock(&path).unwrap();
    }
}
