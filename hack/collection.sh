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
mkdir -p dist
HOME=$work PYTHONPATH=$PWD/.tools/ansible/packages PYTHONDONTWRITEBYTECODE=1 \
  python3 -m ansible galaxy collection build --force --output-path dist "$work/cpuset"
