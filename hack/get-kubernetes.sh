#!/bin/bash
# get-kubernetes.sh DIR: what a cluster of one machine consists of, containerd aside (get-containerd.sh), into DIR:
#   kube-apiserver, kube-controller-manager, kube-scheduler, kubelet   built with Go, from the Go module proxy
#   etcd, kubectl                                                      of Debian 13
# Nothing is installed. Run again, it only looks. Exit status 2 and one sentence: they can't be had here.
set -euo pipefail

hack=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=hack/debian.sh
. "$hack/debian.sh"
# shellcheck source=hack/fetch.sh
. "$hack/fetch.sh"
# shellcheck source=hack/kubernetes_build.sh
. "$hack/kubernetes_build.sh"
enter .lock "$@"
programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet)

if [ ! -e "$dir/complete-$kubernetes_version" ]; then
  work=$(mktemp -d "$dir/.work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  debian_open "$work/apt" trixie
  debian_unpack trixie "$work/trixie" etcd-server
  debian_unpack trixie "$work/trixie" kubectl
  mv "$work/trixie/usr/bin/"{etcd,kubectl} "$work/"
  "$work/etcd" --version >/dev/null || cannot "Debian's etcd doesn't run here."
  "$work/kubectl" version --client >/dev/null || cannot "Debian's kubectl doesn't run here."
  kubernetes_build "$work" "${programs[@]}"
  rm -f "$dir"/complete-*
  for program in etcd kubectl "${programs[@]}"; do mv "$work/$program" "$dir/$program"; done
  touch "$dir/complete-$kubernetes_version"
fi
"$dir/kubelet" --version
"$dir/etcd" --version | sed -n 1p
