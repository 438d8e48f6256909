# shellcheck shell=bash
# fetch.sh, sourced by the scripts that fetch or build something into a folder: "cannot" ends them with status 2 and one
# sentence, "enter" sets "dir" to the folder and locks it, "unless_complete" ends them where there is nothing to do; "begin" is
# both, and sets "work" to a folder in it that goes when the script ends.

cannot() {
  echo "$(basename "$0" .sh): $*" >&2
  exit 2
}

# enter LOCK [DIR]…: of the script's own arguments there is exactly one.
enter() {
  local lock=$1
  shift
  [ $# -eq 1 ] || { echo "usage: $(basename "$0") DIR" >&2; exit 64; }
  mkdir -p "$1"
  dir=$(cd "$1" && pwd)
  exec 9>"$dir/$lock"
  flock 9 # two test runs may start at once
}

# unless_complete SCRIPT: sets "complete" to the file that is there once this version of the script has done its work; where it
# is, prints it and ends.
unless_complete() {
  complete=$dir/complete-$(cksum <"$1" | cut -d' ' -f1)
  if [ -e "$complete" ]; then
    cat "$complete"
    exit
  fi
}

# begin DIR: of a script in "hack".
# shellcheck disable=SC2154 # the script sets "hack"
begin() {
  enter .lock "$@"
  unless_complete "$hack/$(basename "$0")"
  work=$(mktemp -d "$dir/.work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
}
