#!/bin/bash
# get-containerd.sh DIR: what the tests on a real containerd need, unpacked side by side under DIR; nothing is installed.
#   DIR/containerd-trixie   containerd, containerd-shim-runc-v2, ctr of Debian 13 (1.7)
#   DIR/containerd-sid      the same of Debian unstable (2.1 or newer: it moves)
#   DIR/bin                 runc of Debian 12 (newer ones need a newer glibc), busybox (static)
#   DIR/image.tar           the test image, see test-image.sh
# From Debian, whatever runs here; see debian.sh. Run again, it only looks.
# Exit status 2 and one sentence: they can't be had here.
set -euo pipefail

hack=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=hack/debian.sh
. "$hack/debian.sh"

[ $# -eq 1 ] || { echo "usage: get-containerd.sh DIR" >&2; exit 64; }
[ "$(uname -s)" = Linux ] || cannot "containerd needs Linux, this is $(uname -s)."
case $(uname -m) in
  x86_64 | aarch64) ;;
  *) cannot "the tests' containerd is for x86-64 and arm64, this machine is $(uname -m)." ;;
esac
mkdir -p "$1"
dir=$(cd "$1" && pwd)
exec 9>"$dir/.lock"
flock 9 # two test runs may start at once

versions() {
  local suite
  for suite in trixie sid; do
    printf '%s: ' "$suite"
    "$dir/containerd-$suite/containerd" --version
  done
  "$dir/bin/runc" --version | sed -n 1p
}

if [ -e "$dir/complete" ]; then
  versions
  exit
fi

work=$(mktemp -d "$dir/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
debian_open "$work/apt" bookworm trixie sid

for suite in trixie sid; do
  debian_unpack "$suite" "$work/$suite" containerd
  mkdir -p "$dir/containerd-$suite"
  cp "$work/$suite/usr/bin/"{containerd,containerd-shim-runc-v2,ctr} "$dir/containerd-$suite/"
done
debian_unpack bookworm "$work/bookworm" runc busybox-static
mkdir -p "$dir/bin"
cp "$work/bookworm/usr/sbin/runc" "$dir/bin/runc"
find "$work/bookworm" -type f -perm -100 -name busybox -exec cp {} "$dir/bin/busybox" \;
"$hack/test-image.sh" "$dir/bin/busybox" "$dir/image.tar"

versions >"$work/versions" 2>"$work/log" || cannot "the packages don't run here: $(tail -n 1 "$work/log")"
grep -q '^trixie: containerd .* 1\.7\.' "$work/versions" || cannot "trixie's containerd is not 1.7: $(head -n 1 "$work/versions")"
grep -Eq '^sid: containerd .* (2\.[1-9]|2\.[1-9][0-9]|[3-9]\.)' "$work/versions" ||
  cannot "sid's containerd is older than 2.1: $(sed -n 2p "$work/versions")"
touch "$dir/complete"
cat "$work/versions"
