//! Where the daemon's folders and its socket are, for daemon and clients alike.
//!
//! `PREFLIGHT_HOME` puts everything under one folder. Without it root has the system's folders, since the daemon of a
//! lab box is a system service and since an unprivileged QEMU must be able to reach its images, and everybody else has
//! the XDG folders.

use std::path::{Path, PathBuf};

/// The variable that puts everything under one folder.
pub const HOME_VARIABLE: &str = "PREFLIGHT_HOME";

/// `sun_path` holds 108 bytes with the final NUL (unix(7)).
pub const LONGEST_SOCKET_PATH: usize = 107;

/// Preflight's folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// The configuration file and the user's own recipes.
    pub config: PathBuf,
    /// What must not be lost: the database, logs, results, artifacts, keys.
    pub state: PathBuf,
    /// What can be made again: images and the content store.
    pub cache: PathBuf,
    /// Sockets and lock files, gone with the next boot.
    pub runtime: PathBuf,
}

/// No place for Preflight's folders.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Neither a home folder nor `PREFLIGHT_HOME`.
    #[error("no home folder is known for this user: set {HOME_VARIABLE} to a folder")]
    NoHome,
    /// `PREFLIGHT_HOME` is relative.
    #[error("{HOME_VARIABLE} is {0:?}, and must be an absolute path")]
    RelativeHome(PathBuf),
    /// The path is too long for a socket.
    #[error(
        "the socket's path {0:?} has {1} bytes, and the system takes no more than {LONGEST_SOCKET_PATH}: set {HOME_VARIABLE} to a shorter path"
    )]
    TooLong(PathBuf, usize),
}

impl Folders {
    /// The folders below one home.
    #[must_use]
    pub fn below(home: &Path) -> Self {
        Self {
            config: home.join("config"),
            state: home.join("state"),
            cache: home.join("cache"),
            runtime: home.join("run"),
        }
    }

    /// The folders for a user: `home` is `PREFLIGHT_HOME`'s value, `uid` the effective one.
    ///
    /// # Errors
    /// Where `home` is relative, or there is no home at all.
    pub fn discover(home: Option<&Path>, uid: u32) -> Result<Self, EndpointError> {
        match home {
            Some(home) if home.as_os_str().is_empty() => {}
            Some(home) if home.is_absolute() => return Ok(Self::below(home)),
            Some(home) => return Err(EndpointError::RelativeHome(home.to_owned())),
            None => {}
        }
        if uid == 0 {
            return Ok(Self {
                config: "/etc/preflight".into(),
                state: "/var/lib/preflight".into(),
                cache: "/var/cache/preflight".into(),
                runtime: "/run/preflight".into(),
            });
        }
        let folders = directories::ProjectDirs::from("", "", "preflight").ok_or(EndpointError::NoHome)?;
        Ok(Self {
            config: folders.config_dir().to_owned(),
            state: folders
                .state_dir()
                .unwrap_or_else(|| folders.data_local_dir())
                .to_owned(),
            cache: folders.cache_dir().to_owned(),
            runtime: folders
                .runtime_dir()
                .map_or_else(|| std::env::temp_dir().join(format!("preflight-{uid}")), Path::to_owned),
        })
    }

    /// The folder that holds the clients' socket and nothing else; its mode must be 0700.
    #[must_use]
    pub fn client(&self) -> PathBuf {
        self.runtime.join("client")
    }

    /// The clients' socket; its mode is 0600.
    ///
    /// # Errors
    /// Where its path is longer than the system takes.
    pub fn socket(&self) -> Result<PathBuf, EndpointError> {
        let path = self.client().join("preflightd.sock");
        let length = path.as_os_str().len();
        if length > LONGEST_SOCKET_PATH {
            Err(EndpointError::TooLong(path, length))
        } else {
            Ok(path)
        }
    }

    /// The lock file that says that a daemon runs.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.runtime.join("preflightd.lock")
    }

    /// The configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// The daemon's own log.
    #[must_use]
    pub fn daemon_log(&self) -> PathBuf {
        self.state.join("preflightd.log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_home_holds_everything() {
        let folders = Folders::discover(Some(Path::new("/h")), 1000).unwrap();
        assert_eq!(folders, Folders::below(Path::new("/h")));
        assert_eq!(folders.socket().unwrap(), Path::new("/h/run/client/preflightd.sock"));
    }

    #[test]
    fn a_relative_home_is_refused() {
        assert!(matches!(
            Folders::discover(Some(Path::new("h")), 1),
            Err(EndpointError::RelativeHome(_))
        ));
    }

    #[test]
    fn an_empty_home_is_none() {
        assert_eq!(
            Folders::discover(Some(Path::new("")), 0).unwrap(),
            Folders::discover(None, 0).unwrap()
        );
    }

    #[test]
    fn a_long_socket_path_is_refused_by_name() {
        let home = PathBuf::from(format!("/{}", "x".repeat(100)));
        let message = Folders::below(&home).socket().unwrap_err().to_string();
        assert!(
            message.contains("xxx") && message.contains("128 bytes") && message.contains("107"),
            "{message}"
        );
    }
}
