//! Who QEMU runs as, whether that account reaches our folders, and whether sockets can exist in them.

use std::path::Path;

use nix::unistd::geteuid;

use super::check::Check;
use crate::machine::check_socket_path;
use crate::reach::QemuAccount;

/// QEMU's account; only root needs one other than its own.
pub(super) fn account(configured: Option<&str>, folders: &[&Path]) -> Vec<Check> {
    if !geteuid().is_root() {
        return vec![Check::ok("qemu user", "this user")];
    }
    let account = match QemuAccount::find(configured) {
        Ok(account) => account,
        Err(error) => {
            let hint = "adduser --system --group --no-create-home libvirt-qemu";
            return vec![Check::missing("qemu user", error.to_string(), hint)];
        }
    };
    let mut checks = vec![Check::ok("qemu user", format!("{} ({})", account.user, account.uid))];
    for folder in folders {
        let Some(there) = folder.ancestors().find(|path| path.exists()) else {
            continue;
        };
        // What is made below will have the mode that it needs; what is there already may be in the way.
        checks.push(match account.check(&there.join("."), 0) {
            Ok(()) => Check::ok(
                "qemu user's reach",
                format!("{} reaches {}", account.user, there.display()),
            ),
            Err(error) => Check::missing(
                "qemu user's reach",
                error.to_string(),
                "for root, PREFLIGHT_HOME=/var/lib/preflight is a good place",
            ),
        });
    }
    checks
}

/// Whether the longest sockets fit.
pub(super) fn sockets(sockets: &[&Path]) -> Check {
    const NAME: &str = "socket paths";
    match sockets.iter().find_map(|socket| check_socket_path(socket).err()) {
        Some(error) => Check::missing(NAME, error.to_string(), "choose a shorter PREFLIGHT_HOME"),
        None => {
            let longest = sockets.iter().map(|socket| socket.as_os_str().len()).max().unwrap_or(0);
            Check::ok(NAME, format!("the longest has {longest} of 107 bytes"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::CheckState;

    #[test]
    fn a_long_socket_is_missing_by_name() {
        let long = format!("/{}/control", "x".repeat(120));
        let check = sockets(&[Path::new("/run/a"), Path::new(&long)]);
        assert_eq!(check.state, CheckState::Missing);
        assert!(check.detail.contains(&long));
        assert_eq!(sockets(&[Path::new("/run/a")]).state, CheckState::Ok);
    }
}
