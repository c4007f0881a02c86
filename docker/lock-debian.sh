#!/bin/sh
# Locks the Debian packages of the image anew: what apt would install today on a bare bookworm, with everything it needs.
#
#   make lock-debian                   # as root, with debootstrap; writes requirements/debian*.lock
#
# debian.lock is what every stage has; debian-build.lock comes on top where wheels are installed, debian-gpu.lock in `gpu`.
set -eu

mirror=${DEBIAN_MIRROR:-http://deb.debian.org}
out=${1:-requirements}
root=$(mktemp --directory)
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase bookworm "$root" "$mirror/debian" >&2
cp /etc/resolv.conf "$root/etc/resolv.conf"
for suite in "debian bookworm" "debian bookworm-updates" "debian-security bookworm-security"; do
  echo "deb $mirror/$suite main"
done >"$root/etc/apt/sources.list"
chroot "$root" apt-get update -qq

lock() { # name, packages: what apt would fetch for them now; then install them, as the next lock stands on this one
  name=$1
  shift
  {
    echo "# Debian 12 (bookworm), amd64: $*"
    echo "# snapshot $(date --utc +%Y%m%dT%H%M%SZ)"
    chroot "$root" apt-get -o Acquire::ForceHash=SHA256 install -qq --yes --no-install-recommends --print-uris "$@" |
      sed -n "s|^'$mirror/\([^']*\)' .* SHA256:\([0-9a-f]*\)\$|\2  \1|p" | LC_ALL=C sort -k 2
  } >"$out/$name.lock"
  DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -qq --yes --no-install-recommends "$@" >/dev/null 2>&1
}

lock debian python3.11 bubblewrap ca-certificates libgomp1 libnuma1
cp -a "$root" "$root.gpu"
lock debian-build python3.11-venv
rm -rf "$root" && mv "$root.gpu" "$root"
lock debian-gpu gcc libc6-dev python3.11-dev
