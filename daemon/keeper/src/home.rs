//! The keeper's folder: where its lock, its socket, its log and the folders of a private libvirt lie. It only names
//! and creates paths; who may use them is decided by the modes here and the peer check in `control`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A unix socket's longest path in bytes, without the final NUL.
pub(crate) const LONGEST_SOCKET_PATH: usize = 107;
/// A log above this size in bytes starts anew with the next keeper.
const LARGEST_LOG: u64 = 1 << 20;

/// The keeper's folder.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// Creates what is missing, for this user alone.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let home = Self(path.to_owned());
        create_folder(path, 0o700)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
        for socket in [
            home.control_socket(),
            home.libvirt_socket_folder().join("libvirt-admin-sock"),
        ] {
            let length = socket.as_os_str().len();
            if length > LONGEST_SOCKET_PATH {
                return Err(io::Error::other(format!(
                    "the socket path {} has {length} bytes, {LONGEST_SOCKET_PATH} are possible: choose a shorter folder",
                    socket.display()
                )));
            }
        }
        Ok(home)
    }

    /// Where requests arrive.
    pub(crate) fn control_socket(&self) -> PathBuf {
        control_socket(&self.0)
    }

    /// Where a private libvirt puts its sockets.
    pub(crate) fn libvirt_socket_folder(&self) -> PathBuf {
        self.0.join("sock")
    }

    /// What a private libvirt sees as its system folders.
    pub(crate) fn libvirt_folder(&self) -> PathBuf {
        self.0.join("libvirt")
    }

    /// The lock that makes the keeper the only one of this home. It is held as long as the file is open.
    pub(crate) fn lock_file(&self) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.0.join("lock"))
    }

    /// Opens the keeper's log for appending.
    pub(crate) fn log_file(&self) -> io::Result<File> {
        let path = self.0.join("keeper.log");
        let too_large = std::fs::metadata(&path).is_ok_and(|found| found.len() > LARGEST_LOG);
        if too_large {
            std::fs::remove_file(&path)?;
        }
        OpenOptions::new().create(true).append(true).mode(0o600).open(path)
    }
}

/// The control socket of the keeper whose folder is `home`.
pub(crate) fn control_socket(home: &Path) -> PathBuf {
    home.join("control")
}

/// Creates a folder and its parents; one that is there stays as it is.
pub(crate) fn create_folder(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot create {}: {error}", path.display())))
}
