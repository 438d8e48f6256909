#!/bin/bash
# test-image.sh BUSYBOX TAR: a docker-archive image "localhost/weka-cpuset-test:1" of about 2 MB, made by hand from a
# static busybox: the tests' pause image and their container image. Its entrypoint waits, and ends at once on SIGTERM.
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: test-image.sh BUSYBOX TAR" >&2; exit 64; }
case $(uname -m) in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *) echo "test-image: no image is made for $(uname -m), only for x86-64 and arm64." >&2; exit 2 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/root/{bin,dev,etc,proc,sys,tmp}
cp "$1" "$work/root/bin/busybox"
for applet in cat grep sh sleep taskset; do ln -s busybox "$work/root/bin/$applet"; done
# A process that is PID 1 ignores signals it has no handler for, hence the trap.
cat >"$work/root/pause" <<'P'
#!/bin/sh
trap 'exit 0' TERM INT
while :; do sleep 86400 & wait; done
P
chmod +x "$work/root/pause"
tar -C "$work/root" --owner=0 --group=0 --numeric-owner --mtime=@0 --sort=name -cf "$work/layer.tar" .
digest=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
cat >"$work/config.json" <<J
{
  "architecture": "$arch",
  "os": "linux",
  "config": { "Entrypoint": ["/pause"], "Env": ["PATH=/bin"], "WorkingDir": "/" },
  "rootfs": { "type": "layers", "diff_ids": ["sha256:$digest"] }
}
J
echo '[{"Config":"config.json","RepoTags":["localhost/weka-cpuset-test:1"],"Layers":["layer.tar"]}]' >"$work/manifest.json"
tar -C "$work" -cf "$2.tmp" manifest.json config.json layer.tar
mv "$2.tmp" "$2"
