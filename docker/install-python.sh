#!/bin/sh
# Makes /opt/ringexp, a virtual environment of the locked packages and this project, for a target: cpu or gpu.
#
#   install-python.sh cpu|gpu          # in the folder of the sources; LOCK_SHA256 is what the image's label will say
set -eu

target=$1
lock=requirements/$target.lock
home=/opt/ringexp

echo "${LOCK_SHA256:-none given}  $lock" | sha256sum --check --status 2>/dev/null || {
  echo "install-python.sh: the argument LOCK_SHA256 (${LOCK_SHA256:-none given}) is not the SHA-256 of $lock: build with" \
    "\`make image\`, or with --build-arg LOCK_SHA256=$(sha256sum "$lock" | cut -d ' ' -f 1) --build-arg COMMIT=<commit>" >&2
  exit 1
}

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_NO_INDEX PIP_CERT; do # an empty one is none
  eval "[ -n \"\${$name:-}\" ]" || unset "$name"
done

python3.11 -m venv "$home"
install="$home/bin/pip install --quiet --no-deps --no-compile"
# What is a source distribution in the lock is built by the lock's setuptools, not by one that pip would fetch for that.
sed -n '/^setuptools==/,/[^\\]$/p' "$lock" >/tmp/setuptools.lock
$install --require-hashes -r /tmp/setuptools.lock
$install --require-hashes --no-build-isolation --use-pep517 -r "$lock"
SOURCE_DATE_EPOCH=0 $install --no-index --no-build-isolation .

"$home/bin/python" docker/prune.py "$target" server
find "$home" -name '__pycache__' -prune -exec rm -rf {} +
# Some packages ship templates and examples that are no valid Python: those stay without bytecode, as with pip.
PYTHONHASHSEED=0 "$home/bin/python" -I -B -S -m compileall -qq -f --invalidation-mode unchecked-hash "$home/lib" || true
