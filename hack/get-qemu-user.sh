#!/bin/bash
# get-qemu-user.sh DIR: QEMU of Debian 12 that runs single programs of arm64, as DIR/qemu-aarch64; nothing is installed. The
# libraries for them are get-glibc.sh's. See debian.sh. Run again, it only looks, unless this file has changed. Exit status 2 and
# one sentence: it can't be had here.
set -euo pipefail

hack=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=hack/debian.sh
. "$hack/debian.sh"
# shellcheck source=hack/fetch.sh
. "$hack/fetch.sh"

on_linux QEMU
begin "$@"
debian_open "$work/apt" bookworm
debian_unpack bookworm "$work/root" qemu-user-static
cp "$work/root/usr/bin/qemu-aarch64-static" "$work/qemu-aarch64"
"$work/qemu-aarch64" --version >"$work/version" 2>"$work/log" || cannot "QEMU doesn't run here: $(tail -n 1 "$work/log")"
mv "$work/qemu-aarch64" "$dir/qemu-aarch64"
rm -f "$dir"/complete*
mv "$work/version" "$complete"
cat "$complete"
