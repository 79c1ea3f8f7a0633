# Builds the disks of one recipe's images. Runs in mount, process and (for an ordinary user) user namespaces of its own,
# so that it is root over the tree, leaves no mount behind, and dies with its first process.
#
# Standard input is the lifeline: when the daemon closes it, or dies, this shell ends, and with it all that it started.
# All that it is told comes in PF_* variables, whose values the daemon has checked: words without spaces or quotes,
# lists with single spaces, absolute paths. A line `PF: WORD` on standard output tells the phase.
set -eu

if [ "${1:-}" != workshop ]; then
    exec 3<&0 </dev/null
    trap 'exit 143' TERM
    (cat <&3 >/dev/null; kill -TERM $$) &
    exec 3<&-
    sh -c "$PF_WORKSHOP" workshop workshop &
    wait $!
    exit
fi

tree=$PF_WORK/tree
export TMPDIR=$PF_WORK/tmp
apt_config=$PF_WORK/apt.conf
export apt_config

if [ "$PF_IN_MEMORY" = yes ]; then
    mount -t tmpfs -o mode=0755,size=90% preflight "$PF_WORK"
fi
mkdir -p "$TMPDIR"
chmod 1777 "$TMPDIR"

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

    if [ -s "$PF_OUT/sources.guest" ]; then
        signed=
        for keyring in $PF_KEYRINGS; do
            if [ -e "$tree$keyring" ]; then
                signed="[signed-by=$keyring] "
                break
            fi
        done
        rm -f "$tree"/etc/apt/sources.list.d/*
        sed "s|^deb |deb $signed|" "$PF_OUT/sources.guest" >"$tree/etc/apt/sources.list"
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
    out=$PF_OUT/$1
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
    # Inode tables and journal written now: the kernel would otherwise do it in each testbed, behind the test's back.
    mke2fs -q -F -t ext4 -d "$tree" -L root -m 0 -J size=64 \
        -E lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0 "$out/root.raw"
    fallocate --dig-holes "$out/root.raw"
}

echo "PF: bootstrap"
set --
while read -r line; do
    set -- "$@" "$line"
done <"$PF_OUT/sources.host"
# --verbose tells what apt and dpkg do, which the progress is read from. The merged-usr hook does as debootstrap and
# the installers do; without it, bookworm would get a full perl for usrmerge.
mmdebstrap --mode=root --format=directory --variant=minbase --verbose \
    --architectures="$PF_ARCHITECTURE" \
    --hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr \
    --keyring="$PF_KEYRING" \
    --aptopt='Acquire::Languages "none"' \
    ${PF_PROXY:+"--aptopt=Acquire::http::Proxy \"$PF_PROXY\""} \
    --dpkgopt=force-unsafe-io \
    --include="$(printf '%s' "$PF_TEST_PACKAGES" | tr ' ' ',')" \
    --skip=cleanup/apt \
    --customize-hook="$PF_CUSTOMIZE" \
    "$PF_SUITE" "$tree" "$@" 2>&1
write_image test

case " $PF_VARIANTS " in
*" build "*)
    echo "PF: build-tools"
    if [ -s "$PF_OUT/sources.guest" ]; then
        cp "$PF_OUT/sources.host" "$tree/etc/apt/sources.list"
    fi
    mmdebstrap --mode=root --format=directory --variant=custom --verbose \
        --architectures="$PF_ARCHITECTURE" \
        --skip=check/empty,setup,update,cleanup/apt,cleanup/mmdebstrap \
        --customize-hook="$PF_EXTEND" \
        "$PF_SUITE" "$tree" 2>&1
    write_image build
    ;;
esac
if [ "$PF_IN_MEMORY" != yes ]; then
    rm -rf "$tree"
fi
echo "PF: done"
