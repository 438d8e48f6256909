#!/bin/bash
# get-nfpm.sh DIR: nfpm, which makes packages for Debian's and Red Hat's package managers, built with Go as DIR/nfpm. From the Go
# module proxy that this machine's own Go settings name. Run again, it only looks. Exit status 2 and one sentence: it can't be had
# here.
set -euo pipefail

version=2.45.0

# shellcheck source=hack/fetch.sh
. "$(dirname "$0")/fetch.sh"
enter .lock "$@"

complete=$dir/complete-$version
if [ ! -e "$complete" ]; then
  command -v go >/dev/null || cannot "nfpm $version is built from source, and this machine has no go."
  work=$(mktemp -d "$dir/.work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  # nice: it takes a minute. Without cgo it needs no C library.
  GOBIN=$work GOFLAGS=-mod=mod CGO_ENABLED=0 nice go install -trimpath -ldflags "-s -w" \
    "github.com/goreleaser/nfpm/v2/cmd/nfpm@v$version" >"$work/log" 2>&1 ||
    cannot "nfpm $version can't be built: $(tail -n 1 "$work/log")"
  "$work/nfpm" --version >/dev/null || cannot "nfpm $version was built but doesn't run here."
  mv "$work/nfpm" "$dir/nfpm"
  rm -f "$dir"/complete*
  touch "$complete"
fi
echo "nfpm $version"
