//! A mount namespace in which libvirt's system folders are ours, so that a private libvirt and the user's own never
//! meet. It only arranges mounts; what lies in the folders is written by `libvirt_daemon`.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::home::create_folder;

/// Our folder below the private libvirt's, and libvirt's folder that it stands in for.
pub(crate) const FOLDERS: [(&str, &str); 5] = [
    ("etc", "/etc/libvirt"),
    ("run", "/run/libvirt"),
    ("lib", "/var/lib/libvirt"),
    ("cache", "/var/cache/libvirt"),
    ("log", "/var/log/libvirt"),
];

/// Moves this process, and all that it starts, into a namespace of its own.
pub(crate) fn enter(private: &Path, cache: Option<&Path>, hide_kvm: bool) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(|error| told("unshare the mount namespace", error))?;
    // Later mounts of the host (a new disk, a stick) still arrive here, and none of ours leaves.
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_SLAVE,
        None::<&str>,
    )
    .map_err(|error| told("detach the mount namespace", error))?;
    for (name, target) in FOLDERS {
        let source = match cache {
            Some(cache) if name == "cache" => cache.to_owned(),
            _ => private.join(name),
        };
        create_folder(&source, 0o755)?;
        // The mount point has to exist on the host; an empty folder is all that is ever left there.
        create_folder(Path::new(target), 0o755)?;
        bind(&source, Path::new(target))?;
    }
    if hide_kvm && Path::new("/dev/kvm").exists() {
        // libvirt throws its knowledge of QEMU away, at 4 s a piece, as long as root and QEMU's user disagree about
        // whether this device can be opened. Neither can open this file.
        let nothing = private.join("no-kvm");
        File::create(&nothing)?.set_permissions(std::fs::Permissions::from_mode(0o000))?;
        bind(&nothing, Path::new("/dev/kvm"))?;
    }
    Ok(())
}

fn bind(source: &Path, target: &Path) -> io::Result<()> {
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|error| told(&format!("bind {} over {}", source.display(), target.display()), error))
}

fn told(what: &str, error: nix::Error) -> io::Error {
    io::Error::other(format!(
        "cannot {what}: {error}; a private libvirt needs CAP_SYS_ADMIN: run as an ordinary user or configure a URI"
    ))
}
