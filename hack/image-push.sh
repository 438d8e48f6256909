#!/bin/bash
# image-push.sh: pushes dist/weka-cpuset-image.tar under the name that `make image` gave it, with the first of skopeo,
# crane, podman and docker that is there: the first two with all of its index, the others the image of one processor alone.
# Credentials are the tool's own (skopeo login, …); PUSH_FLAGS are added to its push, as in
# PUSH_FLAGS=--dest-tls-verify=false for skopeo and a registry without TLS.
set -euo pipefail

archive=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/dist/weka-cpuset-image.tar

fail() {
  echo "image-push: $*" >&2
  exit 1
}

[ -f "$archive" ] || fail "dist/weka-cpuset-image.tar isn't there; make image makes it."
[ -n "${REGISTRY:-}" ] || fail "REGISTRY says where to, and isn't set: make image-push REGISTRY=registry.example/team"
reference=$(tar -xOf "$archive" index.json | sed -n 's/.*"org.opencontainers.image.ref.name":"\([^"]*\)".*/\1/p')
case $reference in
  "$REGISTRY"/*) ;;
  *) fail "the image is called $reference, which isn't in $REGISTRY; make image REGISTRY=$REGISTRY renames it." ;;
esac
read -ra flags <<<"${PUSH_FLAGS:-}"

if command -v skopeo >/dev/null; then
  skopeo copy --all "${flags[@]}" "oci-archive:$archive" "docker://$reference"
elif command -v crane >/dev/null; then
  layout=$(mktemp -d)
  trap 'rm -rf "$layout"' EXIT
  tar -xf "$archive" -C "$layout"
  crane push --index "${flags[@]}" "$layout" "$reference"
elif engine=$(command -v podman || command -v docker); then
  tar -tf "$archive" manifest.json >/dev/null 2>&1 ||
    fail "the image is for several processors, and $(basename "$engine") pushes those of one; skopeo and crane push it."
  "$engine" load --input "$archive"
  "$engine" push "${flags[@]}" "$reference"
else
  fail "pushing needs skopeo, crane, podman or docker, and none is on PATH;" \
    "any of them can also push dist/weka-cpuset-image.tar from another machine."
fi
echo "pushed $reference"
