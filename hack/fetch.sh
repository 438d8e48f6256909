# shellcheck shell=bash
# fetch.sh, sourced by the scripts that build something with Go into a folder: "cannot" ends them with status 2 and one
# sentence, "enter" sets "dir" to the folder and locks it.

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
