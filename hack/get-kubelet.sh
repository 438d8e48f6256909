#!/bin/bash
# get-kubelet.sh DIR: kubelet, which no Debian suite has, built with Go into
#   DIR/kubelet
# From the Go module proxy that this machine's own Go settings name. Run again, it only looks. Exit status 2 and one
# sentence: it can't be had here.
set -euo pipefail

version=1.34.4

# shellcheck source=hack/fetch.sh
. "$(dirname "$0")/fetch.sh"
enter .lock "$@"

if [ ! -e "$dir/complete-$version" ]; then
  command -v go >/dev/null || cannot "kubelet $version is built from source, and this machine has no go."
  work=$(mktemp -d "$dir/.work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  module=k8s.io/kubernetes
  (cd / && go mod download -json "$module@v$version") >"$work/module" 2>"$work/log" ||
    cannot "kubelet $version can't be fetched: $(tail -n 1 "$work/log")"
  source=$(sed -n 's/.*"Dir": "\(.*\)",/\1/p' "$work/module")
  # Kubernetes replaces its own libraries by folders that its module leaves out, so "go install" refuses it. A module
  # with the same requirements replaces them by what is published of them: v1.34.4 is v0.34.4 there.
  mkdir "$work/build"
  { sed -e 's|^module .*|module kubelet|' -e "s|=> ./staging/src/\(k8s.io/[a-z-]*\)|=> \1 v0.${version#1.}|" "$source/go.mod"
    echo "require $module v$version"; } >"$work/build/go.mod"
  cat "$source/go.sum" >"$work/build/go.sum"
  # nice: it takes minutes. Without cgo it needs no C library.
  versions=k8s.io/component-base/version
  (cd "$work/build" && GOFLAGS=-mod=mod CGO_ENABLED=0 nice go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X $versions.gitVersion=v$version" -o "$work/kubelet" "$module/cmd/kubelet") >"$work/log" 2>&1 ||
    cannot "kubelet $version can't be built: $(tail -n 1 "$work/log")"
  "$work/kubelet" --version >/dev/null || cannot "kubelet $version was built but doesn't run here."
  rm -f "$dir"/complete-*
  mv "$work/kubelet" "$dir/kubelet"
  touch "$dir/complete-$version"
fi
"$dir/kubelet" --version
