#!/bin/bash
# get-qemu.sh DIR [KERNEL]: what the tests in a virtual machine need, unpacked under DIR; nothing is installed.
#   DIR/qemu         runs QEMU, with its own libraries
#   DIR/vmlinuz      a kernel for virtual machines: 6.1 (the default), or 6.12 of Debian 13
#   DIR/root.cpio    the machine's root file system without what is tested: systemd, bash, busybox, D-Bus
# All else from Debian 12, whatever runs here; see debian.sh. Run again, it only looks, unless this file has changed.
# Exit status 2 and one sentence: it can't be had here.
set -euo pipefail

hack=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=hack/debian.sh
. "$hack/debian.sh"
# shellcheck source=hack/fetch.sh
. "$hack/fetch.sh"

[ $# -eq 1 ] || [ $# -eq 2 ] || { echo "usage: get-qemu.sh DIR [KERNEL]" >&2; exit 64; }
case ${2:-6.1} in
  6.1) suite=bookworm suites=(bookworm) ;;
  6.12) suite=trixie suites=(bookworm trixie) ;;
  *) cannot "Debian has kernels 6.1 and 6.12 for virtual machines, not $2." ;;
esac
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || cannot "the virtual machine is run on Linux on x86-64, and this is $(uname -s) on $(uname -m)."
enter .lock "$1"

# By this recipe: one from before may lack what the checks look for.
unless_complete "$hack/get-qemu.sh"

work=$(mktemp -d "$dir/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
debian_open "$work/apt" "${suites[@]}"

# QEMU is started by its own dynamic linker, so that none of its libraries is this machine's.
rm -rf "$dir/qemu-system"
debian_unpack_all bookworm "$dir/qemu-system" qemu-system-x86
cat >"$dir/qemu" <<'Q'
#!/bin/bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/qemu-system
export QEMU_MODULE_DIR=$root/usr/lib/x86_64-linux-gnu/qemu
exec "$root/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu" \
  "$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" "$@"
Q
chmod +x "$dir/qemu"

kernel=$(debian_depends "linux-image-cloud-amd64/$suite" | grep -o 'linux-image-[^ ,]*' | sed -n 1p)
[ -n "$kernel" ] || cannot "Debian $suite names no kernel for virtual machines."
debian_unpack "$suite" "$work/kernel" "$kernel"
cp "$work"/kernel/boot/vmlinuz-* "$dir/vmlinuz"

root=$work/root
debian_unpack_all bookworm "$root" systemd bash busybox-static
# The system bus; what else it needs is systemd's too, but for Perl, which only its installation runs.
debian_unpack bookworm "$root" dbus dbus-daemon dbus-system-bus-common libdbus-1-3 libexpat1
# One /usr: links in place of the folders that some packages still fill beside it.
for folder in bin sbin lib lib64; do
  mkdir -p "$root/usr/$folder"
  if [ -d "$root/$folder" ]; then cp -a "$root/$folder/." "$root/usr/$folder/" && rm -r "${root:?}/$folder"; fi
  ln -s "usr/$folder" "$root/$folder"
done
rm -rf "$root"/usr/share/{doc,man,locale,i18n,perl5,zsh,bash-completion} "$root"/usr/lib/x86_64-linux-gnu/gconv
for applet in $("$root/bin/busybox" --list | grep -v init); do
  [ -e "$root/bin/$applet" ] || [ -e "$root/sbin/$applet" ] || ln -s busybox "$root/bin/$applet"
done
(cd "$root" && find . | "$root/bin/busybox" cpio --quiet -o -H newc) >"$dir/root.cpio"

{ "$dir/qemu" --version | sed -n 1p; echo "$kernel"; } >"$work/versions" 2>"$work/log" ||
  cannot "QEMU doesn't run here: $(tail -n 1 "$work/log")"
rm -f "$dir"/complete*
mv "$work/versions" "$complete"
cat "$complete"
