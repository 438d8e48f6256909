#!/bin/bash
# k3s-setup.sh [OPTION…] [HOST…]: sets k3s (or RKE2) nodes up for the agent: NRI on in k3s' configuration of containerd, and the
# agent as a plugin or as a DaemonSet. Without a HOST this machine; otherwise each one by ssh, one after the other.
#   --mode plugin|daemonset  default: plugin, which containerd launches before the node's first container
#   --single-node N          only the Nth HOST, from 1; to try it on one first, or to go on where it stopped
#   --restart                restart k3s; without it NRI and the plugin begin with its next start. Pods run on meanwhile
#   --dry-run                only say what would be done
# What is in a template already stays; the part that is added is marked, and a copy of the former file kept beside it.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
fail() {
  echo "k3s-setup: $*" >&2
  exit 64
}

mode=plugin single='' restart='' dry_run='' hosts=()
while [ $# -gt 0 ]; do
  case $1 in
    --mode | --single-node)
      [ -n "${2:-}" ] || fail "$1 needs a value."
      if [ "$1" = --mode ]; then mode=$2; else single=$2; fi
      shift
      ;;
    --restart) restart=1 ;;
    --dry-run) dry_run=1 ;;
    --help) exec sed -n '2,/^set /{s/^# \{0,1\}//p}' "$0" ;;
    -*) fail "$1 is no option; --help lists them." ;;
    *) hosts+=("$1") ;;
  esac
  shift
done
case $mode in
  plugin) artefact=dist/weka-cpuset ;;
  daemonset) artefact=dist/weka-cpuset-image.tar ;;
  *) fail "--mode is $mode; it may be plugin or daemonset." ;;
esac
[ -f "$root/$artefact" ] || fail "$artefact isn't there; make image makes it."
if [ -n "$single" ]; then
  if ! [[ $single =~ ^[1-9][0-9]*$ ]] || [ "$single" -gt ${#hosts[@]} ]; then
    fail "--single-node is $single, and there are ${#hosts[@]} hosts; it counts from 1."
  fi
  hosts=("${hosts[$((single - 1))]}")
fi

# Runs a command, or only says it.
run() {
  if [ -n "$dry_run" ]; then echo "would run: $*"; else "$@"; fi
}

# The same checkout's files that are needed there, in a folder that goes again.
on_host() {
  local there
  there=$(ssh "$1" mktemp -d /tmp/weka-cpuset.XXXXXX)
  tar -C "$root" -cf - hack/k3s-setup.sh deploy "$artefact" | ssh "$1" tar -C "$there" -xf -
  # shellcheck disable=SC2029 # all of it is this side's
  ssh "$1" "status=0; '$there/hack/k3s-setup.sh' --mode $mode ${restart:+--restart} ${dry_run:+--dry-run} || status=\$?;" \
    "rm -r '$there'; exit \$status"
}

if [ ${#hosts[@]} -gt 0 ]; then
  for host in "${hosts[@]}"; do
    echo "== $host"
    if [ -n "$dry_run" ]; then echo "would run on $host: k3s-setup.sh --mode $mode"; else on_host "$host"; fi
  done
  exit
fi

for distribution in k3s rke2; do
  data=${RANCHER_ROOT:-/var/lib/rancher}/$distribution
  [ -d "$data/agent/etc/containerd" ] && break
done
containerd=$data/agent/etc/containerd
[ -d "$containerd" ] || fail "there is no k3s or RKE2 in ${RANCHER_ROOT:-/var/lib/rancher} on this machine; install it and start it once."
[ "$(id -u)" = 0 ] || fail "its files are root's; run it as root."

# k3s makes config.toml of a template: of version 3 for containerd 2, of version 2 for 1.7, and of "base", its own, without one.
template=$containerd/config.toml.tmpl
if [ -f "$containerd/config-v3.toml.tmpl" ] || grep -qs '^version = 3' "$containerd/config.toml"; then
  template=$containerd/config-v3.toml.tmpl
fi
nri='io.containerd.nri.v1.nri'

# What is in the template, or else in what was made of the base, counts.
has_nri() {
  grep -qsF "$nri" "$template" || grep -qsF "$nri" "$containerd/config.toml"
}

nri_off() {
  [ -n "$({ cat "$template" "$containerd/config.toml" 2>/dev/null || true; } | sed -n "/$nri/,/^ *\[/{/^ *disable *= *true/p}")" ]
}

if has_nri; then
  if nri_off; then fail "NRI is switched off in $template or config.toml beside it; set disable = false there by hand."; fi
  echo "NRI is configured already"
else
  changed=$(mktemp "$containerd/.weka-cpuset.XXXXXX")
  trap 'rm -f "$changed"' EXIT
  if [ -f "$template" ]; then
    cat "$template" >"$changed"
    run cp --preserve "$template" "$template.before-weka-cpuset"
  else
    echo '{{ template "base" . }}' >"$changed"
  fi
  printf '\n# weka-cpuset begin\n[plugins."%s"]\n  disable = false\n# weka-cpuset end\n' "$nri" >>"$changed"
  chmod 644 "$changed"
  run mv "$changed" "$template"
  echo "NRI is on in $template from the next start of $distribution on"
fi

case $mode in
  plugin) run "$root/dist/weka-cpuset" install-host-plugin ;;
  daemonset)
    run install -D -m 600 "$root/$artefact" "$data/agent/images/weka-cpuset-image.tar" # imported at each start
    if [ -d "$data/server" ]; then
      kubectl=(kubectl)
      command -v kubectl >/dev/null || kubectl=(k3s kubectl)
      run "${kubectl[@]}" apply --kustomize "$root/deploy/overlays/k3s"
    fi
    ;;
esac

unit=$distribution-agent
if [ -d "$data/server" ]; then unit=${distribution/rke2/rke2-server}; fi
if [ -n "$restart" ]; then
  run systemctl restart "$unit"
else
  echo "now run: systemctl restart $unit"
fi
