# Runs as mmdebstrap's customize hook on a finished test tree, and makes a build tree of it.
set -eu
tree=$1
env --chdir="$tree" APT_CONFIG="$apt_config" DEBIAN_FRONTEND=noninteractive apt-get --yes --no-install-recommends \
    ${PF_PROXY:+-o "Acquire::http::Proxy=$PF_PROXY"} -o "DPkg::Chroot-Directory=$tree" install $PF_BUILD_PACKAGES
