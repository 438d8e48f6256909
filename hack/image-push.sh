#!/bin/bash
# image-push.sh: pushes dist/weka-cpuset-image.tar under the name that `make image` gave it, with the first of skopeo,
# crane, podman and docker that is there. Credentials are the tool's own (skopeo login, …); PUSH_FLAGS are added to
# its push, as in PUSH_FLAGS=--dest-tls-verify=false for skopeo and a registry without TLS.
set -euo pipefail

archive=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/dist/weka-cpuset-image.tar

fail() {
  echo "image-push: $*" >&2
  exit 1
}

[ -f "$archive" ] || fail "dist/weka-cpuset-image.tar isn't there; make image makes it."
[ -n "${REGISTRY:-}" ] || fail "REGISTRY says where to, and isn't set: make image-push REGISTRY=registry.example/team"
reference=$(tar -xOf "$archive" manifest.json | sed -n 's/.*"RepoTags":\["\([^"]*\)"\].*/\1/p')
case $reference in
  "$REGISTRY"/*) ;;
  *) fail "the image is called $reference, which isn't in $REGISTRY; make image REGISTRY=$REGISTRY renames it." ;;
esac
read -ra flags <<<"${PUSH_FLAGS:-}"

if command -v skopeo >/dev/null; then
  skopeo copy "${flags[@]}" "oci-archive:$archive" "docker://$reference"
elif command -v crane >/dev/null; then
  crane push "${flags[@]}" "$archive" "$reference"
elif command -v podman >/dev/null; then
  podman load --input "$archive"
  podman push "${flags[@]}" "$reference"
elif command -v docker >/dev/null; then
  docker load --input "$archive"
  docker push "${flags[@]}" "$reference"
else
  fail "pushing needs skopeo, crane, podman or docker, and none is on PATH;" \
    "any of them can also push dist/weka-cpuset-image.tar from another machine."
fi
echo "pushed $reference"
