//! How a guest is asked what its image holds: one script, which runs in any Debian or Ubuntu and answers with records that
//! [`super::listing`] reads.

use preflight_guest::Exec;

/// Records end with a NUL and begin with a letter: P a package, C a conffile, O a path and its package, F a file, L a link's
/// target, D a digest, E the end. What a machine writes by itself while it runs says nothing of an image: caches, logs,
/// apt's and dpkg's own books (what those say is told by the packages), its name for itself, and the agent's own file. A file
/// of a GiB or more is told by its size alone.
const SCRIPT: &str = r#"
set -eu
export LC_ALL=C
dpkg-query --show --showformat 'P\t${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\n' | tr '\n' '\0'
dpkg-query --show --showformat '${Conffiles}\n' | sed -n 's/^ \([^ ]*\) .*/C\t\1/p' | tr '\n' '\0'
cd /var/lib/dpkg/info
grep -H '' -- *.list | sed 's/\.list:/\t/; s/^/O\t/' | tr '\n' '\0'
cd /
look() {
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp \
        -o -path /var/log -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/systemd \
        -o -path /var/lib/dbus/machine-id -o -path /etc/machine-id -o -path /etc/apt/apt.conf.d/00preflight-tunnel \
        -o -path /lost+found \) -prune -o "$@"
}
look -type l -printf 'F\t%y\t%m\t%U\t%G\t%s\t%p\0L\t%l\0' -o -printf 'F\t%y\t%m\t%U\t%G\t%s\t%p\0'
look -type f -size -1048576k -print0 | xargs -0 -r sha256sum -z -- | sed -z 's/^/D\t/' || true
printf 'E\0'
"#;

/// Of these records those of packages alone.
const PACKAGES: &str = r#"
set -eu
export LC_ALL=C
dpkg-query --show --showformat 'P\t${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\n' | tr '\n' '\0'
printf 'E\0'
"#;

/// What asks a guest for its packages.
pub(crate) fn packages() -> Exec {
    Exec::new(["sh", "-c", PACKAGES])
}

/// What asks a guest; root asks.
pub(crate) fn survey() -> Exec {
    Exec::new(["sh", "-c", SCRIPT]).kill_leftovers()
}
