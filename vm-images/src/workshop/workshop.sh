# Builds the disks of one recipe's images. Runs in mount, process and (for an ordinary user) user namespaces of its own,
# so that it is root over the tree, leaves no mount behind, and dies with its first process.
#
# Started by watch.sh. Standard error takes what the tools say, and lines `PF: WORD` that tell the phase; standard output
# is for the result where it cannot be written in place. All that the script is told comes in PF_* variables, whose values
# the daemon has checked: words without spaces or quotes, lists with single spaces, lines of apt sources, absolute paths.
set -eu
exec 4>&1 >&2

# The work happens below a folder that every user may enter and whose name no tool stumbles over.
work=$PF_MOUNT_POINT
if [ -n "$PF_ON_DISK" ]; then
    mount --bind "$PF_ON_DISK" "$work"
    chmod 0755 "$work"
else
    mount -t tmpfs -o mode=0755,size=90% preflight "$work"
fi
tree=$work/tree
export HOME="$work" TMPDIR="$work/tmp" apt_config="$work/apt.conf"
mkdir -p "$TMPDIR"
chmod 1777 "$TMPDIR"
result=${PF_RESULT:-$work/result}
mkdir -p "$result"

in_tree() {
    chroot "$tree" "$@"
}

# What every image gets that no package brings. Run on a finished tree, so that no hook of the tools undoes it.
finish_tree() {
    rm -f "$tree"/etc/apt/apt.conf.d/99mmdebstrap "$tree"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
    rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/partial/* "$tree"/var/cache/apt/*.bin
    rm -f "$tree"/var/cache/debconf/*-old "$tree"/var/lib/dpkg/*-old "$tree"/var/lib/dbus/machine-id
    rm -f "$tree"/usr/sbin/policy-rc.d

    # debci's testbeds are set up so too: no translations, no fsync that nobody needs.
    printf 'Acquire::Languages "none";\n' >"$tree/etc/apt/apt.conf.d/90preflight"
    printf 'force-unsafe-io\n' >"$tree/etc/dpkg/dpkg.cfg.d/preflight"

    if [ -n "$PF_SOURCES_GUEST" ]; then
        signed=
        for keyring in $PF_KEYRINGS; do
            if [ -e "$tree$keyring" ]; then
                signed="[signed-by=$keyring] "
                break
            fi
        done
        rm -f "$tree"/etc/apt/sources.list.d/*
        printf '%s' "$PF_SOURCES_GUEST" | sed "s|^deb |deb $signed|" >"$tree/etc/apt/sources.list"
    fi

    printf 'testbed\n' >"$tree/etc/hostname"
    printf '127.0.0.1\tlocalhost\n127.0.1.1\ttestbed\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$tree/etc/hosts"
    # The agent has mounted the root for writing before init starts: no check and no remount.
    : >"$tree/etc/fstab"
    printf 'LANG=C.UTF-8\n' >"$tree/etc/default/locale"
    rm -f "$tree/etc/resolv.conf"
    : >"$tree/etc/resolv.conf"
    # Empty, not absent: each boot makes one, and none takes itself for the first boot, which would reset all units.
    : >"$tree/etc/machine-id"
    # A list file that is older than the cache made of it spares each testbed the parsing.
    in_tree apt-cache gencaches >/dev/null
    # Or the first boot would rebuild what the packages' scripts have just built.
    touch -r "$tree/usr" "$tree/etc/.updated" "$tree/var/.updated"
}

# The disk and what stands beside it: $1 is the variant.
write_image() {
    out=$result/$1
    mkdir -p "$out/modules"
    finish_tree

    release=$(ls "$tree/usr/lib/modules")
    printf '%s\n' "$release" >"$out/kernel-release"
    cp "$tree/boot/vmlinuz-$release" "$out/vmlinuz"
    # modprobe itself says which modules are built in and in which order the others go.
    for module in $PF_MODULES_NEEDED; do
        in_tree modprobe --set-version="$release" --show-depends "$module"
    done >"$out/modprobe"
    for module in $PF_MODULES_WANTED; do
        in_tree modprobe --set-version="$release" --show-depends "$module" || true
    done >>"$out/modprobe" 2>/dev/null
    sed -n 's/^insmod \([^ ]*\).*/\1/p' "$out/modprobe" | awk '!seen[$0]++' | while read -r module; do
        cp "$tree$module" "$out/modules/"
        printf '%s\n' "${module##*/}"
    done >"$out/modules.order"
    rm "$out/modprobe"

    in_tree dpkg-query --show --showformat '${Package}\t${Version}\t${Architecture}\n' >"$out/packages"
    cat "$tree/etc/apt/sources.list" "$tree"/etc/apt/sources.list.d/*.list 2>/dev/null >"$out/sources.list" || true
    (cd "$tree/var/lib/apt/lists" && sha256sum -- *Release) >"$out/archive-state"

    echo "PF: disk-$1"
    truncate --size "${PF_DISK_GIB}G" "$out/root.raw"
    # The file is new and all holes: what mke2fs discards and counts as zero is zero, so that neither it nor the kernel, in
    # each testbed and behind the test's back, writes empty inode tables.
    mke2fs -q -F -t ext4 -d "$tree" -L root -m 0 -J size=64 \
        -E lazy_itable_init=0,lazy_journal_init=1,root_owner=0:0 "$out/root.raw"
}

# Files of a Release that has expired may be wanted all the same: whoever pinned an archive has judged them.
dates=
if [ "$PF_RELEASE_DATES" = ignored ]; then
    dates='Acquire::Check-Valid-Until "false"; Acquire::Check-Date "false";'
fi

echo "PF: bootstrap"
set --
while read -r line; do
    [ -z "$line" ] || set -- "$@" "$line"
done <<END
$PF_SOURCES_HOST
END
# --verbose tells what apt and dpkg do, which the progress is read from. The merged-usr hook does as debootstrap and
# the installers do; without it, bookworm would get a full perl for usrmerge.
mmdebstrap --mode=root --format=directory --variant=minbase --verbose \
    --architectures="$PF_ARCHITECTURE" \
    --hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr \
    --keyring="$PF_KEYRING" \
    --aptopt='Acquire::Languages "none"' \
    ${dates:+"--aptopt=$dates"} \
    ${PF_PROXY:+"--aptopt=Acquire::http::Proxy \"$PF_PROXY\""} \
    --dpkgopt=force-unsafe-io \
    --include="$(printf '%s' "$PF_TEST_PACKAGES" | tr ' ' ',')" \
    --skip=cleanup/apt \
    --customize-hook='sh -c "$PF_CUSTOMIZE" customize "$1"' \
    "$PF_SUITE" "$tree" "$@"
write_image test

case " $PF_VARIANTS " in
*" build "*)
    echo "PF: build-tools"
    if [ -n "$PF_SOURCES_HOST" ]; then
        printf '%s' "$PF_SOURCES_HOST" >"$tree/etc/apt/sources.list"
    fi
    mmdebstrap --mode=root --format=directory --variant=custom --verbose \
        --architectures="$PF_ARCHITECTURE" \
        --skip=check/empty,setup,update,cleanup/apt,cleanup/mmdebstrap \
        --customize-hook='sh -c "$PF_EXTEND" extend "$1"' \
        "$PF_SUITE" "$tree"
    write_image build
    ;;
esac
if [ -z "${PF_RESULT:-}" ]; then
    echo "PF: handing-over"
    tar --create --sparse --directory="$result" . >&4
fi
if [ -n "$PF_ON_DISK" ]; then
    rm -rf "$tree" "$TMPDIR"
fi
