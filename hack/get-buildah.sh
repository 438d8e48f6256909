#!/bin/bash
# get-buildah.sh DIR: buildah and skopeo of Debian 12, as DIR/buildah and DIR/skopeo; nothing is installed. buildah runs in a
# root of its own, since it starts itself again by its own path: it sees of this machine /tmp and the folder that DIR is in, and
# needs root. See debian.sh. Run again, it only looks, unless this file has changed. Exit status 2 and one sentence: it can't be
# had here.
set -euo pipefail

hack=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=hack/debian.sh
. "$hack/debian.sh"
# shellcheck source=hack/fetch.sh
. "$hack/fetch.sh"

on_linux buildah
begin "$@"
debian_open "$work/apt" bookworm
rm -rf "$dir/root"
debian_unpack_all bookworm "$work/root" buildah skopeo golang-github-containers-common golang-github-containers-image
rm -rf "$work/root/usr/share/doc"
echo "root:x:0:0:root:/root:/bin/sh" >"$work/root/etc/passwd"
mkdir -p "$work/root/var/tmp"
mv "$work/root" "$dir/root"
cat >"$dir/buildah" <<'P'
#!/bin/bash
dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck disable=SC2016 # expanded by the inner shell
exec unshare --mount --propagation private bash -c '
  set -e
  root=$1/root
  mount --rbind "$root" "$root" # a place where something is mounted, which buildah expects of /
  for each in /proc /sys /dev /tmp "${1%/*}"; do
    mkdir -p "$root$each"
    mount --rbind "$each" "$root$each"
  done
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  shift
  exec chroot "$root" /usr/bin/buildah "$@"' - "$dir" "$@"
P
loader=$(cd "$dir/root" && echo lib*/ld-linux-*)
cat >"$dir/skopeo" <<P
#!/bin/bash
root=\$(cd "\$(dirname "\${BASH_SOURCE[0]}")" && pwd)/root
libraries=(\$root/lib/*-linux-gnu \$root/usr/lib/*-linux-gnu)
exec "\${libraries[0]}/${loader##*/}" --library-path "\${libraries[0]}:\${libraries[1]}" "\$root/usr/bin/skopeo" "\$@"
P
chmod +x "$dir/buildah" "$dir/skopeo"
for program in buildah skopeo; do
  "$dir/$program" --version >>"$work/versions" 2>"$work/log" || cannot "$program doesn't run here: $(tail -n 1 "$work/log")"
done
rm -f "$dir"/complete*
mv "$work/versions" "$complete"
cat "$complete"
