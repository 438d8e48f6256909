#!/bin/bash
# get-containerd-go.sh DIR: the newest line of containerd, which no Debian suite has yet, built with Go into
#   DIR/containerd-go       containerd, containerd-shim-runc-v2, ctr
# From the Go module proxy that this machine's own Go settings name. Run again, it only looks. What else the tests need
# comes from get-containerd.sh. Exit status 2 and one sentence: it can't be had here.
set -euo pipefail

version=2.4.2

# shellcheck source=hack/fetch.sh
. "$(dirname "$0")/fetch.sh"
enter .lock-go "$@"

bin=$dir/containerd-go
if [ ! -e "$bin/complete-$version" ]; then
  command -v go >/dev/null || cannot "containerd $version is built from source, and this machine has no go."
  work=$(mktemp -d "$dir/.work-go.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  module=github.com/containerd/containerd/v2
  # nice: it takes minutes. Without cgo and without the snapshotters that the tests don't use it needs no C library.
  GOBIN=$work GOFLAGS=-mod=mod CGO_ENABLED=0 nice go install -trimpath -tags no_btrfs,no_devmapper,no_zfs \
    -ldflags "-s -w -X $module/version.Version=v$version" \
    "$module"/cmd/{containerd,containerd-shim-runc-v2,ctr}@"v$version" >"$work/log" 2>&1 ||
    cannot "containerd $version can't be built: $(tail -n 1 "$work/log")"
  "$work/containerd" --version >/dev/null || cannot "containerd $version was built but doesn't run here."
  rm -rf "$bin" "$work/log"
  mkdir "$bin"
  mv "$work"/* "$bin/"
  touch "$bin/complete-$version"
fi
printf 'go: '
"$bin/containerd" --version
