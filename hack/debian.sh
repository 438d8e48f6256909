#!/bin/bash
# To be sourced: Debian packages unpacked in a folder, of any suite, whatever is installed on this machine. They come from
# the Debian mirror that the machine's own apt sources name, through a temporary apt configuration, so that signatures,
# proxies and certificates are those of the machine.

# cannot SENTENCE…: ends the script that sources this with status 2: what it fetches can't be had here.
cannot() {
  echo "$(basename "$0" .sh): $*" >&2
  exit 2
}

# debian_open WORK SUITE…: finds a mirror that has the suites. WORK is an empty folder for this alone; everything below
# needs it until the end. For this machine's processor, or that of "debian_architecture", as in arm64.
debian_open() {
  debian_work=$1
  shift
  local program uri
  for program in apt-get dpkg; do
    command -v "$program" >/dev/null || cannot "this is taken from Debian packages, and this machine has no $program."
  done
  debian_key=$(debian_keyring) || cannot "this machine has no Debian archive keyring (package debian-archive-keyring)."
  mkdir -p "$debian_work"/{lists/partial,cache/archives/partial}
  : >"$debian_work/status" # nothing is installed, so dependencies are never left out
  debian_apt=(apt-get -qq -o Dir::Etc::sourcelist="$debian_work/sources.list" -o Dir::Etc::sourceparts=-
    -o Dir::State::lists="$debian_work/lists" -o Dir::State::status="$debian_work/status"
    -o Dir::Cache="$debian_work/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3)
  if [ -n "${debian_architecture:-}" ]; then
    debian_apt+=(-o APT::Architecture="$debian_architecture" -o APT::Architectures="$debian_architecture")
  fi
  for uri in $(debian_mirrors); do
    if debian_use "$uri" "$@"; then return; fi
  done
  cannot "no mirror in this machine's apt sources has Debian $*."
}

# debian_unpack SUITE FOLDER PACKAGE…: these packages alone.
debian_unpack() {
  local suite=$1 folder=$2 package
  shift 2
  mkdir -p "$folder"
  for package in "$@"; do
    rm -f "$debian_work"/*.deb
    (cd "$debian_work" && "${debian_apt[@]}" download "$package/$suite" >log 2>&1) ||
      cannot "can't fetch $package of $suite: $(tail -n 1 "$debian_work/log")"
    dpkg -x "$debian_work"/*.deb "$folder"
  done
}

# debian_unpack_all SUITE FOLDER PACKAGE…: the same with all that they depend on. No package's scripts are run.
debian_unpack_all() {
  local suite=$1 folder=$2 deb
  shift 2
  mkdir -p "$folder"
  "${debian_apt[@]}" clean
  "${debian_apt[@]}" install --yes --no-install-recommends --download-only --target-release "$suite" "$@" \
    >"$debian_work/log" 2>&1 || cannot "can't fetch $* of $suite: $(tail -n 1 "$debian_work/log")"
  for deb in "$debian_work"/cache/archives/*.deb; do dpkg -x "$deb" "$folder"; done
}

# debian_depends PACKAGE: what it depends on, its own words.
debian_depends() {
  apt-cache "${debian_apt[@]:2}" show "$1" | sed -n 's/^Depends: //p' | sed -n 1p
}

debian_keyring() {
  local file
  for file in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
    if [ -e "$file" ]; then
      echo "$file"
      return
    fi
  done
  return 1
}

# Apt itself says where it fetches from, whichever way the sources are written.
debian_mirrors() {
  { apt-get update --print-uris 2>/dev/null || true; } |
    sed -n "s|^'\(.*\)/dists/.*/InRelease'.*|\1|p" | grep -v security | awk '!seen[$0]++' || true
}

# debian_use URI SUITE…: succeeds if it has the suites, signed by Debian.
debian_use() {
  local uri=$1 suite
  shift
  for suite in "$@"; do echo "deb [signed-by=$debian_key] $uri $suite main"; done >"$debian_work/sources.list"
  "${debian_apt[@]}" -o APT::Update::Error-Mode=any update >"$debian_work/log" 2>&1
}

# on_linux WHAT: ends the script elsewhere; WHAT is taken from Debian.
on_linux() {
  [ "$(uname -s)" = Linux ] || cannot "$1 is taken from Debian, and this is $(uname -s)."
}
