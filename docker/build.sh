#!/bin/sh
# Builds the image of this checkout and writes its name and digest into .env, where compose.yaml finds them.
#
#   make image                         # TARGET=cpu (or gpu), ENGINE=docker (or podman, buildah)
#   docker/build.sh --build-arg …      # words go to the engine's build: a mirror, another base
#
# Every file gets time 0, so two builds of one commit are the same bytes, base and engine being the same.
set -eu

target=${TARGET:-cpu}
engine=${ENGINE:-docker}
commit=$(git rev-parse HEAD)
[ -z "$(git status --porcelain --untracked-files=no)" ] || commit=$commit-dirty
name=ringexp:$target-$(echo "$commit" | cut -c 1-12)
lock=$(sha256sum "requirements/$target.lock" | cut -d ' ' -f 1)

set -- --target "$target" --tag "$name" --build-arg "COMMIT=$commit" --build-arg "LOCK_SHA256=$lock" "$@" .
case $engine in
  docker)
    docker buildx build --build-arg SOURCE_DATE_EPOCH=0 --output type=docker,rewrite-timestamp=true "$@"
    digest=$(docker image inspect --format '{{.Id}}' "$name")
    ;;
  podman)
    podman build --timestamp 0 "$@"
    digest=$(podman image inspect --format '{{.Digest}}' "$name")
    ;;
  buildah)
    buildah build --timestamp 0 "$@"
    digest=$(buildah inspect --type image --format '{{.FromImageDigest}}' "$name")
    ;;
  *)
    echo "build.sh: ENGINE=$engine: use docker, podman or buildah" >&2
    exit 1
    ;;
esac

touch .env
kept=$(grep -v -e '^RINGEXP_IMAGE=' -e '^RINGEXP_IMAGE_DIGEST=' .env || true)
printf '%s\nRINGEXP_IMAGE=%s\nRINGEXP_IMAGE_DIGEST=%s\n' "$kept" "$name" "$digest" >.env
echo "$name $digest"
