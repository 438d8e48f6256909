#!/bin/bash
# get-containerd.sh DIR: what the tests on a real containerd need, unpacked side by side under DIR; nothing is installed.
#   DIR/containerd-trixie   containerd, containerd-shim-runc-v2, ctr of Debian 13 (1.7)
#   DIR/containerd-sid      the same of Debian unstable (2.1 or newer: it moves)
#   DIR/bin                 runc of Debian 12 (newer ones need a newer glibc), busybox (static)
#   DIR/image.tar           the test image, see test-image.sh
# The packages come from the Debian mirror that this machine's own apt sources name, through a temporary apt
# configuration, so that signatures, proxies and certificates are those of the machine. Run again, it only looks.
# Exit status 2 and one sentence: they can't be had here.
set -euo pipefail

cannot() {
  echo "get-containerd: $*" >&2
  exit 2
}

[ $# -eq 1 ] || { echo "usage: get-containerd.sh DIR" >&2; exit 64; }
hack=$(cd "$(dirname "$0")" && pwd)
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
  "$dir/bin/runc" --version | head -n 1
}

if [ -e "$dir/complete" ]; then
  versions
  exit
fi

work=$(mktemp -d "$dir/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,cache/archives/partial,debs}
quiet=(-qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/lists"
  -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3)

keyring() {
  local file
  for file in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
    if [ -e "$file" ]; then
      echo "$file"
      return
    fi
  done
  return 1
}

# Apt itself says where it fetches from, whichever way the sources are written.
mirrors() {
  { apt-get update --print-uris 2>/dev/null || true; } |
    sed -n "s|^'\(.*\)/dists/.*/InRelease'.*|\1|p" | grep -v security | awk '!seen[$0]++' || true
}

use_mirror() { # use_mirror URI: succeeds if it has the three suites, signed by Debian
  local suite
  for suite in bookworm trixie sid; do echo "deb [signed-by=$key] $1 $suite main"; done >"$work/sources.list"
  apt-get "${quiet[@]}" -o APT::Update::Error-Mode=any update >"$work/log" 2>&1
}

unpack() { # unpack PACKAGE SUITE: into $work/PACKAGE-SUITE
  mkdir "$work/debs/$1-$2"
  (cd "$work/debs/$1-$2" && apt-get "${quiet[@]}" download "$1/$2" >"$work/log" 2>&1) ||
    cannot "can't fetch $1 of $2: $(tail -n 1 "$work/log")"
  dpkg -x "$work/debs/$1-$2/"*.deb "$work/$1-$2"
}

for program in apt-get dpkg; do
  command -v "$program" >/dev/null || cannot "containerd is taken from Debian packages, and this machine has no $program."
done
key=$(keyring) || cannot "this machine has no Debian archive keyring (package debian-archive-keyring)."
found=
for uri in $(mirrors); do
  if use_mirror "$uri"; then
    found=$uri
    break
  fi
done
[ -n "$found" ] || cannot "no mirror in this machine's apt sources has Debian bookworm, trixie and sid."

for suite in trixie sid; do
  unpack containerd "$suite"
  mkdir -p "$dir/containerd-$suite"
  cp "$work/containerd-$suite/usr/bin/"{containerd,containerd-shim-runc-v2,ctr} "$dir/containerd-$suite/"
done
unpack runc bookworm
unpack busybox-static bookworm
mkdir -p "$dir/bin"
cp "$work/runc-bookworm/usr/sbin/runc" "$dir/bin/runc"
find "$work/busybox-static-bookworm" -type f -perm -100 -name busybox -exec cp {} "$dir/bin/busybox" \;
"$hack/test-image.sh" "$dir/bin/busybox" "$dir/image.tar"

versions >"$work/versions" 2>"$work/log" || cannot "the packages don't run here: $(tail -n 1 "$work/log")"
grep -q '^trixie: containerd .* 1\.7\.' "$work/versions" || cannot "trixie's containerd is not 1.7: $(head -n 1 "$work/versions")"
grep -Eq '^sid: containerd .* (2\.[1-9]|2\.[1-9][0-9]|[3-9]\.)' "$work/versions" ||
  cannot "sid's containerd is older than 2.1: $(sed -n 2p "$work/versions")"
touch "$dir/complete"
cat "$work/versions"
