#!/bin/bash
# get-debian-root.sh DIR: a smallest Debian 12, and rpm, as DIR/root.tar, made by debootstrap, which is taken from Debian too; nothing is
# installed. As root, with what debian.sh needs. Run again, it only looks, unless this file has changed. Exit status 2 and one
# sentence: it can't be had here.
set -euo pipefail

hack=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=hack/debian.sh
. "$hack/debian.sh"
# shellcheck source=hack/fetch.sh
. "$hack/fetch.sh"

[ "$(uname -s)" = Linux ] || cannot "debootstrap makes a Debian on Linux, and this is $(uname -s)."
[ "$(id -u)" = 0 ] || cannot "debootstrap needs root, and this is another user."
begin "$@"
debian_open "$work/apt" bookworm
debian_unpack bookworm "$work/debootstrap" debootstrap
mirror=$(sed -n 's/^deb [^ ]* \([^ ]*\) .*/\1/p' "$work/apt/sources.list" | tail -n 1)
# Without systemd: what the tests need of it they bring along.
DEBOOTSTRAP_DIR=$work/debootstrap/usr/share/debootstrap "$work/debootstrap/usr/sbin/debootstrap" --variant=minbase --include=rpm \
  --keyring="$debian_key" bookworm "$work/root" "$mirror" >"$work/log" 2>&1 ||
  cannot "debootstrap can't make a root here: $(tail -n 1 "$work/log")"
rm -rf "$work/root/var/cache/apt/archives"/*.deb "$work/root/var/lib/apt/lists"/*
tar -C "$work/root" --numeric-owner -cf "$work/root.tar" .
mv "$work/root.tar" "$dir/root.tar"
rm -f "$dir"/complete*
cat "$work/root/etc/debian_version" >"$complete"
cat "$complete"
