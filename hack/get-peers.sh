#!/bin/bash
# get-peers.sh DIR: what the agent is measured beside, built with Go into
#   DIR/floor      the least that a plugin written with NRI's own Go library takes (tools/bench/floor)
# Its modules come from the Go module proxy that this machine's own Go settings name; go.sum has their checksums. Run again,
# it only looks, unless the sources have changed. Exit status 2 and one sentence: it can't be had here.
set -euo pipefail

hack=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=hack/fetch.sh
. "$hack/fetch.sh"
enter .lock "$@"

source=$hack/../tools/bench/floor
complete=$dir/complete-$(cat "$hack/get-peers.sh" "$source"/* | cksum | cut -d' ' -f1)
if [ ! -e "$complete" ]; then
  command -v go >/dev/null || cannot "the plugins that the agent is measured beside are built from source, and this machine has no go."
  work=$(mktemp -d "$dir/.work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  # nice: it takes a while. Without cgo it needs no C library.
  (cd "$source" && GOFLAGS=-mod=readonly CGO_ENABLED=0 nice go build -trimpath -buildvcs=false -ldflags "-s -w" \
    -o "$work/floor" .) >"$work/log" 2>&1 || cannot "the Go plugin can't be built: $(tail -n 1 "$work/log")"
  rm -f "$dir"/complete-*
  mv "$work/floor" "$dir/floor"
  touch "$complete"
fi
ls "$dir"/floor
