//! The host's own: memory, disk, user name spaces, the proxy. It reads what the kernel and apt say.

use std::path::Path;
use std::process::Command;

use nix::sys::statvfs::statvfs;
use nix::unistd::{User, geteuid};

use super::check::Check;
use super::programs;

const GIB: u64 = 1 << 30;
/// A build's machine and this daemon fit.
const ENOUGH_MEMORY: u64 = 3 * GIB;
/// A base image, a ticket's image, some overlays and the packages of both fit.
const ENOUGH_DISK: u64 = 10 * GIB;

/// Memory that could be used now.
pub(super) fn memory() -> Check {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let Some(free) = available(&text) else {
        return Check::warning("memory", "the kernel does not say", "mount /proc");
    };
    let detail = format!("{:.1} GiB available", as_gib(free));
    if free < ENOUGH_MEMORY {
        return Check::warning(
            "memory",
            detail,
            "machines of 2 GiB each are started; close something, or give them less",
        );
    }
    Check::ok("memory", detail)
}

/// Space where images and overlays go.
pub(super) fn disk(folder: &Path) -> Check {
    // The folder may not have been made yet; what it will be made in has the same file system.
    let Some(there) = folder.ancestors().find(|path| path.exists()) else {
        return Check::missing(
            "disk",
            format!("{} can't be looked at", folder.display()),
            "choose another PREFLIGHT_HOME",
        );
    };
    match statvfs(there) {
        Ok(found) => {
            let free = found.blocks_available() * found.fragment_size();
            let detail = format!("{:.1} GiB free at {}", as_gib(free), there.display());
            if free < ENOUGH_DISK {
                Check::warning(
                    "disk",
                    detail,
                    "10 GiB are wanted for images and overlays; move PREFLIGHT_HOME",
                )
            } else {
                Check::ok("disk", detail)
            }
        }
        Err(error) => Check::warning(
            "disk",
            format!("{}: {error}", there.display()),
            "look at the file system",
        ),
    }
}

/// Whether an ordinary user can build a base image.
pub(super) fn user_namespaces() -> Check {
    const NAME: &str = "user namespaces";
    if geteuid().is_root() {
        return Check::ok(NAME, "not needed by root");
    }
    let user = User::from_uid(geteuid())
        .ok()
        .flatten()
        .map_or_else(|| geteuid().to_string(), |user| user.name);
    if std::fs::read_to_string("/proc/sys/kernel/unprivileged_userns_clone").is_ok_and(|text| text.trim() == "0") {
        return Check::missing(
            NAME,
            "switched off by the kernel",
            "sysctl kernel.unprivileged_userns_clone=1",
        );
    }
    if programs::find(&["newuidmap"], "/usr/bin:/bin").is_none() {
        return Check::missing(NAME, "newuidmap is not there", "apt-get install uidmap");
    }
    for file in ["/etc/subuid", "/etc/subgid"] {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if !has_subordinates(&text, &user, geteuid().as_raw()) {
            let hint = format!("usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}");
            return Check::missing(NAME, format!("{user} has no 65536 numbers in {file}"), hint);
        }
    }
    Check::ok(NAME, format!("{user} may use them"))
}

/// How packages come here.
pub(super) fn proxy() -> Check {
    const NAME: &str = "proxy";
    let named = ["http_proxy", "https_proxy", "HTTPS_PROXY"]
        .iter()
        .find_map(|name| Some((name, std::env::var(name).ok()?)));
    let apt = Command::new("apt-config")
        .args(["shell", "PROXY", "Acquire::http::Proxy"])
        .output();
    let apt = apt
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    match (named, apt.strip_prefix("PROXY=")) {
        // Only its name: the value may hold a password.
        (Some((name, _)), _) => Check::ok(NAME, format!("as {name} says")),
        (None, Some(proxy)) => Check::warning(
            NAME,
            format!(
                "apt uses {}, which Preflight does not read",
                without_password(proxy.trim_matches('\''))
            ),
            "set http_proxy for Preflight if the archive can't be reached directly",
        ),
        (None, None) => Check::ok(NAME, "none"),
    }
}

fn without_password(proxy: &str) -> String {
    match (proxy.find("://"), proxy.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}://…{}", &proxy[..scheme], &proxy[at..]),
        _ => proxy.to_owned(),
    }
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Whether a line of subuid(5) gives the user as many numbers as a Debian system uses.
fn has_subordinates(text: &str, user: &str, uid: u32) -> bool {
    text.lines().any(|line| {
        let mut fields = line.split(':');
        let owner = fields.next().unwrap_or_default();
        let count: u64 = fields.nth(1).and_then(|count| count.trim().parse().ok()).unwrap_or(0);
        (owner == user || owner == uid.to_string()) && count >= 65536
    })
}

#[expect(clippy::cast_precision_loss, reason = "for people, with one digit after the point")]
fn as_gib(bytes: u64) -> f64 {
    bytes as f64 / GIB as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_numbers_are_counted() {
        for (text, wanted) in [
            ("dev:100000:65536\n", true),
            ("1000:100000:65536\n", true),
            ("other:100000:65536\ndev:1:65535\n", false),
            ("dev:100000\n", false),
            ("", false),
        ] {
            assert_eq!(has_subordinates(text, "dev", 1000), wanted, "{text:?}");
        }
    }

    #[test]
    fn memory_is_read_in_kib() {
        assert_eq!(available("MemTotal: 8 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(available("MemTotal: 8 kB\n"), None);
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(
            without_password("http://me:secret@proxy.example:3128"),
            "http://…@proxy.example:3128"
        );
        assert_eq!(
            without_password("http://proxy.example:3128"),
            "http://proxy.example:3128"
        );
    }
}
