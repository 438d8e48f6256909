#!/bin/bash
# toolchain.sh [MACHINE]: puts the pinned Deno and its runtime base into .tools/deno-VERSION/{deno,denort}; silent when they
# are there. With another MACHINE than this one (x86_64 or aarch64): its runtime base alone, as denort-MACHINE.
# Sources, in order: the deno on PATH, the official download, a registry package through pip. Version, packages
# and SHA-256 sums are in toolchain.sums. Files are checked first and then moved into place, so that an
# interrupted run leaves nothing half done and two runs at once don't disturb each other.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
pins=$root/hack/toolchain.sums

# pin KEY…: the value that toolchain.sums has for these words.
pin() {
  awk -v key="$*" '!/^#/ && NF { value = $NF; $NF = ""; sub(/ +$/, ""); if ($0 == key) print value }' "$pins"
}

version=$(pin version)
machine=${1:-$(uname -m)}
other=
if [ "$machine" != "$(uname -m)" ]; then other=-$machine; fi
place=$root/.tools/deno-$version
# A copy of the pins that both files were checked against: hashing 200 MB at each call would take a second.
checked=$place/checked$other

if { [ -n "$other" ] || [ -x "$place/deno" ]; } && [ -x "$place/denort$other" ] && cmp -s "$pins" "$checked"; then exit 0; fi

say() { echo "toolchain: $*" >&2; }

# Each source either writes the executable NAME to FILE, or fails and leaves the reason in `why`.

# A deno that somebody installed is trusted when it says that it is the pinned version, without a sum:
# distributions build their own, and whoever can change PATH can change this script's result anyway.
# What is copied is the running executable, because PATH may hold a launcher script.
from_path() {
  local file=$2 found real
  if ! command -v deno >/dev/null; then why="there is none" && return 1; fi
  read -r found real < <(cd "$tmp" && DENO_DIR=$tmp/deno-dir DENO_NO_UPDATE_CHECK=1 deno eval \
    'console.log(Deno.version.deno, Deno.execPath())' </dev/null 2>/dev/null) || found="a broken one"
  if [ "$found" != "$version" ]; then why="that is $found" && return 1; fi
  cp "$real" "$file"
}

from_official() {
  local name=$1 file=$2
  if ! command -v curl >/dev/null; then why="curl isn't installed" && return 1; fi
  curl --fail --silent --show-error --location --connect-timeout 5 --speed-limit 1000 --speed-time 20 \
    --output "$tmp/$name.zip" \
    "https://dl.deno.land/release/v$version/$name-$machine-unknown-linux-gnu.zip" 2>"$tmp/why" ||
    { why=$(tail -n 1 "$tmp/why") && return 1; }
  unzip_into "$tmp/official-$name" "$tmp/$name.zip" && mv "$tmp/official-$name/$name" "$file"
}

from_package() {
  local name=$1 file=$2 pip
  if python3 -m pip --version >/dev/null 2>&1; then
    pip=(python3 -m pip)
  elif command -v pip3 >/dev/null; then
    pip=(pip3)
  else
    why="python3 has no pip" && return 1
  fi
  "${pip[@]}" download --quiet --disable-pip-version-check --no-deps --retries 1 --timeout 30 \
    --only-binary=:all: --platform "manylinux_2_27_$machine" --dest "$tmp/wheel-$name" \
    "$(pin package "$name")" >&2 2>"$tmp/why" ||
    { why=$(tail -n 1 "$tmp/why") && return 1; }
  unzip_into "$tmp/package-$name" "$tmp/wheel-$name/"*.whl || return 1
  local program=("$tmp/package-$name"/*.data/scripts/*)
  head -c "$(elf_size "${program[0]}")" "${program[0]}" >"$file"
}

unzip_into() {
  if command -v python3 >/dev/null; then
    python3 -m zipfile -e "$2" "$1" 2>/dev/null
  elif command -v unzip >/dev/null; then
    unzip -q "$2" -d "$1" 2>/dev/null
  else
    why="neither python3 nor unzip is installed" && return 1
  fi
}

# elf_size FILE: where the section headers of a 64-bit little-endian ELF file end, which is its last part:
# e_shoff (8 bytes at 40) + e_shentsize × e_shnum (2 bytes each at 58).
elf_size() {
  local start size count
  start=$(od -An -t u8 -j 40 -N 8 "$1")
  read -r size count < <(od -An -t u2 -j 58 -N 4 "$1")
  echo $((start + size * count))
}

# has_pinned_sum NAME FILE
has_pinned_sum() {
  [ -f "$2" ] && [ "$(sha256sum <"$2")" = "$(pin sha256 "$1" "$machine")  -" ]
}

# provide NAME SOURCE…: leaves the executable in its place, or ends the script with one sentence.
provide() {
  local name=$1 tried="" source kind
  if has_pinned_sum "$name" "$place/$name$other"; then return; fi
  for source in "${@:2}"; do
    case $source in
      from_path) kind="the deno on PATH" ;;
      from_official) kind="the official download" ;;
      from_package) kind="the registry package $(pin package "$name")" ;;
    esac
    if [ "$source" != from_path ]; then say "$name $version for $machine: fetching $kind"; fi
    why="it could not be unpacked"
    if "$source" "$name" "$tmp/$name"; then
      if [ "$source" = from_path ] || has_pinned_sum "$name" "$tmp/$name"; then
        say "$name $version: using $kind"
        chmod 755 "$tmp/$name" && mv -f "$tmp/$name" "$place/$name$other"
        return
      fi
      why="its SHA-256 sum is not the pinned one"
      say "$name: $kind is not used, because $why"
    fi
    tried="$tried, $kind ($why)"
  done
  say "no $name $version for $machine, tried: ${tried#, }; make one of these work (pip's own configuration" \
    "applies) or put the executable at ${place#"$root/"}/$name$other, then run this again"
  exit 1
}

if [ "$(uname -s)" != Linux ] || [ -z "$(pin sha256 deno "$machine")" ]; then
  say "Deno is pinned for Linux on x86_64 and aarch64, this is $(uname -s) on $machine"
  exit 1
fi
mkdir -p "$place"
tmp=$(mktemp -d "$place/tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
if [ -z "$other" ]; then provide deno from_path from_official from_package; fi
provide denort from_official from_package
cp "$pins" "$tmp/checked" && mv -f "$tmp/checked" "$checked"
