#!/bin/bash
# get-ansible.sh DIR: the Ansible of ansible-requirements.txt, unpacked under DIR; nothing is installed. Run again, it
# only looks. Exit status 2 and one sentence: it can't be had here.
set -euo pipefail

cannot() {
  echo "get-ansible: $*" >&2
  exit 2
}

[ $# -eq 1 ] || { echo "usage: get-ansible.sh DIR" >&2; exit 64; }
requirements=$(cd "$(dirname "$0")" && pwd)/ansible-requirements.txt
mkdir -p "$1"
dir=$(cd "$1" && pwd)
exec 9>"$dir/.lock"
flock 9 # two test runs may start at once

if cmp -s "$requirements" "$dir/complete"; then exit; fi
python3 -c 'import tomllib' 2>/dev/null || cannot "it needs Python 3.11 or newer as python3."
python3 -m pip --version >/dev/null 2>&1 || cannot "python3 has no pip."
rm -rf "$dir/packages" "$dir/complete"
PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps \
  --target "$dir/packages" --requirement "$requirements" 2>"$dir/log" || cannot "pip can't fetch it: $(tail -n 1 "$dir/log")"
# Compiled modules are for the Python that fetched them.
PYTHONPATH=$dir/packages python3 -m ansible playbook --version >"$dir/log" 2>&1 || cannot "it doesn't run here: $(tail -n 1 "$dir/log")"
cp "$requirements" "$dir/complete"
