#!/bin/bash
# get-chromium.sh DIR: Chromium of Debian 12 with all that it needs, unpacked under DIR; nothing is installed.
#   DIR/chromium     runs it without a window, as root, in a root directory and a mount namespace of its own
#   DIR/pngquant     makes pictures smaller, from its standard input to its standard output
# See debian.sh. Run again, it only looks, unless this file has changed. Exit status 2 and one sentence: it can't be had here.
set -euo pipefail

hack=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=hack/debian.sh
. "$hack/debian.sh"
# shellcheck source=hack/fetch.sh
. "$hack/fetch.sh"

on_linux Chromium
[ "$(id -u)" = 0 ] || cannot "its root directory needs root."
begin "$@"
debian_open "$work/apt" bookworm
rm -rf "$dir/root"
debian_unpack_all bookworm "$dir/root" chromium fonts-dejavu-core pngquant bash coreutils
mkdir -p "$dir"/root/{proc,dev,sys,tmp,run,root}
cat >"$dir/chromium" <<'C'
#!/bin/bash
# Deno's tests talk to it by --remote-debugging-port; the network is the machine's.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/root
exec unshare --mount --fork --kill-child bash -c '
  mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/tmp" &&
  exec chroot "$0" /usr/lib/chromium/chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage \
    --no-first-run --disable-background-networking --disable-extensions --hide-scrollbars --user-data-dir=/tmp/profile "$@"
' "$root" "$@"
C
cat >"$dir/pngquant" <<'P'
#!/bin/bash
exec chroot "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/root" /usr/bin/pngquant --speed 1 --strip 128 -
P
chmod +x "$dir/chromium" "$dir/pngquant"
"$dir/chromium" --version >"$work/version" 2>"$work/log" || cannot "Chromium doesn't run here: $(tail -n 1 "$work/log")"
rm -f "$dir"/complete*
mv "$work/version" "$complete"
cat "$complete"
