//! The programs and files that Preflight uses: whether they are there, and in which package they come.

use std::path::{Path, PathBuf};

use super::check::Check;

/// A program, or one of several that do the same.
struct Wanted {
    name: &'static str,
    programs: &'static [&'static str],
    package: &'static str,
    /// Whether nothing works without it.
    needed: bool,
}

const WANTED: [Wanted; 7] = [
    Wanted {
        name: "qemu",
        programs: &["qemu-system-x86_64"],
        package: "qemu-system-x86",
        needed: true,
    },
    Wanted {
        name: "qemu-img",
        programs: &["qemu-img"],
        package: "qemu-utils",
        needed: true,
    },
    Wanted {
        name: "libvirt daemon",
        programs: &["libvirtd", "virtqemud"],
        package: "libvirt-daemon",
        needed: true,
    },
    // The session's libvirt writes consoles through it; a private one does without.
    Wanted {
        name: "libvirt log daemon",
        programs: &["virtlogd"],
        package: "libvirt-daemon-log",
        needed: false,
    },
    Wanted {
        name: "libvirt tools",
        programs: &["virsh"],
        package: "libvirt-clients",
        needed: false,
    },
    Wanted {
        name: "mmdebstrap",
        programs: &["mmdebstrap"],
        package: "mmdebstrap",
        needed: true,
    },
    Wanted {
        name: "mke2fs",
        programs: &["mke2fs"],
        package: "e2fsprogs",
        needed: true,
    },
];

/// A file that is one of several, and what it is for.
const FILES: [(&str, &[&str], &str, &str); 3] = [
    (
        "debian keyring",
        &[
            "/usr/share/keyrings/debian-archive-keyring.gpg",
            "/usr/share/keyrings/debian-archive-keyring.pgp",
        ],
        "debian-archive-keyring",
        "images of Debian can't be built",
    ),
    (
        "ubuntu keyring",
        &["/usr/share/keyrings/ubuntu-archive-keyring.gpg"],
        "ubuntu-keyring",
        "images of Ubuntu can't be built",
    ),
    (
        "ovmf",
        &["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd"],
        "ovmf",
        "machines that boot by EFI can't be started; none does so yet",
    ),
];

/// Folders that a login's PATH may lack.
const USUAL: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// Looks for all of them.
pub(super) fn check() -> Vec<Check> {
    let path = std::env::var("PATH").unwrap_or_default() + ":" + USUAL;
    let programs = WANTED.iter().map(|wanted| match find(wanted.programs, &path) {
        Some(found) => Check::ok(wanted.name, found.display().to_string()),
        None => {
            let detail = format!("{} is not there", wanted.programs.join(" or "));
            let hint = format!("apt-get install {}", wanted.package);
            if wanted.needed {
                Check::missing(wanted.name, detail, hint)
            } else {
                Check::warning(wanted.name, detail, hint)
            }
        }
    });
    let files =
        FILES.iter().map(
            |(name, paths, package, why)| match paths.iter().find(|path| Path::new(path).exists()) {
                Some(found) => Check::ok(name, *found),
                None => Check::warning(name, format!("not there: {why}"), format!("apt-get install {package}")),
            },
        );
    programs.chain(files).collect()
}

/// The first of these programs in a search path.
pub(super) fn find(programs: &[&str], path: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let executable = |file: &PathBuf| {
        std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    programs.iter().find_map(|program| {
        path.split(':')
            .filter(|folder| folder.starts_with('/'))
            .map(|folder| Path::new(folder).join(program))
            .find(executable)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_order() {
        assert_eq!(
            find(&["no-such-program", "sh"], "relative:/nonexistent:/bin"),
            Some("/bin/sh".into())
        );
        assert_eq!(find(&["sh"], ""), None);
        assert!(check().iter().all(|check| !check.detail.is_empty()));
    }
}
