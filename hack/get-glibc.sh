#!/bin/bash
# get-glibc.sh DIR: the shared libraries that the executable needs, of Debian 12, for both processors, whichever this machine
# has: DIR/{amd64,arm64} with glibc and libgcc, and DIR/versions, a line "ARCHITECTURE PACKAGE VERSION SOURCE" for each package.
# See debian.sh. Run again, it only looks, unless this file has changed. Exit status 2 and one sentence: it can't be had here.
set -euo pipefail

hack=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=hack/debian.sh
. "$hack/debian.sh"
# shellcheck source=hack/fetch.sh
. "$hack/fetch.sh"

on_linux glibc
begin "$@"
for debian_architecture in amd64 arm64; do
  debian_open "$work/apt-$debian_architecture" bookworm
  for package in libc6 libgcc-s1; do
    debian_unpack bookworm "$work/$debian_architecture" "$package"
    # shellcheck disable=SC2016 # dpkg's own variables
    dpkg-deb --show --showformat '${Architecture} ${Package} ${Version} ${source:Package}\n' "$debian_work"/*.deb >>"$work/versions"
  done
  rm -rf "${dir:?}/$debian_architecture"
  mv "$work/$debian_architecture" "$dir/"
done
mv "$work/versions" "$dir/versions"
rm -f "$dir"/complete*
cp "$dir/versions" "$complete"
cat "$complete"
