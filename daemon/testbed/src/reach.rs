//! Who QEMU runs as, and whether that account can reach a file. It reads modes and owners and changes neither, so that
//! the answer names the folder which is in the way instead of libvirt's "Permission denied".

use std::ffi::CString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, User, getgrouplist};

/// Why QEMU can't use a file.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// A folder on the way can't be passed, or the file not be opened.
    #[error("{user}, who runs QEMU, may not {need} {blocker} (needed for {path}); {hint}")]
    Denied {
        /// QEMU's account.
        user: String,
        /// `enter`, `read` or `write`.
        need: &'static str,
        /// The folder or file that is in the way.
        blocker: PathBuf,
        /// What was to be reached.
        path: PathBuf,
        /// What to do.
        hint: String,
    },
    /// The file is not there.
    #[error("{path}: {source}")]
    Missing {
        /// What was to be reached.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// There is no account for QEMU.
    #[error("{0}")]
    NoAccount(String),
}

/// The unprivileged account that runs QEMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QemuAccount {
    /// Its name.
    pub user: String,
    /// The name of its group.
    pub group: String,
    /// Its number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
    groups: Vec<u32>,
}

/// Accounts that QEMU may run as, if none is configured: the distribution's, then the one that our set-up makes.
const USUAL_ACCOUNTS: [&str; 2] = ["libvirt-qemu", "preflight-qemu"];

impl QemuAccount {
    /// Finds the configured account, or one that is usual. Never root.
    ///
    /// # Errors
    /// No such account, or root's.
    pub fn find(configured: Option<&str>) -> Result<Self, ReachError> {
        let names = configured.map_or_else(|| USUAL_ACCOUNTS.to_vec(), |name| vec![name]);
        for name in &names {
            if let Some(account) = Self::by_name(name)? {
                return Ok(account);
            }
        }
        Err(ReachError::NoAccount(format!(
            "QEMU needs an unprivileged account and there is no user {}; create one with: \
             adduser --system --group --no-create-home libvirt-qemu",
            names.join(" or ")
        )))
    }

    fn by_name(name: &str) -> Result<Option<Self>, ReachError> {
        let failed = |error: nix::Error| ReachError::NoAccount(format!("looking up {name}: {error}"));
        let Some(user) = User::from_name(name).map_err(failed)? else {
            return Ok(None);
        };
        if user.uid.is_root() {
            return Err(ReachError::NoAccount(format!(
                "{name} is root, and QEMU never runs as root"
            )));
        }
        let group = nix::unistd::Group::from_gid(user.gid)
            .map_err(failed)?
            .map_or_else(|| user.gid.to_string(), |group| group.name);
        let known = CString::new(name).map_err(|_| ReachError::NoAccount(format!("{name:?} is no user")))?;
        let groups = getgrouplist(&known, user.gid).map_err(failed)?;
        Ok(Some(Self {
            user: user.name,
            group,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            groups: groups.into_iter().map(Gid::as_raw).collect(),
        }))
    }

    /// Whether this account may read and write a file, leaving aside the folders above it.
    #[must_use]
    pub fn may_use(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|found| self.holds(&found, 0o6))
    }

    /// Checks that this account can get to a file and do with it what `bits` (4 read, 2 write) say.
    ///
    /// # Errors
    /// The first folder, or the file, that does not let it.
    pub fn check(&self, path: &Path, bits: u32) -> Result<(), ReachError> {
        let missing = |source| ReachError::Missing {
            path: path.to_owned(),
            source,
        };
        // Symbolic links are followed by QEMU, so their targets' folders count.
        let real = path.canonicalize().map_err(missing)?;
        let mut folders: Vec<&Path> = real.ancestors().skip(1).collect();
        folders.reverse();
        for folder in folders {
            if !self.holds(&folder.metadata().map_err(missing)?, 0o1) {
                return Err(self.denied("enter", folder, path, "o+x"));
            }
        }
        let found = real.metadata().map_err(missing)?;
        for (bit, need, mode) in [(0o4, "read", "o+r"), (0o2, "write", "o+w")] {
            if bits & bit != 0 && !self.holds(&found, bit) {
                return Err(self.denied(need, &real, path, mode));
            }
        }
        Ok(())
    }

    fn denied(&self, need: &'static str, blocker: &Path, path: &Path, mode: &str) -> ReachError {
        ReachError::Denied {
            user: self.user.clone(),
            need,
            blocker: blocker.to_owned(),
            path: path.to_owned(),
            hint: format!("allow it (chmod {mode} {}) or move PREFLIGHT_HOME", blocker.display()),
        }
    }

    fn holds(&self, found: &Metadata, bits: u32) -> bool {
        // As the kernel does: the first class that fits decides, even when a later one would allow more.
        let shift = if found.uid() == self.uid {
            6
        } else if found.gid() == self.gid || self.groups.contains(&found.gid()) {
            3
        } else {
            0
        };
        (found.mode() >> shift) & bits == bits
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn stranger() -> QemuAccount {
        QemuAccount {
            user: "qemu".into(),
            group: "qemu".into(),
            uid: 64055,
            gid: 64055,
            groups: vec![64055],
        }
    }

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_folder_in_the_way_is_named() {
        let base = tempfile::tempdir().unwrap();
        mode(base.path(), 0o755);
        let closed = base.path().join("closed");
        let open = closed.join("open");
        std::fs::create_dir_all(&open).unwrap();
        let file = open.join("disk");
        std::fs::write(&file, "").unwrap();
        for (folder_mode, file_mode, word, blocker) in [
            (0o700, 0o644, "enter", Some(&closed)),
            (0o711, 0o600, "read", Some(&file)),
            (0o711, 0o644, "write", Some(&file)),
            (0o711, 0o666, "", None),
        ] {
            mode(&closed, folder_mode);
            mode(&file, file_mode);
            match (stranger().check(&file, 0o6), blocker) {
                (Ok(()), None) => {}
                (
                    Err(ReachError::Denied {
                        need, blocker: found, ..
                    }),
                    Some(blocker),
                ) => {
                    assert_eq!((need, found.file_name()), (word, blocker.file_name()));
                }
                (other, _) => panic!("{folder_mode:o} {file_mode:o}: {other:?}"),
            }
        }
    }

    #[test]
    fn root_never_runs_qemu() {
        assert!(
            QemuAccount::find(Some("root"))
                .unwrap_err()
                .to_string()
                .contains("never runs as root")
        );
        assert!(QemuAccount::find(Some("no-such-user-here")).is_err());
    }
}
