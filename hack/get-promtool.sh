#!/bin/bash
# get-promtool.sh DIR: promtool of Debian 12 (Prometheus 2.42), which checks metrics and rules, as DIR/promtool; nothing is
# installed. See debian.sh. Run again, it only looks, unless this file has changed. Exit status 2 and one sentence: it can't be
# had here.
set -euo pipefail

hack=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=hack/debian.sh
. "$hack/debian.sh"
# shellcheck source=hack/fetch.sh
. "$hack/fetch.sh"

on_linux promtool
begin "$@"
debian_open "$work/apt" bookworm
debian_unpack bookworm "$work/root" prometheus
cp "$work/root/usr/bin/promtool" "$work/promtool"
"$work/promtool" --version >"$work/version" 2>"$work/log" || cannot "promtool doesn't run here: $(tail -n 1 "$work/log")"
mv "$work/promtool" "$dir/promtool"
rm -f "$dir"/complete*
mv "$work/version" "$complete"
cat "$complete"
