#!/bin/sh
# Installs Debian packages: every file that the given locks name, by its SHA-256, and leaves no trace of when.
#
#   install-debian.sh LOCK...
#
# A lock's lines are `<sha256>  <path>`. A path is fetched from the mirror (DEBIAN_MIRROR), or, where the mirror has a newer
# version by now, from Debian's archive of all versions as of the lock's day. The hash decides, so any mirror will do.
set -eu

mirror=${DEBIAN_MIRROR:-http://deb.debian.org}
folder=$(mktemp --directory)

fetch() { # URL, file, SHA-256
  /usr/lib/apt/apt-helper -o APT::Sandbox::User=root -o Acquire::Retries=2 download-file "$1" "$2" "SHA256:$3" >/dev/null
}

for lock in "$@"; do
  day=$(sed -n 's/^# snapshot //p' "$lock")
  sed '/^#/d' "$lock" >"$folder/lines"
  while read -r sum path; do
    file="$folder/$sum.deb"
    fetch "$mirror/$path" "$file" "$sum" 2>/dev/null ||
      fetch "http://snapshot.debian.org/archive/${path%%/*}/$day/${path#*/}" "$file" "$sum" || {
      echo "install-debian.sh: $path of ${lock##*/} is neither on $mirror nor on snapshot.debian.org with SHA-256 $sum;" \
        "lock anew with \`make lock-debian\`" >&2
      exit 1
    }
  done <"$folder/lines"
done

DEBIAN_FRONTEND=noninteractive apt-get -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 install -qq --yes \
  --no-install-recommends "$folder"/*.deb

# Bytecode that is valid whatever time its source carries: an image's files get one time, and its user may not write.
# -B: what compileall itself imports would else be there already, by the time of its source, and be passed over.
if [ -d /usr/lib/python3.11 ]; then
  find /usr/lib/python3.11 -name '__pycache__' -prune -exec rm -rf {} +
  PYTHONHASHSEED=0 python3.11 -I -B -S -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3.11
fi

rm -rf "$folder" /var/lib/dpkg/*-old /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache /var/cache/apt/*.bin \
  /var/log/alternatives.log /var/log/apt /var/log/dpkg.log /root/.cache
