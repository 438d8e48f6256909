#!/bin/bash
# get-kubelet.sh DIR: kubelet, which no Debian suite has, built with Go into
#   DIR/kubelet
# Run again, it only looks. Exit status 2 and one sentence: it can't be had here.
set -euo pipefail

# shellcheck source=hack/fetch.sh
. "$(dirname "$0")/fetch.sh"
# shellcheck source=hack/kubernetes_build.sh
. "$(dirname "$0")/kubernetes_build.sh"
enter .lock "$@"

if [ ! -e "$dir/complete-$kubernetes_version" ]; then
  work=$(mktemp -d "$dir/.work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  kubernetes_build "$work" kubelet
  rm -f "$dir"/complete-*
  mv "$work/kubelet" "$dir/kubelet"
  touch "$dir/complete-$kubernetes_version"
fi
"$dir/kubelet" --version
