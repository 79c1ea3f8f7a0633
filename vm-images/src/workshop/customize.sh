# Runs as mmdebstrap's customize hook, with the tree as first argument and all of the tree's packages installed.
set -eu
tree=$1

# The host's apt downloads, as for all the rest: it knows the host's resolver and certificates, the tree has neither.
cp "$MMDEBSTRAP_APT_CONFIG" "$apt_config"
env --chdir="$tree" APT_CONFIG="$apt_config" apt-get --yes --download-only --no-install-recommends install "$PF_KERNEL"

# The kernel's files without its package: installing it would bring initramfs-tools, cpio and more, which hide
# dependencies that a tested package lacks, and whose triggers cost each testbed seconds.
# Distributions split the kernel's files differently; the metapackages among these hold none.
mkdir -p "$tree/tmp/kernel/boot"
for part in image modules binary base; do
    for deb in "$tree"/var/cache/apt/archives/linux-"$part"-*.deb; do
        [ -e "$deb" ] || continue
        chroot "$tree" dpkg-deb --extract "/var/cache/apt/archives/${deb##*/}" /tmp/kernel
    done
done
mkdir -p "$tree/usr/lib/modules" "$tree/boot"
for modules in "$tree"/tmp/kernel/lib/modules/* "$tree"/tmp/kernel/usr/lib/modules/*; do
    [ -d "$modules" ] || continue
    rm -rf "$modules/build" "$modules/source"
    cp -a "$modules" "$tree/usr/lib/modules/"
done
cp -a "$tree"/tmp/kernel/boot/. "$tree/boot/"
rm -rf "$tree/tmp/kernel"
release=$(ls "$tree/usr/lib/modules")
if [ ! -e "$tree/boot/vmlinuz-$release" ]; then
    cp "$tree/usr/lib/modules/$release/vmlinuz" "$tree/boot/vmlinuz-$release"
fi
chroot "$tree" depmod "$release"

chroot "$tree" useradd --create-home --uid "$PF_UID" --user-group --shell /bin/bash "$PF_USER"
mkdir -p "$tree/etc/systemd/system"
for unit in $PF_MASKED; do
    ln -sf /dev/null "$tree/etc/systemd/system/$unit"
done
