#!/bin/bash
# collection.sh [VERSION]: the Ansible collection weka.cpuset as dist/weka-cpuset-VERSION.tar.gz; default: deno.json's
# version.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-$(sed -n 's/^  "version": "\(.*\)",$/\1/p' deno.json)}
hack/get-ansible.sh .tools/ansible
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -a deploy/ansible/collections/ansible_collections/weka/cpuset "$work/cpuset"
sed -i -e '/^# That of deno.json/d' -e "s/^version: .*/version: $version/" "$work/cpuset/galaxy.yml"
mkdir -p dist "$work/packed" "$work/unpacked"
# Ansible refuses to start in a locale that isn't installed.
LC_ALL=C.UTF-8 HOME=$work PYTHONPATH=$PWD/.tools/ansible/packages PYTHONDONTWRITEBYTECODE=1 \
  python3 -m ansible galaxy collection build --force --output-path "$work/packed" "$work/cpuset"
# Once more without the moment of the build, so that the same commit gives the same bytes.
tar -C "$work/unpacked" -xzf "$work/packed/weka-cpuset-$version.tar.gz"
(cd "$work/unpacked" && tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=u=rwX,go=rX -c -- *) |
  gzip -n -9 >"dist/weka-cpuset-$version.tar.gz"
echo "dist/weka-cpuset-$version.tar.gz"
